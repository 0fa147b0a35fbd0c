//! How a connection ends.

use bytes::Bytes;
use http::{Method, Response};
use http_body::Frame;

use crate::stand::{answer, serving, streamed, whole};

#[tokio::test]
async fn one_that_is_to_end_does_so_with_what_is_under_way() {
    let (to_body, body) = streamed();
    let mut body = Some(body);
    let (stand, client) = serving(move |_, _| {
        let body = body.take().unwrap();
        async { Response::new(body) }
    })
    .await;
    let answer = client.ask(Method::GET).await.unwrap();
    stand.end();
    to_body.send(Ok(Frame::data(Bytes::from("all of it")))).await.unwrap();
    drop(to_body);
    assert_eq!(whole(answer.into_body()).await.unwrap(), b"all of it");
    stand.ended().await.unwrap();
    assert!(client.ask(Method::GET).await.is_err());
}

#[tokio::test]
async fn one_on_which_nothing_is_under_way_ends_at_once() {
    let (stand, client) = serving(|_, _| async { answer("page") }).await;
    assert_eq!(client.ask(Method::GET).await.unwrap().status(), 200);
    stand.end();
    stand.ended().await.unwrap();
    assert!(client.ask(Method::GET).await.is_err());
}

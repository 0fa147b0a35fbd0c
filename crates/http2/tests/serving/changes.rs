//! Streams that change over to another protocol.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use h2::Reason;
use http::{Request, StatusCode};
use reveille_http1::Interim;
use reveille_http2::{Change, Changed, Incoming, protocol};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::stand::{Answer, Client, Stand, answer, send, serving, soon, whole};

/// A server that lets `then` have each stream that asks for it.
async fn changing<T, F>(then: T) -> (Stand, Client)
where
    T: Fn(Changed) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    serving(move |mut request: Request<Incoming>, _: Interim| {
        let then = then.clone();
        async move {
            if protocol(&request).is_none() {
                return answer("page");
            }
            let change = Change::of(&mut request);
            tokio::spawn(async move { then(change.changed().await.unwrap()).await });
            answer("")
        }
    })
    .await
}

async fn echo(mut client: Changed) {
    let (mut from, mut to) = tokio::io::split(&mut client);
    tokio::io::copy(&mut from, &mut to).await.unwrap();
    to.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_carries_bytes_both_ways_and_either_end_beside_other_requests() {
    let (_stand, client) = changing(echo).await;
    assert!(client.may_change());
    let (asked, mut to) = client.change("websocket").await;
    let opened = soon(asked).await.unwrap();
    assert_eq!((opened.status().as_u16(), opened.headers().get("content-length")), (200, None));
    let much: Bytes = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let sent = much.clone();
    let writer = tokio::spawn(async move {
        send(&mut to, sent).await.unwrap();
        to.send_data(Bytes::new(), true).unwrap();
    });
    assert_eq!(client.ask(http::Method::GET).await.unwrap().status(), 200);
    assert!(whole(opened.into_body()).await.unwrap() == much);
    writer.await.unwrap();
}

#[tokio::test]
async fn one_that_is_let_go_of_is_reset_and_one_that_is_shut_ends() {
    let (_stand, client) = changing(|client| async move { drop(client) }).await;
    let (asked, _to) = client.change("websocket").await;
    let opened = soon(asked).await.unwrap();
    assert_eq!(whole(opened.into_body()).await.unwrap_err().reason(), Some(Reason::CANCEL));
    let (_stand, client) = changing(|mut client| async move {
        client.write_all(b"bye").await.unwrap();
        client.shutdown().await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    })
    .await;
    let (asked, mut to) = client.change("websocket").await;
    assert_eq!(whole(soon(asked).await.unwrap().into_body()).await.unwrap(), b"bye");
    to.send_data(Bytes::new(), true).unwrap();
}

#[tokio::test]
async fn one_that_its_client_resets_breaks_for_whoever_reads_it_and_whoever_writes() {
    let seen = Arc::<Mutex<Vec<std::io::ErrorKind>>>::default();
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let sees = Arc::clone(&seen);
    let (_stand, client) = changing(move |mut client| {
        let (seen, tell) = (Arc::clone(&sees), tell.clone());
        async move {
            let read = client.read(&mut [0]).await.unwrap_err().kind();
            let mut written = Ok(());
            while written.is_ok() {
                written = client.write_all(&[0; 4096]).await;
            }
            seen.lock().unwrap().extend([read, written.unwrap_err().kind()]);
            tell.send(()).unwrap();
        }
    })
    .await;
    for reason in [Reason::CANCEL, Reason::INTERNAL_ERROR] {
        let (asked, mut to) = client.change("websocket").await;
        let opened = soon(asked).await.unwrap();
        to.send_reset(reason);
        soon(told.recv()).await.unwrap();
        drop(opened);
    }
    let seen = seen.lock().unwrap();
    assert!(seen.len() == 4 && seen[0] == std::io::ErrorKind::ConnectionReset, "{seen:?}");
}

#[tokio::test]
async fn whoever_reads_nothing_is_written_no_more() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (_stand, client) = changing(move |mut client| {
        let tell = tell.clone();
        async move {
            while client.write_all(&[0; 16 * 1024]).await.is_ok() {
                tell.send(()).unwrap();
            }
        }
    })
    .await;
    let (asked, _to) = client.change("websocket").await;
    let _opened = soon(asked).await.unwrap();
    soon(told.recv()).await.unwrap();
    let mut written = 16 * 1024;
    while let Ok(Some(())) = tokio::time::timeout(std::time::Duration::from_millis(300), told.recv()).await {
        written += 16 * 1024;
    }
    assert!(written < crate::stand::WINDOW, "{written}");
}

#[tokio::test]
async fn one_that_is_answered_with_something_else_is_an_answer_like_any_other() {
    let changes = Arc::<Mutex<Vec<Change>>>::default();
    let kept = Arc::clone(&changes);
    let (_stand, client) = serving(move |mut request: Request<Incoming>, _: Interim| {
        kept.lock().unwrap().push(Change::of(&mut request));
        async move {
            let mut refused: Answer = answer("not here");
            *refused.status_mut() = StatusCode::FORBIDDEN;
            refused
        }
    })
    .await;
    let (asked, _to) = client.change("websocket").await;
    let refused = soon(asked).await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(whole(refused.into_body()).await.unwrap(), b"not here");
    let change = changes.lock().unwrap().pop().unwrap();
    assert!(soon(change.changed()).await.is_err(), "whoever waits for it is told");
}

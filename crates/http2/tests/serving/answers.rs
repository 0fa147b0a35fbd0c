//! Answers, and what is said before them.

use std::future::{pending, poll_fn};

use bytes::Bytes;
use h2::Reason;
use h2::client::ResponseFuture;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

use crate::stand::{Answer, Client, answer, send, serving, soon, streamed, whole};

async fn said(answer: &mut ResponseFuture) -> Response<()> {
    soon(poll_fn(|cx| answer.poll_informational(cx))).await.unwrap().unwrap()
}

fn hint() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.append("link", HeaderValue::from_static("</a.css>"));
    headers.append("link", HeaderValue::from_static("</b.css>"));
    for own in
        ["connection", "keep-alive", "proxy-connection", "upgrade", "transfer-encoding", "content-length"]
    {
        headers.insert(own, HeaderValue::from_static("7"));
    }
    headers
}

#[tokio::test]
async fn what_is_said_before_an_answer_comes_before_it_and_to_its_own_request() {
    let (let_go, gate) = oneshot::channel::<()>();
    let mut gate = Some(gate);
    let (_stand, client) = serving(move |request, interim| {
        let gate = gate.take();
        async move {
            if request.method() == Method::POST {
                assert!(interim.send(StatusCode::EARLY_HINTS, &hint()));
                assert!(interim.send(StatusCode::from_u16(199).unwrap(), &HeaderMap::new()));
                for no in [StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS, StatusCode::OK] {
                    assert!(!interim.send(no, &HeaderMap::new()), "{no}");
                }
                gate.unwrap().await.unwrap();
            }
            answer("page")
        }
    })
    .await;
    let (mut asked, _body) = client.begin(Request::post("/")).await;
    let first = said(&mut asked).await;
    assert_eq!(first.status(), 103);
    let links: Vec<_> = first.headers().iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(links, [("link", &"</a.css>".parse().unwrap()), ("link", &"</b.css>".parse().unwrap())]);
    assert_eq!(said(&mut asked).await.status(), 199, "the answer is still to come");
    let other = client.ask(Method::GET).await.unwrap();
    assert_eq!(whole(other.into_body()).await.unwrap(), b"page");
    let_go.send(()).unwrap();
    let page = soon(asked).await.unwrap();
    assert_eq!((page.status().as_u16(), page.headers().get("link")), (200, None));
    assert_eq!(whole(page.into_body()).await.unwrap(), b"page");
}

#[tokio::test]
async fn nothing_is_said_of_a_request_that_is_answered() {
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let (_stand, client) = serving(move |_, interim| {
        tell.take().unwrap().send(interim).unwrap();
        async { answer("") }
    })
    .await;
    whole(client.ask(Method::GET).await.unwrap().into_body()).await.unwrap();
    assert!(!told.await.unwrap().send(StatusCode::EARLY_HINTS, &HeaderMap::new()));
}

#[tokio::test]
async fn a_client_that_waits_is_asked_for_its_body_when_somebody_reads_it_and_not_before() {
    let (read, reads) = oneshot::channel::<()>();
    let mut reads = Some(reads);
    let (_stand, client) = serving(move |request, interim| {
        let reads = reads.take().unwrap();
        async move {
            interim.send(StatusCode::EARLY_HINTS, &HeaderMap::new());
            reads.await.unwrap();
            answer(request.into_body().collect().await.unwrap().to_bytes())
        }
    })
    .await;
    let (mut asked, mut body) = client.begin(Request::post("/").header("expect", "x, 100-Continue")).await;
    assert_eq!(said(&mut asked).await.status(), 103);
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), said(&mut asked)).await;
    assert!(early.is_err(), "nobody has asked: {early:?}");
    read.send(()).unwrap();
    assert_eq!(said(&mut asked).await.status(), 100);
    body.send_data(Bytes::from("hello"), true).unwrap();
    assert_eq!(whole(soon(asked).await.unwrap().into_body()).await.unwrap(), b"hello");
}

#[tokio::test]
async fn a_client_that_waits_for_nothing_or_whose_body_nobody_reads_is_not_asked() {
    let (_stand, client) = serving(|request, _| async move {
        if request.method() == Method::PUT {
            return answer("no");
        }
        answer(request.into_body().collect().await.unwrap().to_bytes())
    })
    .await;
    let waits = |method| Request::builder().method(method).header("expect", "100-continue");
    for request in [Request::post("/"), waits(Method::PUT)] {
        let (mut asked, mut body) = client.begin(request).await;
        // What has come without being asked for is no body to ask for.
        let _ = body.send_data(Bytes::from("no"), true);
        let answered = poll_fn(|cx| asked.poll_informational(cx));
        assert!(soon(answered).await.is_none_or(|said| said.is_err()));
        assert_eq!(whole(soon(asked).await.unwrap().into_body()).await.unwrap(), b"no");
    }
}

#[tokio::test]
async fn an_answer_without_a_body_has_none_whatever_was_given() {
    for (method, status, length) in
        [(Method::HEAD, 200, Some("4")), (Method::GET, 204, None), (Method::GET, 304, None)]
    {
        let (_stand, client) = serving(move |_, _| async move {
            let mut answer = answer("page");
            *answer.status_mut() = StatusCode::from_u16(status).unwrap();
            answer
        })
        .await;
        let answer = client.ask(method).await.unwrap();
        assert!(answer.body().is_end_stream(), "{status}");
        let told = answer.headers().get("content-length").map(|length| length.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), told), (status, length));
    }
}

#[tokio::test]
async fn an_answer_has_a_date_and_a_length_and_nothing_of_a_connection() {
    let (_stand, client) = serving(|_, _| async {
        let mut answer = answer("page");
        for own in ["connection", "keep-alive", "proxy-connection", "upgrade", "transfer-encoding", "te"] {
            answer.headers_mut().insert(own, HeaderValue::from_static("x"));
        }
        answer
    })
    .await;
    let answer = client.ask(Method::GET).await.unwrap();
    let mut names: Vec<_> = answer.headers().keys().map(http::HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "date"]);
    assert_eq!(answer.headers()["content-length"], "4");
}

#[tokio::test]
async fn trailers_pass_both_ways() {
    let (_stand, client) = serving(|request, _| async move {
        let came = request.into_body().collect().await.unwrap();
        let trailers = came.trailers().unwrap().clone();
        let (to_body, body) = streamed();
        tokio::spawn(async move {
            to_body.send(Ok(Frame::data(came.to_bytes()))).await.unwrap();
            to_body.send(Ok(Frame::trailers(trailers))).await.unwrap();
        });
        Response::new(body)
    })
    .await;
    let (asked, mut body) = client.begin(Request::post("/").header("content-length", "2")).await;
    send(&mut body, Bytes::from("hi")).await.unwrap();
    body.send_trailers(HeaderMap::from_iter([("x-sum".parse().unwrap(), "1".parse().unwrap())])).unwrap();
    let mut answer = soon(asked).await.unwrap();
    assert_eq!(soon(answer.body_mut().data()).await.unwrap().unwrap(), "hi");
    assert!(soon(answer.body_mut().data()).await.is_none());
    assert_eq!(soon(answer.body_mut().trailers()).await.unwrap().unwrap()["x-sum"], "1");
}

/// The body of an answer that says it is four bytes long.
async fn of_four(frames: Vec<std::io::Result<Frame<Bytes>>>) -> Result<Vec<u8>, h2::Error> {
    let mut frames = Some(frames);
    let (_stand, client) = serving(move |_, _| {
        let (frames, (to_body, body)) = (frames.take().unwrap(), streamed());
        tokio::spawn(async move {
            for frame in frames {
                if to_body.send(frame).await.is_err() {
                    return;
                }
            }
        });
        async { Response::builder().header("content-length", "4").body(body).unwrap() }
    })
    .await;
    whole(client.ask(Method::GET).await?.into_body()).await
}

#[tokio::test]
async fn an_answer_that_breaks_or_is_not_as_long_as_it_says_never_looks_whole() {
    let data = |bytes: &'static str| Ok(Frame::data(Bytes::from(bytes)));
    let trailers = || Ok(Frame::trailers(HeaderMap::new()));
    assert_eq!(of_four(vec![data("pa"), data(""), data("ge")]).await.unwrap(), b"page");
    assert_eq!(of_four(vec![data("page"), trailers()]).await.unwrap(), b"page");
    let broken = || Err(std::io::Error::other("it broke"));
    for frames in [
        vec![],
        vec![data("pag")],
        vec![data("pages")],
        vec![data("pa"), data("gers")],
        vec![data("pa"), trailers()],
        vec![trailers()],
        vec![broken()],
        vec![data("page"), broken()],
    ] {
        let told = format!("{frames:?}");
        assert_eq!(of_four(frames).await.unwrap_err().reason(), Some(Reason::INTERNAL_ERROR), "{told}");
    }
}

#[tokio::test]
async fn an_answer_that_is_none_and_a_panic_reset_their_stream_and_no_other() {
    let (_stand, client) = serving(|request, _| async move {
        match *request.method() {
            Method::GET => answer("page"),
            Method::DELETE => panic!("as a test wants it"),
            _ => Response::builder().status(101).body(answer("").into_body()).unwrap(),
        }
    })
    .await;
    for method in [Method::DELETE, Method::OPTIONS] {
        assert!(client.ask(method).await.unwrap_err().is_reset());
        assert_eq!(client.ask(Method::GET).await.unwrap().status(), 200);
    }
}

/// Answers nothing, and says when it is let go of.
async fn forever(gone: oneshot::Sender<()>) -> Answer {
    let _gone = Tell(Some(gone));
    pending().await
}

struct Tell(Option<oneshot::Sender<()>>);

impl Drop for Tell {
    fn drop(&mut self) {
        let _ = self.0.take().unwrap().send(());
    }
}

#[tokio::test]
async fn a_client_that_resets_or_leaves_ends_what_is_done_for_it() {
    for leaves in [Client::reset, Client::leave] {
        let (tell, told) = oneshot::channel();
        let (arrive, arrived) = oneshot::channel();
        let (mut tell, mut arrive) = (Some(tell), Some(arrive));
        let (_stand, client) = serving(move |_, _| {
            arrive.take().unwrap().send(()).unwrap();
            forever(tell.take().unwrap())
        })
        .await;
        let begun = client.begin(Request::post("/")).await;
        soon(arrived).await.unwrap();
        leaves(client, begun);
        soon(told).await.unwrap();
    }
}

type Begun = (ResponseFuture, h2::SendStream<Bytes>);

impl Client {
    fn reset(self, (_answer, mut body): Begun) {
        body.send_reset(Reason::CANCEL);
        std::mem::forget(self);
    }

    fn leave(self, begun: Begun) {
        drop((self, begun));
    }
}

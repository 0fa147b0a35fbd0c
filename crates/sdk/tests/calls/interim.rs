//! Informational answers to a request that is handed on (RFC 9110, section 15.2).

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use reveille::{Body, Forward, HttpVersion, Plane};
use reveille_faults::{End, FaultServer, Moment, Script, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::harness::{BOTH, HTTP1, HTTP2, builder, everywhere};

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

type Told = Arc<Mutex<Vec<(u16, HeaderMap)>>>;

fn request(method: &str, body: Body) -> http::Request<Body> {
    http::Request::builder().method(method).uri("/acme/sandboxes/box/port/1/").body(body).unwrap()
}

fn get() -> http::Request<Body> {
    request("GET", Body::empty())
}

/// The same call, and what it tells.
fn listening(call: Forward) -> (Forward, Told) {
    let told = Told::default();
    let hears = Arc::clone(&told);
    let hook = move |answer: &Response<()>| {
        hears.lock().unwrap().push((answer.status().as_u16(), answer.headers().clone()));
    };
    (call.on_informational(hook), told)
}

fn statuses(told: &Told) -> Vec<u16> {
    told.lock().unwrap().iter().map(|(status, _)| *status).collect()
}

fn block_on<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.unwrap() })
}

/// A server whose next connection is served by hand, and a client of it.
async fn by_hand() -> (TcpListener, reveille::Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = builder(&format!("http://{}", listener.local_addr().unwrap())).build().unwrap();
    (listener, client)
}

async fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    stream
}

#[test]
fn each_is_told_in_its_order_and_without_what_belongs_to_its_connection() {
    let script = || {
        let hint = [("link", "</a>"), ("x-near", "1"), ("connection", "x-near"), ("content-length", "9")];
        Script::new().then(Step::ok("done").informational(102).informational_with(103, hint))
    };
    everywhere(HTTP1, script, |_, client, way| {
        let (call, told) = listening(client.forward(Plane::Data, get()));
        let (answer, _) = way.finish(call.with_history()).unwrap();
        assert_eq!((answer.status().as_u16(), statuses(&told)), (200, vec![102, 103]));
        let hint = told.lock().unwrap().remove(1).1;
        let headers: Vec<_> = hint.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("link", &b"</a>"[..])]);
    });
}

#[test]
fn one_is_told_while_the_final_answer_is_still_to_come() {
    block_on(async {
        let (listener, client) = by_hand().await;
        let (told, mut tells) = mpsc::unbounded_channel();
        let call = client.forward(Plane::Data, get()).on_informational(move |hint| {
            told.send(hint.status().as_u16()).unwrap();
        });
        let server = async {
            let mut stream = accept(&listener).await;
            for status in [102, 103, 199] {
                stream.write_all(format!("HTTP/1.1 {status} x\r\n\r\n").as_bytes()).await.unwrap();
                assert_eq!(tells.recv().await, Some(status));
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream
        };
        let (answer, _stream) = tokio::join!(call.into_future(), server);
        assert_eq!(answer.unwrap().status().as_u16(), 200);
    });
}

#[test]
fn the_word_that_a_body_may_come_is_for_the_body_and_a_hint_beside_it_is_for_the_caller() {
    block_on(async {
        let (listener, client) = by_hand().await;
        let body = Body::stream(futures_util::stream::iter([Ok(Bytes::from("hello"))]));
        let mut asks = request("POST", body);
        asks.headers_mut().insert("expect", "100-continue".parse().unwrap());
        let (call, told) = listening(client.forward(Plane::Data, asks));
        let server = async {
            let mut stream = accept(&listener).await;
            stream
                .write_all(b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 100 x\r\n\r\nHTTP/1.1 102 x\r\n\r\n")
                .await
                .unwrap();
            let mut chunk = [0; 8];
            stream.read_exact(&mut chunk).await.unwrap();
            assert_eq!(&chunk, b"5\r\nhello");
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream
        };
        let (answer, _stream) = tokio::join!(call.into_future(), server);
        assert_eq!(answer.unwrap().status().as_u16(), 200);
        assert_eq!(statuses(&told), [103, 102]);
    });
}

#[test]
fn over_http2_each_is_told_in_its_order() {
    let script = || {
        let hint = [("link", "</a>"), ("link", "</b>"), ("content-length", "9")];
        Script::new().then(Step::ok("done").informational(102).informational_with(103, hint))
    };
    everywhere(HTTP2, script, |_, client, way| {
        let (call, told) = listening(client.forward(Plane::Data, get()));
        let (answer, _) = way.finish(call.with_history()).unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (http::Version::HTTP_2, 200));
        assert_eq!(statuses(&told), [102, 103]);
        let hint = told.lock().unwrap().remove(1).1;
        let headers: Vec<_> = hint.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("link", &b"</a>"[..]), ("link", &b"</b>"[..])]);
    });
}

/// A server over HTTP/2 whose next request is served by hand, and a client of it.
async fn by_hand_over_http2() -> (TcpListener, reveille::Client) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, builder(&url).http_version(HttpVersion::Http2).build().unwrap())
}

type Asked = (http::Request<h2::RecvStream>, h2::server::SendResponse<Bytes>);

async fn accept_over_http2(listener: &TcpListener) -> Asked {
    let (stream, _) = listener.accept().await.unwrap();
    let mut server = h2::server::handshake(stream).await.unwrap();
    let asked = server.accept().await.unwrap().unwrap();
    tokio::spawn(async move { while server.accept().await.is_some() {} });
    asked
}

fn said(status: u16) -> Response<()> {
    Response::builder().status(status).body(()).unwrap()
}

#[test]
fn over_http2_one_is_told_while_the_final_answer_is_still_to_come() {
    block_on(async {
        let (listener, client) = by_hand_over_http2().await;
        let (told, mut tells) = mpsc::unbounded_channel();
        let call = client.forward(Plane::Data, get()).on_informational(move |hint| {
            told.send(hint.status().as_u16()).unwrap();
        });
        let server = async {
            let (_request, mut answer) = accept_over_http2(&listener).await;
            for status in [102, 103, 199] {
                answer.send_informational(said(status)).unwrap();
                assert_eq!(tells.recv().await, Some(status));
            }
            answer.send_response(said(200), true).unwrap();
        };
        let (answer, ()) = tokio::join!(call.into_future(), server);
        assert_eq!(answer.unwrap().status().as_u16(), 200);
    });
}

fn waiting() -> http::Request<Body> {
    let mut asks = request("POST", Body::stream(futures_util::stream::iter([Ok(Bytes::from("hello"))])));
    asks.headers_mut().insert("expect", "100-continue".parse().unwrap());
    asks
}

#[test]
fn over_http2_a_body_waits_until_it_is_asked_for() {
    block_on(async {
        let (listener, client) = by_hand_over_http2().await;
        let (call, told) = listening(client.forward(Plane::Data, waiting()));
        let server = async {
            let (request, mut answer) = accept_over_http2(&listener).await;
            assert_eq!(request.headers()["expect"], "100-continue");
            let mut body = request.into_body();
            let early = tokio::time::timeout(Duration::from_millis(200), body.data()).await;
            assert!(early.is_err(), "nobody has asked");
            answer.send_informational(said(103)).unwrap();
            answer.send_informational(said(100)).unwrap();
            assert_eq!(body.data().await.unwrap().unwrap(), "hello");
            answer.send_response(said(200), true).unwrap();
        };
        let (answer, ()) = tokio::join!(call.into_future(), server);
        assert_eq!((answer.unwrap().status().as_u16(), statuses(&told)), (200, vec![103]));
    });
}

#[test]
fn over_http2_a_request_that_is_refused_first_sends_no_body_and_one_that_nobody_asks_for_goes_all_the_same() {
    block_on(async {
        let (listener, client) = by_hand_over_http2().await;
        let server = async {
            let (request, mut answer) = accept_over_http2(&listener).await;
            answer.send_response(said(413), true).unwrap();
            let came = request.into_body().data().await;
            assert!(came.is_none_or(|came| came.is_err()), "nothing of it");
        };
        let call = client.forward(Plane::Data, waiting()).into_future();
        let answer = async {
            let answer = call.await.unwrap();
            assert_eq!(answer.status().as_u16(), 413);
        };
        tokio::join!(answer, server);
        let (listener, client) = by_hand_over_http2().await;
        let server = async {
            let (request, mut answer) = accept_over_http2(&listener).await;
            assert_eq!(request.into_body().data().await.unwrap().unwrap(), "hello");
            answer.send_response(said(200), true).unwrap();
        };
        let (answer, ()) = tokio::join!(client.forward(Plane::Data, waiting()).into_future(), server);
        assert_eq!(answer.unwrap().status().as_u16(), 200);
    });
}

#[test]
fn over_http2_of_a_flood_the_first_are_told_and_the_answer_comes() {
    block_on(async {
        let (listener, client) = by_hand_over_http2().await;
        let (call, told) = listening(client.forward(Plane::Data, get()));
        let server = async {
            let (_request, mut answer) = accept_over_http2(&listener).await;
            for at in 0..5_000 {
                let mut hint = said(103);
                hint.headers_mut().insert("x-at", at.into());
                answer.send_informational(hint).unwrap();
            }
            answer.send_response(said(200), true).unwrap();
        };
        let (answer, ()) = tokio::join!(call.into_future(), server);
        assert_eq!(answer.unwrap().status().as_u16(), 200);
        assert_eq!(told.lock().unwrap().first().unwrap().1["x-at"], "0");
    });
}

#[test]
fn an_attempt_that_is_tried_again_has_told_of_its_own() {
    let script = || {
        let asleep = Step::status(503).informational_with(103, [("x-from", "1")]);
        Script::new().step(asleep).then(Step::ok("").informational_with(103, [("x-from", "2")]))
    };
    everywhere(BOTH, script, |_, client, way| {
        let (call, told) = listening(client.forward(Plane::Data, get()));
        let (_, history) = way.finish(call.with_history()).unwrap();
        let mut told: Vec<_> =
            told.lock().unwrap().iter().map(|(_, headers)| headers["x-from"].clone()).collect();
        // Where the server is silent for long, a read goes out once more.
        told.dedup();
        assert!(history.len() >= 2, "{history}");
        assert_eq!(told, ["1", "2"]);
    });
}

#[test]
fn of_a_flood_the_first_are_told_and_the_answer_comes() {
    block_on(async {
        let (listener, client) = by_hand().await;
        let (call, told) = listening(client.forward(Plane::Data, get()));
        let server = async {
            let mut stream = accept(&listener).await;
            let hint = format!("HTTP/1.1 103 x\r\nlink: {}\r\n\r\n", "a".repeat(4_000));
            for at in 0..2_000 {
                let mark = format!("HTTP/1.1 103 x\r\nx-at: {at}\r\n\r\n");
                stream.write_all(mark.as_bytes()).await.unwrap();
                stream.write_all(hint.as_bytes()).await.unwrap();
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            stream
        };
        let (answer, _stream) = tokio::join!(call.into_future(), server);
        assert_eq!(answer.unwrap().status().as_u16(), 200);
        let told = told.lock().unwrap();
        assert_eq!(told.first().unwrap().1["x-at"], "0");
        let order: Vec<u32> = told
            .iter()
            .filter_map(|(_, headers)| headers.get("x-at")?.to_str().unwrap().parse().ok())
            .collect();
        assert!(order.is_sorted(), "{order:?}");
    });
}

#[test]
fn one_that_claims_a_coded_body_is_not_told() {
    let coded = [("transfer-encoding", "gzip"), ("x-own", "1")];
    let script = || Script::new().then(Step::ok("done").informational_with(103, coded).informational(102));
    everywhere(HTTP1, script, |_, client, way| {
        let (call, told) = listening(client.forward(Plane::Data, get()));
        way.finish(call.with_history()).unwrap();
        assert_eq!(statuses(&told), [102]);
    });
}

#[test]
fn a_connection_that_breaks_after_one_proves_nothing_of_a_mutation() {
    block_on(async {
        let (listener, client) = by_hand().await;
        let (call, told) = listening(client.forward(Plane::Data, request("POST", Body::from("x"))));
        let server = async {
            let mut stream = accept(&listener).await;
            stream.read_u8().await.unwrap();
            stream.write_all(b"HTTP/1.1 102 x\r\n\r\n").await.unwrap();
        };
        let (answer, ()) = tokio::join!(call.into_future(), server);
        let error = answer.unwrap_err();
        assert!(error.may_have_run());
        assert_eq!((statuses(&told), error.history().unwrap().len()), (vec![102], 1));
    });
}

#[test]
fn a_read_survives_a_break_at_every_byte_of_one() {
    let hint =
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    for at in 0..hint.len() {
        let cut = Step::garbage_at(Moment::AfterRequest, hint[..at].to_vec(), End::Close);
        let whole = Step::ok("ok").informational(103);
        let server = FaultServer::start(Script::new().step(cut).then(whole)).unwrap();
        let client = builder(&server.url()).http_version(HttpVersion::Http1).build().unwrap();
        let (call, told) = listening(client.forward(Plane::Data, get()));
        let answer = call.wait().unwrap();
        assert_eq!((answer.status().as_u16(), answer.history().len()), (200, 2), "{at}");
        let all_of_it = hint.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(told.lock().unwrap().len(), if at < all_of_it { 1 } else { 2 }, "{at}");
    }
}

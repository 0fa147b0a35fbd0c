//! The client's side, over real sockets and by the clock.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::SendResponse;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use reveille_http2::{Answer, Arriving, Client, Error, Unanswered};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::raw::{END_HEADERS, END_STREAM, HEADERS, PREFACE, RST_STREAM, SETTINGS, frame};
use crate::stand::{soon, streamed};

type Asked = (Request<h2::RecvStream>, SendResponse<Bytes>);

/// A client, and the server's side of its connection.
async fn connected() -> (Client, TcpStream, JoinHandle<Result<(), h2::Error>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (served, _) = listener.accept().await.unwrap();
    for stream in [&socket, &served] {
        stream.set_nodelay(true).unwrap();
    }
    let (client, driver) = Client::begin(socket).await.unwrap();
    (client, served, tokio::spawn(driver))
}

/// A client, and a library's server that hands over what it is asked.
async fn asking() -> (Client, tokio::sync::mpsc::Receiver<Asked>) {
    let (client, socket, _) = connected().await;
    (client, served_by_library(socket))
}

fn served_by_library<S>(socket: S) -> tokio::sync::mpsc::Receiver<Asked>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (tell, told) = tokio::sync::mpsc::channel(16);
    tokio::spawn(async move {
        let mut server =
            h2::server::Builder::new().enable_connect_protocol().handshake(socket).await.unwrap();
        while let Some(Ok(asked)) = server.accept().await {
            // A test may have seen enough.
            let _ = tell.send(asked).await;
        }
    });
    told
}

fn get() -> Request<Full<Bytes>> {
    Request::get("http://h/").body(Full::default()).unwrap()
}

fn post(body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    Request::post("http://h/").body(Full::new(body.into())).unwrap()
}

async fn ask(client: &Client, request: Request<Full<Bytes>>) -> Response<Arriving> {
    match soon(client.send(request, |_| {})).await {
        Ok(Answer::Arriving(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

fn ok() -> Response<()> {
    Response::new(())
}

#[tokio::test]
async fn what_is_sent_is_what_http2_may_have() {
    let (client, mut asked) = asking().await;
    let mut request = post("hi");
    for own in ["connection", "keep-alive", "proxy-connection", "upgrade", "transfer-encoding"] {
        request.headers_mut().insert(own, "x".parse().unwrap());
    }
    request.headers_mut().insert("te", "trailers".parse().unwrap());
    let sending = tokio::spawn(async move { ask(&client, request).await.status() });
    let (request, mut answer) = soon(asked.recv()).await.unwrap();
    let mut names: Vec<_> =
        request.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length: \"2\"", "te: \"trailers\""]);
    answer.send_response(ok(), true).unwrap();
    assert_eq!(soon(sending).await.unwrap(), 200);
}

#[tokio::test]
async fn both_sides_of_this_crate_understand_each_other() {
    const MUCH: usize = 20_000_000;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (served, _) = listener.accept().await.unwrap();
    for stream in [&socket, &served] {
        stream.set_nodelay(true).unwrap();
    }
    tokio::spawn(async move {
        let bounds =
            reveille_http2::Bounds { headers: 16_384, streams: 9, stream: 65_536, connection: 65_536 };
        let last = reveille_http1::Last::default();
        let http2 = reveille_http2::Http2 { socket: served, bounds: &bounds, last: &last };
        http2.serve(|request, _| async move { Response::new(request.into_body()) }).await
    });
    let (client, driver) = Client::begin(socket).await.unwrap();
    tokio::spawn(driver);
    let sent: Bytes = (0..MUCH).map(|at| at as u8).collect::<Vec<_>>().into();
    let answer = ask(&client, post(sent.clone())).await;
    assert!(soon(answer.into_body().collect()).await.unwrap().to_bytes() == sent);
}

#[tokio::test]
async fn an_answer_that_comes_before_the_body_has_gone_is_an_answer_and_the_rest_follows() {
    let (client, mut asked) = asking().await;
    let (to_body, body) = streamed();
    let request = Request::post("http://h/").body(body).unwrap();
    let sending = tokio::spawn(async move { soon(client.send(request, |_| {})).await.map_err(drop) });
    let (request, mut answer) = soon(asked.recv()).await.unwrap();
    answer.send_response(ok(), true).unwrap();
    let answered = soon(sending).await.unwrap().unwrap();
    to_body.send(Ok(http_body::Frame::data(Bytes::from("late")))).await.unwrap();
    assert_eq!(soon(request.into_body().data()).await.unwrap().unwrap(), "late");
    drop(answered);
}

#[tokio::test]
async fn whoever_gives_up_a_request_resets_it_and_whoever_drops_an_answer_too() {
    let (client, mut asked) = asking().await;
    let mut answer = tokio::select! {
        _ = client.send(get(), |_| {}) => panic!("it is not answered"),
        asked = soon(asked.recv()) => asked.unwrap().1,
    };
    let reason = soon(std::future::poll_fn(|cx| answer.poll_reset(cx))).await.unwrap();
    assert_eq!(reason, Reason::CANCEL);
    let sending = tokio::spawn({
        let client = client.clone();
        async move { drop(ask(&client, get()).await) }
    });
    let (_, mut answer) = soon(asked.recv()).await.unwrap();
    let mut body = answer.send_response(ok(), false).unwrap();
    soon(sending).await.unwrap();
    let reason = soon(std::future::poll_fn(|cx| body.poll_reset(cx))).await.unwrap();
    assert_eq!(reason, Reason::CANCEL);
}

#[tokio::test]
async fn what_comes_before_an_answer_is_heard_whether_or_not_anybody_looks() {
    let (client, mut asked) = asking().await;
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let mut sending =
        std::pin::pin!(client.send(get(), move |hint| tell.send(hint.status().as_u16()).unwrap()));
    let mut answer = tokio::select! {
        biased;
        _ = sending.as_mut() => panic!("it is not answered"),
        asked = soon(asked.recv()) => asked.unwrap().1,
    };
    for _ in 0..1_000 {
        answer.send_informational(Response::builder().status(103).body(()).unwrap()).unwrap();
        assert_eq!(soon(told.recv()).await, Some(103));
    }
    answer.send_response(ok(), true).unwrap();
    assert!(matches!(soon(sending).await, Ok(Answer::Arriving(answer)) if answer.status() == 200));
}

#[tokio::test]
async fn a_connection_ends_when_nobody_has_anything_of_it_and_not_before() {
    let (client, socket, driver) = connected().await;
    let mut asked = served_by_library(socket);
    let sending = tokio::spawn(async move { ask(&client, get()).await });
    let (_, mut answer) = soon(asked.recv()).await.unwrap();
    let mut body = answer.send_response(ok(), false).unwrap();
    let arriving = soon(sending).await.unwrap();
    body.send_data(Bytes::from("late"), true).unwrap();
    assert_eq!(soon(arriving.into_body().collect()).await.unwrap().to_bytes(), "late");
    soon(driver).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_on_a_connection_that_has_ended_comes_back_unsent() {
    let (client, socket, driver) = connected().await;
    assert!(!client.is_closed());
    drop(socket);
    let _ = soon(driver).await.unwrap();
    assert!(client.is_closed());
    match soon(client.send(post("again"), |_| {})).await {
        Err(Unanswered::Unsent(_, request)) => {
            assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "again");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn wherever_an_answer_is_cut_it_never_looks_whole() {
    // `:status: 200` and `content-length: 4`.
    let head = frame(HEADERS, END_HEADERS, 1, &[0x88, 0x0f, 0x0d, 1, b'4']);
    let greeting = frame(SETTINGS, 0, 0, &[]);
    let all = [greeting, head, frame(0, 0, 1, b"pa"), frame(0, END_STREAM, 1, b"ge")].concat();
    for cut in 0..=all.len() {
        let (client, mut socket, _) = connected().await;
        let said = all[..cut].to_vec();
        tokio::spawn(async move {
            socket.write_all(&said).await.unwrap();
            socket.shutdown().await.unwrap();
            let _ = socket.read_to_end(&mut Vec::new()).await;
        });
        let whole = match soon(client.send(get(), |_| {})).await {
            Ok(Answer::Arriving(answer)) => {
                soon(answer.into_body().collect()).await.map(http_body_util::Collected::to_bytes).ok()
            }
            _ => None,
        };
        assert_eq!(whole.is_some(), cut == all.len(), "cut at {cut} of {}: {whole:?}", all.len());
    }
}

#[tokio::test]
async fn a_server_that_needs_no_more_of_a_request_has_answered_it() {
    let ok = frame(HEADERS, END_HEADERS, 1, &[0x88]);
    let of_four = frame(HEADERS, END_HEADERS, 1, &[0x88, 0x0f, 0x0d, 1, b'4']);
    let enough = frame(RST_STREAM, 0, 1, &0_u32.to_be_bytes());
    for (head, data, is_whole) in
        [(&ok, &b"page"[..], true), (&of_four, b"page", true), (&of_four, b"pag", false)]
    {
        let (client, mut socket, _) = connected().await;
        let said = [frame(SETTINGS, 0, 0, &[]), head.clone(), frame(0, 0, 1, data), enough.clone()].concat();
        socket.write_all(&said).await.unwrap();
        let answer = ask(&client, get()).await;
        assert_eq!(soon(answer.into_body().collect()).await.is_ok(), is_whole);
    }
}

#[tokio::test]
async fn a_stream_may_change_over_and_one_that_does_not_is_answered() {
    for status in [200, 403] {
        let (client, mut asked) = asking().await;
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri("http://h/")
            .extension(h2::ext::Protocol::from_static("websocket"))
            .body(Full::<Bytes>::default())
            .unwrap();
        // What the server takes it has to have said.
        ask_once(&client, &mut asked).await;
        assert!(client.takes_extended());
        let sending = tokio::spawn(async move { soon(client.send(request, |_| {})).await.map_err(drop) });
        let (request, mut answer) = soon(asked.recv()).await.unwrap();
        assert_eq!(request.extensions().get::<h2::ext::Protocol>().unwrap().as_str(), "websocket");
        let response = Response::builder().status(status).body(()).unwrap();
        let mut send = answer.send_response(response, false).unwrap();
        match soon(sending).await.unwrap().unwrap() {
            Answer::Changed(changed) => {
                assert_eq!(status, 200);
                let mut bytes = changed.into_body();
                send.send_data(Bytes::from("hello"), true).unwrap();
                let mut read = String::new();
                soon(bytes.read_to_string(&mut read)).await.unwrap();
                bytes.write_all(b"there").await.unwrap();
                assert_eq!(
                    (read.as_str(), soon(request.into_body().data()).await.unwrap().unwrap()),
                    ("hello", "there".into())
                );
            }
            Answer::Arriving(answer) => assert_eq!(answer.status(), StatusCode::FORBIDDEN),
        }
    }
}

async fn ask_once(client: &Client, asked: &mut tokio::sync::mpsc::Receiver<Asked>) {
    let sending = tokio::spawn({
        let client = client.clone();
        async move { ask(&client, get()).await }
    });
    let (_, mut answer) = soon(asked.recv()).await.unwrap();
    answer.send_response(ok(), true).unwrap();
    soon(sending).await.unwrap();
}

/// A client of a server that is a test's by the clock.
async fn by_the_clock() -> (Client, DuplexStream) {
    let (socket, server) = tokio::io::duplex(64 * 1024);
    let (client, driver) = Client::begin(socket).await.unwrap();
    tokio::spawn(driver);
    (client, server)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_is_noticed_while_something_waits_for_it() {
    let (client, mut server) = by_the_clock().await;
    let began = tokio::time::Instant::now();
    let unanswered = client.send(get(), |_| {}).await.unwrap_err();
    assert!(matches!(unanswered, Unanswered::Broken(Error::Silent)), "{unanswered:?}");
    assert_eq!(began.elapsed().as_secs(), 10);
    let mut said = Vec::new();
    server.read_to_end(&mut said).await.unwrap();
    assert!(
        said.starts_with(PREFACE) && said.windows(5).any(|bytes| bytes == [0, 8, 6, 0, 0]),
        "it was asked"
    );
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_slow_and_there_is_waited_for_and_an_idle_connection_stays() {
    let (client, server) = by_the_clock().await;
    let mut asked = served_by_library(server);
    ask_once(&client, &mut asked).await;
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    assert!(!client.is_closed(), "nobody is asked while nothing is under way");
    let sending = tokio::spawn(async move { client.send(get(), |_| {}).await.map_err(drop) });
    let (_, mut answer) = asked.recv().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    answer.send_response(ok(), true).unwrap();
    assert!(matches!(sending.await.unwrap(), Ok(Answer::Arriving(answer)) if answer.status() == 200));
}

#[tokio::test(start_paused = true)]
async fn one_that_was_idle_for_long_is_asked_as_soon_as_it_is_used() {
    let (client, mut server) = by_the_clock().await;
    server.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let began = tokio::time::Instant::now();
    let unanswered = client.send(get(), |_| {}).await.unwrap_err();
    assert!(matches!(unanswered, Unanswered::Broken(Error::Silent)), "{unanswered:?}");
    assert_eq!(began.elapsed().as_secs(), 5, "it is asked at once, and has this long to say something");
}

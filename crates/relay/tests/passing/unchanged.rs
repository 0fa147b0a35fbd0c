//! What passes arrives as it was sent: heads, bodies, trailers, streams, other protocols.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use reveille_faults::{FaultServer, Script, Step};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::place::{BOX, PATIENCE, ask_with, connect, get, plain, relay, runtime};

type Streamed = http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>;

/// A server of HTTP/1.1 and HTTP/2 that answers as `answer` says.
fn serving<F, A>(answer: F) -> String
where
    F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Response<Streamed>> + Send + 'static,
{
    let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    runtime().spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let answer = answer.clone();
            let service = service_fn(move |request| {
                let answer = answer(request);
                async { Ok::<_, Infallible>(answer.await) }
            });
            tokio::spawn(async move {
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
            });
        }
    });
    url
}

fn framed(frames: impl futures_util::Stream<Item = Frame<Bytes>> + Send + 'static) -> Streamed {
    StreamBody::new(frames.map(Ok)).boxed_unsync()
}

async fn client(address: SocketAddr, version: Version) -> Sender {
    let io = TokioIo::new(TcpStream::connect(address).await.unwrap());
    if version == Version::HTTP_2 {
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        return Sender::Two(sender);
    }
    let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    Sender::One(sender)
}

enum Sender {
    One(hyper::client::conn::http1::SendRequest<Streamed>),
    Two(hyper::client::conn::http2::SendRequest<Streamed>),
}

impl Sender {
    async fn send(&mut self, mut request: Request<Streamed>, address: SocketAddr) -> Response<Incoming> {
        match self {
            Self::One(sender) => sender.send_request(request).await.unwrap(),
            Self::Two(sender) => {
                let path = request.uri().path_and_query().unwrap().clone();
                *request.uri_mut() = format!("http://{address}{path}").parse().unwrap();
                sender.send_request(request).await.unwrap()
            }
        }
    }
}

#[test]
fn path_query_headers_and_body_arrive_byte_for_byte() {
    let platform = FaultServer::start(Step::status(201).header("x-answer", "a  b").body("made")).unwrap();
    let relay = relay(plain(&platform.url()));
    let path = format!("{BOX}/port/3000//a/../b%2Fc;d=1/%E4%BD%A0?x=%20&x=+&y=/../z");
    let more = "x-own: one\r\nx-own: two\r\nuser-agent: theirs/1\r\nx-blaxel-authorization: Bearer k\r\nx-near: 1\r\n";
    let more = format!("{more}connection: x-near\r\n");
    let answer = ask_with(&relay, "PATCH", &path, &more, "some\0bytes");
    assert_eq!(
        (answer.status, answer.header("x-answer"), answer.text()),
        (201, Some("a  b"), "made".to_owned())
    );
    let arrival = platform.arrivals().remove(0);
    assert_eq!((arrival.method.as_str(), arrival.target.as_str()), ("PATCH", path.as_str()));
    assert_eq!(arrival.body.length, 10);
    let mut names: Vec<_> = arrival.headers.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.sort_unstable();
    let expected =
        ["content-length", "host", "user-agent", "via", "x-blaxel-authorization", "x-own", "x-own"];
    assert_eq!(names, expected, "nothing of the relay's own but Via");
    assert_eq!(arrival.header("host"), Some(platform.address().to_string().as_str()));
    assert_eq!(arrival.header("user-agent"), Some("theirs/1"));
}

#[test]
fn no_credentials_are_added() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let relay = relay(plain(&platform.url()));
    get(&relay, "/health");
    let arrival = platform.arrivals().remove(0);
    assert!(
        arrival.headers.iter().all(|(_, value)| !value.windows(4).any(|four| four == b"ours")),
        "{arrival:?}"
    );
}

#[test]
fn trailers_pass_in_both_directions_over_both_versions() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&seen);
    let platform = serving(move |request| {
        let told = Arc::clone(&told);
        async move {
            let trailers = request.into_body().collect().await.unwrap().trailers().cloned();
            told.lock().unwrap().push(trailers.unwrap_or_default().remove("x-up"));
            let mut trailers = HeaderMap::new();
            trailers.insert("x-down", "2".parse().unwrap());
            trailers.insert("x-blaxel-source", "platform".parse().unwrap());
            let frames = [Frame::data(Bytes::from("body")), Frame::trailers(trailers)];
            let mut answer = Response::new(framed(futures_util::stream::iter(frames)));
            answer.headers_mut().insert("trailer", "x-down, x-blaxel-source".parse().unwrap());
            answer
        }
    });
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let relay = relay(plain(&platform));
        let trailers = runtime().block_on(async {
            let mut client = client(relay.address(), version).await;
            let mut trailers = HeaderMap::new();
            trailers.insert("x-up", "1".parse().unwrap());
            let frames = [Frame::data(Bytes::from("body")), Frame::trailers(trailers)];
            let request =
                Request::post(format!("{BOX}/port/1/")).header("te", "trailers").header("trailer", "x-up");
            let request = request.body(framed(futures_util::stream::iter(frames))).unwrap();
            let answer = client.send(request, relay.address()).await;
            answer.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default()
        });
        assert_eq!(trailers.get("x-down"), Some(&"2".parse().unwrap()), "{version:?}");
        assert!(!trailers.contains_key("x-blaxel-source"), "what only the platform's gateway may say");
        assert_eq!(seen.lock().unwrap().pop(), Some(Some("1".parse().unwrap())), "{version:?}");
    }
}

#[test]
fn each_piece_of_a_stream_comes_when_it_is_sent_and_not_later() {
    let (to_platform, gate) = mpsc::unbounded_channel::<Bytes>();
    let gate = Arc::new(tokio::sync::Mutex::new(Some(gate)));
    let platform = serving(move |_| {
        let gate = Arc::clone(&gate);
        async move {
            let gate = gate.lock().await.take().unwrap();
            let frames = futures_util::stream::unfold(gate, async |mut gate| {
                let piece = gate.recv().await?;
                Some((Frame::data(piece), gate))
            });
            Response::new(framed(frames))
        }
    });
    let relay = relay(plain(&platform));
    let mut stream = connect(&relay);
    write!(stream, "GET {BOX}/port/1/events HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    let mut read_until = |end: &str| {
        let mut all = Vec::new();
        while !all.ends_with(end.as_bytes()) {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            all.push(byte[0]);
        }
    };
    // The next piece is sent only when the one before has come all the way.
    for piece in ["data: one\n\n", "data: two\n\n", "data: three\n\n"] {
        to_platform.send(Bytes::from(piece)).unwrap();
        read_until(piece);
    }
    drop(to_platform);
    read_until("0\r\n\r\n");
}

#[test]
fn a_request_is_streamed_while_it_is_being_sent() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let platform = serving(move |request| {
        let tell = tell.clone();
        async move {
            let mut body = request.into_body();
            while let Some(Ok(frame)) = body.frame().await {
                if let Ok(data) = frame.into_data() {
                    tell.send(data).unwrap();
                }
            }
            Response::new(Full::from("taken").boxed_unsync())
        }
    });
    let relay = relay(plain(&platform));
    let mut stream = connect(&relay);
    write!(stream, "POST {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n").unwrap();
    for piece in ["one", "two", "six"] {
        write!(stream, "3\r\n{piece}\r\n").unwrap();
        let came = runtime().block_on(async { tokio::time::timeout(PATIENCE, told.recv()).await });
        assert_eq!(came.unwrap(), Some(Bytes::from(piece)));
    }
    write!(stream, "0\r\n\r\n").unwrap();
    let mut answer = [0; 15];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[test]
fn an_answer_that_comes_before_the_body_has_ended_is_not_lost() {
    let platform = FaultServer::start(Step::status(413).body("too large").early()).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut stream = connect(&relay);
    write!(stream, "POST {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\ncontent-length: 100000000\r\n\r\n").unwrap();
    let mut writer = stream.try_clone().unwrap();
    // As much as somebody takes.
    let sending = std::thread::spawn(move || while writer.write_all(&[b'x'; 65536]).is_ok() {});
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    drop(relay);
    stream.shutdown(std::net::Shutdown::Both).unwrap();
    sending.join().unwrap();
}

#[test]
fn an_answer_is_not_lost_to_a_client_that_sends_on_without_reading() {
    let platform =
        FaultServer::start(Step::status(413).body("too large").early().connection_close()).unwrap();
    let relay = relay(plain(&platform.url()));
    let mut stream = connect(&relay);
    write!(stream, "POST {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\ncontent-length: 30000000\r\n\r\n").unwrap();
    for _ in 0..30 {
        stream.write_all(&[b'x'; 1_000_000]).unwrap();
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[test]
fn a_websocket_is_a_tunnel_whoever_speaks_first() {
    let listener = runtime().block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let platform = format!("http://{}", listener.local_addr().unwrap());
    runtime().spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                assert!(
                    head.contains("sec-websocket-key: x\r\n") && head.contains("upgrade: websocket\r\n"),
                    "{head}"
                );
                let answer =
                    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    sec-websocket-accept: y\r\n\r\nfirst word";
                stream.write_all(answer).await.unwrap();
                let mut said = [0; 4];
                stream.read_exact(&mut said).await.unwrap();
                stream.write_all(&said).await.unwrap();
                // The platform ends it.
            });
        }
    });
    let relay = relay(plain(&platform));
    let mut stream = connect(&relay);
    write!(
        stream,
        "GET {BOX}/port/1/ws HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-key: x\r\n\r\nlast"
    )
    .unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    let all = String::from_utf8(all).unwrap();
    assert!(all.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{all}");
    assert!(all.to_ascii_lowercase().contains("\r\nupgrade: websocket\r\n"), "{all}");
    assert!(all.contains("sec-websocket-accept: y\r\n") && all.ends_with("\r\n\r\nfirst wordlast"), "{all}");
}

#[test]
fn http2_in_front_carries_many_requests_at_once() {
    let platform =
        FaultServer::start(Script::new().step(Step::status(503).times(3)).then(Step::ok("here"))).unwrap();
    let relay = relay(plain(&platform.url()));
    runtime().block_on(async {
        let Sender::Two(sender) = client(relay.address(), Version::HTTP_2).await else { unreachable!() };
        let asked = (0..50).map(|at| {
            let mut sender = sender.clone();
            let request = Request::get(format!("http://{}{BOX}/port/1/{at}", relay.address()));
            let request = request.body(Full::default().boxed_unsync()).unwrap();
            async move {
                let answer = sender.send_request(request).await.unwrap();
                (answer.status().as_u16(), answer.into_body().collect().await.unwrap().to_bytes())
            }
        });
        for answer in futures_util::future::join_all(asked).await {
            assert_eq!(answer, (200, Bytes::from("here")));
        }
    });
}

#[test]
fn a_head_has_no_body_and_keeps_the_length_that_it_tells() {
    let platform = serving(async |request| {
        assert_eq!(request.method(), "HEAD");
        let mut answer = Response::new(Full::default().boxed_unsync());
        answer.headers_mut().insert("content-length", "12345".parse().unwrap());
        answer
    });
    let relay = relay(plain(&platform));
    let answer = ask_with(&relay, "HEAD", &format!("{BOX}/port/1/"), "", "");
    assert_eq!((answer.status, answer.header("content-length"), answer.body.len()), (200, Some("12345"), 0));
}

#[test]
fn a_body_that_tells_its_length_tells_it_to_the_platform() {
    let platform = FaultServer::start(Step::ok("")).unwrap();
    let relay = relay(plain(&platform.url()));
    for length in [1, 64 * 1024, 64 * 1024 + 1, 1_000_000] {
        ask_with(&relay, "POST", &format!("{BOX}/port/1/"), "", &"x".repeat(length));
        let arrival = platform.arrivals().pop().unwrap();
        assert_eq!(
            (arrival.body.length, arrival.header("content-length")),
            (length as u64, Some(&*length.to_string()))
        );
        assert_eq!(arrival.header("transfer-encoding"), None);
    }
}

//! Interim answers over real connections, served whole and by an HTTP library.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use reveille_http1::{Course, Interim, Interims, Last, Plain, Socket};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// How much the system keeps of what is written and not read yet, in bytes, as far as it keeps to that.
const BUFFER: u32 = 4 * 1024;
/// A body of which it keeps a small part.
const LARGE: usize = 4 << 20;

/// Who reads the requests.
#[derive(Clone, Copy, Debug)]
enum Way {
    Whole,
    Library,
}

const WAYS: [Way; 2] = [Way::Whole, Way::Library];

/// A client of a connection that is served in this way until it ends.
struct Client(BufReader<TcpStream>);

/// What came of one answer.
#[derive(Debug, PartialEq, Eq)]
struct Came {
    interim: Vec<String>,
    status: String,
    body: usize,
}

async fn connect(way: Way) -> Client {
    let (listener, client) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
    listener.set_send_buffer_size(BUFFER).unwrap();
    client.set_recv_buffer_size(BUFFER).unwrap();
    listener.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = listener.listen(1).unwrap();
    let client = client.connect(listener.local_addr().unwrap()).await.unwrap();
    let socket = Socket::new(listener.accept().await.unwrap().0);
    tokio::spawn(async move {
        let interims = socket.interims();
        let mut socket = Some(socket);
        if let Way::Whole = way {
            let last = Last::default();
            let within = Duration::from_secs(60);
            let plain = Plain { socket: socket.take().unwrap(), within, last: &last, interims: &interims };
            let served = |request: Request<Bytes>| {
                let interims = &interims;
                async move { Some(answer(request.uri().path(), request.body().len(), interims).await) }
            };
            if let Course::Otherwise(mut left, came) = plain.serve(served).await {
                left.put_back(came);
                socket = Some(left);
            }
        }
        let Some(socket) = socket else { return };
        let service = service_fn(move |request: Request<Incoming>| {
            let interims = interims.clone();
            async move { Ok::<_, Infallible>(received(request, &interims).await) }
        });
        // Whoever has left breaks it.
        let _ =
            auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
    });
    Client(BufReader::new(client))
}

async fn received(request: Request<Incoming>, interims: &Interims) -> Response<Full<Bytes>> {
    let version = request.version();
    let serving = async {
        let path = request.uri().path().to_owned();
        // As a gateway may: before the body has come.
        if path.starts_with("/early") {
            hint(&interims.now(), 0);
        }
        let body = request.into_body().collect().await.unwrap().to_bytes();
        answer(&path, body.len(), interims).await
    };
    interims.during(version, serving).await
}

fn hint(interim: &Interim, number: usize) -> bool {
    let mut headers = HeaderMap::new();
    headers.insert("link", HeaderValue::from(number));
    interim.send(StatusCode::EARLY_HINTS, &headers)
}

/// Says `N` things before the answer to `/x/N`, whose body is as long as what was received, but for `/large/N`.
async fn answer(path: &str, received: usize, interims: &Interims) -> Response<Full<Bytes>> {
    let (kind, number) = path.trim_start_matches('/').split_once('/').unwrap();
    let (interim, number) = (interims.now(), number.parse().unwrap());
    match kind {
        // By another task, as from the connection to a server.
        "apart" => {
            let sending = async move {
                for number in 1..=number {
                    tokio::task::yield_now().await;
                    assert!(hint(&interim, number));
                }
            };
            tokio::spawn(sending).await.unwrap();
        }
        // By a task that does not know when to stop.
        "late" => {
            tokio::spawn(async move {
                for _ in 0..10_000 {
                    hint(&interim, 7);
                    tokio::task::yield_now().await;
                }
            });
            tokio::task::yield_now().await;
        }
        _ => (1..=number).for_each(|number| {
            hint(&interim, number);
        }),
    }
    let length = if kind == "large" { LARGE } else { received };
    Response::new(Full::new(Bytes::from(vec![b'x'; length])))
}

impl Client {
    async fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    async fn came(&mut self) -> Came {
        let mut interim = Vec::new();
        loop {
            let head = self.head().await;
            let (status, lines) = head.split_once("\r\n").unwrap();
            if status.starts_with("HTTP/1.1 1") {
                let said = lines.trim_end();
                interim.push(if said.is_empty() { status.to_owned() } else { said.to_owned() });
                continue;
            }
            let length = lines.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            self.0.read_exact(&mut body).await.unwrap();
            assert!(body.iter().all(|byte| *byte == b'x'), "nothing else is in it");
            return Came { interim, status: status[9..12].to_owned(), body: body.len() };
        }
    }
}

fn expected(interim: impl IntoIterator<Item = usize>, body: usize) -> Came {
    let interim = interim.into_iter().map(|number| format!("link: {number}")).collect();
    Came { interim, status: "200".to_owned(), body }
}

const CHUNKS: &str = "transfer-encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";

#[tokio::test]
async fn they_come_in_order_before_the_answer_to_whatever_was_asked() {
    for way in WAYS {
        let mut client = connect(way).await;
        for path in ["/here", "/apart"] {
            client.say(&format!("GET {path}/3 HTTP/1.1\r\nhost: h\r\n\r\n")).await;
            assert_eq!(client.came().await, expected(1..=3, 0), "{way:?}");
            client.say(&format!("POST {path}/1 HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc")).await;
            assert_eq!(client.came().await, expected([1], 3), "{way:?}");
        }
        client.say(&format!("POST /apart/2 HTTP/1.1\r\nhost: h\r\n{CHUNKS}")).await;
        assert_eq!(client.came().await, expected([1, 2], 3), "{way:?}");
        client.say("HEAD /here/2 HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert_eq!(client.head().await, "HTTP/1.1 103 Early Hints\r\nlink: 1\r\n\r\n");
        client.head().await;
        assert!(client.head().await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn one_comes_while_the_body_is_still_on_its_way() {
    let mut client = connect(Way::Library).await;
    client
        .say("POST /early/1 HTTP/1.1\r\nhost: h\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n")
        .await;
    let mut first = [client.head().await, client.head().await];
    first.sort_unstable();
    let own = "HTTP/1.1 100 Continue\r\n\r\n".to_owned();
    assert_eq!(first, [own, "HTTP/1.1 103 Early Hints\r\nlink: 0\r\n\r\n".to_owned()]);
    client.say("abc").await;
    assert_eq!(client.came().await, expected([1], 3));
}

#[tokio::test]
async fn requests_at_once_have_each_its_own() {
    for way in WAYS {
        let mut client = connect(way).await;
        let mut requests = String::new();
        for number in [2, 0, 5, 1] {
            requests += &format!("GET /apart/{number} HTTP/1.1\r\nhost: h\r\n\r\n");
            requests += &format!("POST /here/{number} HTTP/1.1\r\nhost: h\r\n{CHUNKS}");
        }
        client.say(&requests).await;
        for number in [2, 0, 5, 1] {
            assert_eq!(client.came().await, expected(1..=number, 0), "{way:?}");
            assert_eq!(client.came().await, expected(1..=number, 3), "{way:?}");
        }
    }
}

#[tokio::test]
async fn a_large_answer_is_never_interrupted_by_whoever_sends_too_late() {
    for way in WAYS {
        let mut client = connect(way).await;
        client.say("GET /late/0 HTTP/1.1\r\nhost: h\r\n\r\nGET /large/1 HTTP/1.1\r\nhost: h\r\n\r\n").await;
        let late = client.came().await;
        assert!(!late.interim.is_empty() && late.interim.iter().all(|line| line == "link: 7"), "{way:?}");
        assert_eq!(client.came().await, expected([1], LARGE), "{way:?}");
    }
}

#[tokio::test]
async fn a_slow_client_is_sent_no_more_than_fits_and_all_of_the_answer() {
    for way in WAYS {
        let mut client = connect(way).await;
        client
            .say("GET /here/5000 HTTP/1.1\r\nhost: h\r\n\r\nGET /large/1 HTTP/1.1\r\nhost: h\r\n\r\n")
            .await;
        let Came { interim, status, body } = client.came().await;
        assert_eq!((status.as_str(), body), ("200", 0));
        assert!((100..5_000).contains(&interim.len()), "{way:?}: {}", interim.len());
        assert_eq!(interim[99], "link: 100", "the first are not lost for the later");
        assert_eq!(client.came().await, expected([1], LARGE), "{way:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_nothing_along() {
    for way in WAYS {
        for _ in 0..20 {
            let mut client = connect(way).await;
            client.say("GET /apart/3 HTTP/1.1\r\nhost: h\r\n\r\n").await;
            drop(client);
        }
        let mut client = connect(way).await;
        client.say("GET /apart/1 HTTP/1.1\r\nhost: h\r\n\r\n").await;
        assert_eq!(client.came().await, expected([1], 0), "{way:?}");
    }
}

#[tokio::test]
async fn a_client_of_http_1_0_is_sent_none() {
    for way in WAYS {
        let mut client = connect(way).await;
        client.say("GET /here/3 HTTP/1.0\r\nhost: h\r\n\r\n").await;
        assert_eq!(client.head().await.split_once("\r\n").unwrap().0, "HTTP/1.0 200 OK", "{way:?}");
    }
    assert_eq!(Interims::default().during(Version::HTTP_10, std::future::ready(())).await, ());
}

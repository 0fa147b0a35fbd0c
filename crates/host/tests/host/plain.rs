//! One connection that carries one request after the other, of whatever kind.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

use crate::{KEY, Stand};

const BASE: &str = "/local/sandboxes/box";

/// A client that writes and reads bytes.
struct Raw(BufReader<TcpStream>);

impl Raw {
    async fn to(stand: &Stand) -> Self {
        Self(BufReader::new(stand.client.connect().await))
    }

    async fn say(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).await.unwrap();
    }

    /// The head of the next answer; nothing where the connection has ended.
    async fn head(&mut self) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = self.0.read_u8().await else { break };
            head.push(byte);
        }
        String::from_utf8(head).unwrap().to_ascii_lowercase()
    }

    /// The next answer, with a body of so many bytes as it says.
    async fn answer(&mut self) -> (String, String) {
        let head = self.head().await;
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).await.unwrap();
        (head, String::from_utf8(body).unwrap())
    }

    async fn is_over(&mut self) -> bool {
        matches!(self.0.read(&mut [0]).await, Ok(0) | Err(_))
    }
}

fn asked(method: &str, path: &str, more: &str) -> String {
    format!("{method} {BASE}{path} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {KEY}\r\n{more}\r\n")
}

#[tokio::test]
async fn every_kind_of_request_may_follow_any_other_on_one_connection() {
    let stand = Stand::with_box(|_| {}).await;
    let whole = asked("POST", "/port/1/count", "Content-Length: 5\r\n") + "hello";
    let chunks = asked("POST", "/port/1/count", "Transfer-Encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n";
    for first in [&whole, &chunks] {
        for second in [&whole, &chunks] {
            let mut raw = Raw::to(&stand).await;
            // One after the other, and all at once.
            for request in [first, second, first] {
                raw.say(request).await;
                assert_eq!(raw.answer().await.1, "5");
            }
            raw.say(&format!("{first}{second}{whole}")).await;
            for _ in 0..3 {
                assert_eq!(raw.answer().await.1, "5");
            }
        }
    }
}

#[tokio::test]
async fn wherever_requests_are_cut_they_are_the_same() {
    let stand = Stand::with_box(|_| {}).await;
    let requests = asked("POST", "/port/1/count", "Content-Length: 3\r\n")
        + "abc"
        + &asked("GET", "/port/1/count", "Transfer-Encoding: chunked\r\n")
        + "1\r\nx\r\n0\r\n\r\n";
    for cut in 1..requests.len() {
        let mut raw = Raw::to(&stand).await;
        let (before, after) = requests.split_at(cut);
        raw.say(before).await;
        // So that what is before it is looked at by itself.
        tokio::task::yield_now().await;
        raw.say(after).await;
        assert_eq!([raw.answer().await.1, raw.answer().await.1], ["3", "1"], "cut at {cut}");
    }
}

#[tokio::test]
async fn a_request_whose_body_does_not_come_is_handed_to_nobody() {
    let stand = Stand::with_box(|_| {}).await;
    let mut raw = Raw::to(&stand).await;
    raw.say(&(asked("POST", "/port/1/count", "Content-Length: 5\r\n") + "123")).await;
    drop(raw);
    assert_eq!(stand.client.get(&format!("{BASE}/x")).await.status(), 200);
    assert_eq!(stand.engine.app("box").arrived(), 1);
}

#[tokio::test]
async fn a_body_that_comes_slower_than_a_head_may_is_waited_for() {
    let stand = Stand::with_box(|settings| settings.limits.head = Duration::from_millis(20)).await;
    let mut raw = Raw::to(&stand).await;
    raw.say(&(asked("POST", "/port/1/count", "Content-Length: 5\r\n") + "he")).await;
    // It is handed on as it comes when its time is over.
    while stand.engine.app("box").arrived() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    raw.say("llo").await;
    assert_eq!(raw.answer().await.1, "5");
}

#[tokio::test]
async fn an_answer_of_unknown_length_is_sent_as_it_comes() {
    let stand = Stand::with_box(|_| {}).await;
    let mut raw = Raw::to(&stand).await;
    raw.say(&asked("GET", "/port/1/stream", "")).await;
    let head = raw.head().await;
    assert!(head.contains("transfer-encoding: chunked\r\n") && !head.contains("content-length"), "{head}");
    let mut first = [0; 10];
    raw.0.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"5\r\nfirst\r\n");
}

#[tokio::test]
async fn a_large_answer_of_unknown_length_comes_whole_and_the_connection_stays() {
    let stand = Stand::with_box(|_| {}).await;
    let mut raw = Raw::to(&stand).await;
    for bytes in [3_000_000, 100_000, 1] {
        raw.say(&asked("GET", &format!("/port/1/zeros?{bytes}"), "")).await;
        raw.head().await;
        let mut came = 0;
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(raw.0.read_u8().await.unwrap());
            }
            let size = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim_end(), 16).unwrap();
            let mut chunk = vec![1; size + 2];
            raw.0.read_exact(&mut chunk).await.unwrap();
            assert!(chunk.ends_with(b"\r\n") && chunk[..size].iter().all(|byte| *byte == 0));
            came += size;
            if size == 0 {
                break;
            }
        }
        assert_eq!(came, bytes);
    }
}

#[tokio::test]
async fn an_answer_without_a_body_leaves_the_connection_fit_for_the_next() {
    let stand = Stand::with_box(|_| {}).await;
    let mut raw = Raw::to(&stand).await;
    for path in ["/x", "/port/1/zeros?9"] {
        raw.say(&asked("HEAD", path, "")).await;
        assert!(raw.head().await.starts_with("http/1.1 200 ok\r\n"));
    }
    raw.say(&asked("GET", "/x", "")).await;
    assert!(raw.answer().await.1.contains("\"target\""));
}

#[tokio::test]
async fn every_answer_says_its_date_once() {
    let stand = Stand::with_box(|_| {}).await;
    let mut raw = Raw::to(&stand).await;
    for path in ["/x", "/port/99/", "/port/none/"] {
        raw.say(&asked("GET", path, "")).await;
        let head = raw.answer().await.0;
        let dates: Vec<&str> = head.lines().filter_map(|line| line.strip_prefix("date: ")).collect();
        assert!(matches!(dates[..], [date] if httpdate(date)), "{head}");
    }
}

/// Whether it has the form of `Sun, 06 Nov 1994 08:49:37 GMT`.
fn httpdate(date: &str) -> bool {
    date.len() == 29 && date.ends_with(" gmt") && date.as_bytes()[3] == b','
}

#[tokio::test]
async fn what_a_client_sends_ahead_is_bounded_and_nothing_of_it_is_lost() {
    let stand = Stand::with_box(|_| {}).await;
    let raw = Raw::to(&stand).await;
    const MANY: usize = 2_000;
    let requests: String = (0..MANY).map(|number| asked("GET", &format!("/{number}"), "")).collect();
    let (mut read, mut write) = raw.0.into_inner().into_split();
    let saying = tokio::spawn(async move { write.write_all(requests.as_bytes()).await.map(|()| write) });
    let (mut said, mut answers) = (String::new(), 0);
    while answers < MANY {
        let mut piece = [0; 16 * 1024];
        let came = read.read(&mut piece).await.unwrap();
        assert!(came > 0, "{answers} answers");
        said.push_str(std::str::from_utf8(&piece[..came]).unwrap());
        answers += said.matches("HTTP/1.1 200").count();
        // What may be the beginning of the next one.
        said = said.split_off(said.len().saturating_sub(11));
    }
    saying.await.unwrap().unwrap();
    assert_eq!(stand.engine.app("box").arrived(), MANY);
}

#[tokio::test]
async fn a_connection_that_is_asked_to_close_closes_behind_its_answer() {
    let stand = Stand::with_box(|_| {}).await;
    for first in [String::new(), asked("GET", "/x", "")] {
        let mut raw = Raw::to(&stand).await;
        if !first.is_empty() {
            raw.say(&first).await;
            raw.answer().await;
        }
        raw.say(&asked("GET", "/x", "Connection: close\r\n")).await;
        let (head, _) = raw.answer().await;
        assert!(head.contains("connection: close\r\n"), "{head}");
        assert!(raw.is_over().await);
    }
}

#[tokio::test]
async fn a_host_that_stops_ends_connections_behind_the_answer_that_is_under_way() {
    let stand = Stand::with_box(|_| {}).await;
    let (mut idle, mut busy) = (Raw::to(&stand).await, Raw::to(&stand).await);
    idle.say(&asked("GET", "/x", "")).await;
    idle.answer().await;
    busy.say(&asked("GET", "/port/1/gate", "")).await;
    while stand.engine.app("box").arrived() < 2 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let app = stand.engine.app("box");
    let stopping = tokio::spawn(async move { stand.host.stop().await });
    assert!(idle.is_over().await, "nothing is under way on it");
    app.gate.notify_one();
    let (head, body) = busy.answer().await;
    assert_eq!((body.as_str(), head.contains("connection: close\r\n")), ("through", true), "{head}");
    assert!(busy.is_over().await);
    drop((idle, busy));
    stopping.await.unwrap();
}

/// What is answered to these bytes on a connection that has carried `first`, but for what differs each time, and
/// whether it carries another request then.
async fn answered(stand: &Stand, first: Option<&str>, bytes: &[u8]) -> (String, String, bool) {
    let mut raw = Raw::to(stand).await;
    if let Some(first) = first {
        raw.say(first).await;
        raw.answer().await;
    }
    // It may be refused before all is written.
    let _ = raw.0.get_mut().write_all(bytes).await;
    let (head, body) =
        if bytes.starts_with(b"HEAD ") { (raw.head().await, String::new()) } else { raw.answer().await };
    let differs = |line: &str| ["date: ", "x-request-id: "].iter().any(|name| line.starts_with(name));
    let mut lines: Vec<&str> = head.lines().filter(|line| !differs(line)).collect();
    lines.sort_unstable();
    let stamp = body.find("\"timestamp\"").unwrap_or(body.len());
    let _ = raw.0.get_mut().write_all(asked("GET", "/x", "").as_bytes()).await;
    let stays = raw.head().await.starts_with("http/1.1 200");
    if !stays && head.starts_with("http/1.1 400") {
        // The first one that cannot be read is told so in the platform's shape, and a later one in the library's.
        return (head[..12].to_owned(), String::new(), stays);
    }
    (lines.join("\n"), body[..stamp].to_owned(), stays)
}

#[tokio::test]
async fn a_request_to_two_hosts_is_handed_to_nobody() {
    let stand = Stand::with_box(|_| {}).await;
    for more in ["Host: other\r\n", "Host: h\r\n", "Host: other\r\nTransfer-Encoding: chunked\r\n"] {
        let mut raw = Raw::to(&stand).await;
        raw.say(&(asked("POST", "/x", more) + "0\r\n\r\n")).await;
        assert!(raw.head().await.starts_with("http/1.1 400"), "{more}");
    }
    assert_eq!(stand.engine.app("box").arrived(), 0);
}

#[tokio::test]
async fn what_is_served_without_the_library_is_served_as_with_it() {
    let stand = Stand::with_box(|_| {}).await;
    // From here on the connection is the library's.
    let chunks = asked("POST", "/port/1/count", "Transfer-Encoding: chunked\r\n") + "0\r\n\r\n";
    let heads = [
        "",
        "Accept: */*\r\n",
        "X-A: 1\r\nx-a: 2\r\n",
        "X-Empty:\r\n",
        "X-Space: \t a b \t\r\n",
        "X-Bytes: \u{fc}\r\n",
        "Cookie: a=1\r\nCookie: b=2\r\n",
        "Content-Length: 0\r\n",
        "Connection: keep-alive\r\n",
        "Connection: \r\n",
        "Keep-Alive: timeout=5\r\nProxy-Connection: x\r\n",
        "X-Request-Id: mine\r\n",
        "X-Forwarded-For: 1.1.1.1\r\n",
        "X-Forwarded-Host: a\r\nX-Forwarded-Proto: https\r\n",
        "X-Blaxel-Workspace: local\r\n",
        "Range: bytes=0-1\r\n",
        "X-Blaxel-Preview-Token: t\r\n",
        "Proxy-Authorization: x\r\n",
        "Host: other\r\n",
        "X\r\n",
        "X Y: z\r\n",
        "é: z\r\n",
        "Content-Length: 00\r\n",
        "Content-Length: a\r\n",
        "Upgrade: h2c\r\n",
        "X: a\r\n b\r\n",
        "X: a\u{7}b\r\n",
    ];
    let paths = [
        "/x",
        "/a%20b/../c?d=%zz&e=//",
        "/port/99/",
        "/..%2f..",
        "/x#y",
        "",
        "?q",
        "/\u{fc}",
        "/port/1/forge",
    ];
    for head in heads {
        for (method, body) in [("GET", ""), ("HEAD", ""), ("DELETE", ""), ("get", ""), ("POST", "12")] {
            let length =
                if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
            let bytes = asked(method, "/x", &format!("{head}{length}")) + body;
            let ours = answered(&stand, None, bytes.as_bytes()).await;
            assert_eq!(ours, answered(&stand, Some(&chunks), bytes.as_bytes()).await, "{bytes:?}");
        }
    }
    for path in paths {
        let bytes = asked("GET", path, "");
        let ours = answered(&stand, None, bytes.as_bytes()).await;
        assert_eq!(ours, answered(&stand, Some(&chunks), bytes.as_bytes()).await, "{bytes:?}");
    }
}

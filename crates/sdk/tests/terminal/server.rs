//! A server whose terminals do what a test says.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::{Message, WebSocket};

/// Longer than anything takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) trait Duplex: Read + Write + Send {}
impl<T: Read + Write + Send> Duplex for T {}

/// A connection that asks for a terminal.
pub(crate) struct Visit {
    stream: Box<dyn Duplex>,
    /// The first line of the request.
    pub(crate) line: String,
    head: String,
}

/// The terminal of a connection.
pub(crate) struct Shown(pub(crate) WebSocket<Box<dyn Duplex>>);

/// What a test does with one connection after the other.
type Act = Box<dyn FnOnce(Visit) + Send>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// One in the clear, which answers `health` as often as it is asked.
    pub(crate) fn start(health: &'static str, acts: Vec<Act>) -> Self {
        Self::accepting(health, acts, |stream| Some(Box::new(stream)))
    }

    pub(crate) fn accepting(
        health: &'static str,
        acts: Vec<Act>,
        secure: impl Fn(TcpStream) -> Option<Box<dyn Duplex>> + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&lines);
        thread::spawn(move || {
            let mut acts = acts.into_iter();
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let Some(mut stream) = secure(stream) else { continue };
                let Some(head) = head(&mut *stream) else { continue };
                let line = head.lines().next().unwrap().to_owned();
                seen.lock().unwrap().push(line.clone());
                if line.contains("/health") {
                    stream.write_all(health.as_bytes()).unwrap();
                    continue;
                }
                let act = acts.next().unwrap_or_else(|| panic!("one connection too many: {line}"));
                thread::spawn(move || act(Visit { stream, line, head }));
            }
        });
        Self { address, lines }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The first lines of the requests that came.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }
}

/// Makes an act of a closure.
pub(crate) fn act(act: impl FnOnce(Visit) + Send + 'static) -> Act {
    Box::new(act)
}

fn head(stream: &mut dyn Duplex) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

impl Visit {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> &str {
        let is_it = |line: &&str| line.to_ascii_lowercase().starts_with(&format!("{name}:"));
        self.head.lines().find(is_it).map(|line| line[name.len() + 1..].trim()).unwrap_or_default()
    }

    pub(crate) fn say(mut self, answer: &str) {
        self.stream.write_all(answer.as_bytes()).unwrap();
    }

    /// Switches, as a terminal that counts does.
    pub(crate) fn exact(self, id: &str) -> Shown {
        self.switch(&format!("reveille-stream: exact\r\nreveille-terminal: {id}\r\nreveille-boot: b1\r\n"))
    }

    /// Switches, as the platform's does.
    pub(crate) fn platform(self) -> Shown {
        self.switch("")
    }

    pub(crate) fn switch(mut self, headers: &str) -> Shown {
        let accept = derive_accept_key(self.header("sec-websocket-key").as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: {accept}\r\n{headers}\r\n"
        );
        self.stream.write_all(answer.as_bytes()).unwrap();
        Shown(WebSocket::from_raw_socket(self.stream, Role::Server, None))
    }
}

impl Shown {
    pub(crate) fn say(&mut self, message: &Value) {
        self.0.send(Message::text(format!("{message}\n"))).unwrap();
    }

    pub(crate) fn taken(&mut self, input: usize) {
        self.say(&json!({"type": "taken", "input": input}));
    }

    pub(crate) fn output(&mut self, data: &str) {
        self.say(&json!({"type": "output", "data": data}));
    }

    pub(crate) fn exit(mut self, code: i32) {
        self.say(&json!({"type": "exit", "code": code}));
        self.0.close(None).unwrap();
        // A socket that goes away with something unread in it takes along what was written to it.
        self.until_left();
    }

    /// The next message of the client.
    pub(crate) fn hear(&mut self) -> Value {
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Close(_) => panic!("the client has left"),
                _ => {}
            }
        }
    }

    /// Waits until the client has left.
    pub(crate) fn until_left(&mut self) {
        while !matches!(self.0.read(), Ok(Message::Close(_)) | Err(_)) {}
    }
}

//! Ports in a sandbox, and ports of this machine that lead there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message};

use crate::place::{Host, Place, eventually, serve, signal};

/// A forward that runs.
struct Forward {
    child: Child,
    /// `127.0.0.1:PORT` for each port.
    addresses: Vec<String>,
}

impl Forward {
    fn start(place: &Place, sandbox: &str, ports: &[u16]) -> Self {
        Self::by(place.command(), sandbox, ports)
    }

    fn by(mut command: Command, sandbox: &str, ports: &[u16]) -> Self {
        let typed: Vec<String> = ports.iter().map(|port| format!("0:{port}")).collect();
        command.args(["forward", "--json", sandbox]).args(&typed).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(ports.len());
        let urls = lines.map(|line| serde_json::from_str::<Value>(&line.unwrap()).unwrap()["url"].clone());
        let addresses = urls.map(|url| url.as_str().unwrap().strip_prefix("http://").unwrap().to_owned());
        let addresses = addresses.collect();
        Self { child, addresses }
    }

    /// Sends bytes, and reads to the end of the connection.
    fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.addresses[0]).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"))
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        signal(self.child.id(), "INT");
        let _ended = self.child.wait();
    }
}

fn with_box() -> (Place, Host) {
    let place = Place::new();
    let host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    (place, host)
}

#[test]
fn the_ports_on_which_processes_listen_are_listed() {
    let (place, _host) = with_box();
    let said = place.run(["ports", "box"]).done();
    assert!(said.out.is_empty() && said.err.contains("reveille ps box"), "{said:?}");
    let port = serve(&place, "box");
    let said = place.run(["ports", "box"]).done().text();
    assert!(
        said.starts_with("PORT") && said.contains(&port.to_string()) && said.contains("server"),
        "{said}"
    );
    let listed = place.run(["ports", "box", "server", "--json"]).done().json();
    assert_eq!((&listed[0]["localPort"], &listed[0]["name"]), (&json!(port), &json!("server")));
    let said = place.run(["ports", "box", "nobody"]);
    assert!(said.code == Some(1) && said.err.contains("nobody"), "{said:?}");
}

#[test]
fn requests_reach_a_port_in_a_sandbox_and_wake_it() {
    let (place, _host) = with_box();
    let port = serve(&place, "box");
    let forward = Forward::start(&place, "box", &[port]);
    assert!(forward.get("/a?b=c").starts_with("HTTP/1.1 200"));
    place.run(["sleep", "box"]).done();
    assert!(forward.get("/").starts_with("HTTP/1.1 200"));
    place.run(["sleep", "box"]).done();
    let post = "POST /orders HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\nconnection: close\r\n\r\ntea";
    assert!(forward.raw(post).starts_with("HTTP/1.1 200"));
    let chunked = "POST /orders HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
                   3\r\ntea\r\n0\r\n\r\n";
    assert!(forward.raw(chunked).starts_with("HTTP/1.1 200"));
}

#[test]
fn a_port_on_which_nobody_listens_is_an_answer_that_says_so_and_the_next_request_is_served() {
    let (place, _host) = with_box();
    let port = serve(&place, "box");
    let forward = Forward::start(&place, "box", &[port, 1]);
    let mut nobody = TcpStream::connect(&forward.addresses[1]).unwrap();
    nobody
        .write_all(b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut said = String::new();
    nobody.read_to_string(&mut said).unwrap();
    assert!(said.starts_with("HTTP/1.1 50"), "{said}");
    assert!(forward.raw("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
    assert!(forward.get("/").starts_with("HTTP/1.1 200"));
    place.run(["delete", "box"]).done();
    let said = forward.get("/");
    assert!(said.starts_with("HTTP/1.1 404") || said.starts_with("HTTP/1.1 50"), "{said}");
}

#[test]
fn a_websocket_goes_through_both_ways() {
    let (place, _host) = with_box();
    let program = env!("CARGO_BIN_EXE_reveille");
    let line = format!(
        "[ -x '{program}' ] || set reveille; \
         exec \"${{1:-{program}}}\" agent --listen 127.0.0.1:0 --no-drives test > socket.txt"
    );
    place.run(["exec", "-d", "--name", "socket", "box", "--", &line]).done();
    eventually("it listens", || place.run(["cat", "box:socket.txt"]).text().contains("http://"));
    let said = place.run(["cat", "box:socket.txt"]).done().text();
    let port: u16 = said.trim().rsplit_once(':').unwrap().1.parse().unwrap();
    let forward = Forward::start(&place, "box", &[port]);
    place.run(["sleep", "box"]).done();
    let stream = TcpStream::connect(&forward.addresses[0]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let url = format!("ws://{}/terminal/ws?shell=/bin/sh", forward.addresses[0]);
    let mut socket = tungstenite::client(url, stream).unwrap().0;
    socket.send(Message::text(json!({"type": "input", "data": "echo a$((1+1))b\n"}).to_string())).unwrap();
    let mut screen = String::new();
    while !screen.contains("a2b") {
        let Message::Text(text) = socket.read().unwrap() else { continue };
        screen.push_str(serde_json::from_str::<Value>(&text).unwrap()["data"].as_str().unwrap());
    }
}

#[test]
fn a_sandbox_that_is_not_there_is_said_at_once_and_one_that_sleeps_sleeps_on() {
    let (place, _host) = with_box();
    let said = place.run(["forward", "nobody", "0:3000"]);
    assert!(said.code == Some(1) && said.out.is_empty(), "{said:?}");
    assert!(said.err.contains("nobody") && said.err.contains("reveille list"), "{said:?}");
    assert_eq!(place.run(["forward", "No Name", "0:3000"]).code, Some(2));
    place.run(["sleep", "box"]).done();
    let forward = Forward::start(&place, "box", &[3000]);
    assert_eq!(place.run(["get", "box", "--json"]).done().json()["state"], "STANDBY");
    drop(forward);
}

#[test]
fn what_answers_at_an_address_of_its_own_is_forwarded_to_without_a_record() {
    let place = Place::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", server.local_addr().unwrap());
    for (typed, forced) in [(url.as_str(), None), ("box", Some(url.as_str()))] {
        let mut command = place.command();
        command.envs(forced.map(|url| ("BL_SANDBOX_BOX_URL", url)));
        let forward = Forward::by(command, typed, &[3000]);
        assert_eq!(forward.addresses.len(), 1);
    }
}

#[test]
fn a_port_that_is_taken_or_none_is_said_so() {
    let (place, _host) = with_box();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let said = place.run(["forward", "box", &format!("{port}:3000")]);
    assert!(said.code == Some(1) && said.err.contains("the port is in use"), "{said:?}");
    assert_eq!(place.run(["forward", "box", "here:3000"]).code, Some(2));
    assert_eq!(place.run(["forward", "box"]).code, Some(2));
}

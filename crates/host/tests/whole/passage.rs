//! The way to servers inside a sandbox, over connections that the agent hands over.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use reveille_wire::hop;
use serde_json::json;

use super::stand::{Stand, this_program};

/// A server in a sandbox that serves one connection after the other, each until it ends, and answers with the number
/// of the connection. Says on which port it listens.
pub(crate) fn serve_patiently() -> ExitCode {
    serve(|number, stream| {
        let mut stream = BufReader::new(stream);
        loop {
            let mut length = 0;
            let mut line = String::new();
            while !line.ends_with("\r\n\r\n") {
                let from = line.len();
                if stream.read_line(&mut line).unwrap() == 0 {
                    return;
                }
                if let Some(value) = line[from..].to_ascii_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            stream.read_exact(&mut vec![0; length]).unwrap();
            let body = number.to_string();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
            stream.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
        }
    })
}

/// A server in a sandbox that answers as soon as it has read a head, and closes.
pub(crate) fn serve_hastily() -> ExitCode {
    serve(|_, mut stream| {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap() > 0 {
            seen.push(byte[0]);
        }
        let answer = "HTTP/1.1 413 Too Large\r\ncontent-length: 4\r\n\r\n1234";
        // Whoever asked may have gone away.
        let _ = stream.write_all(answer.as_bytes());
    })
}

fn serve(each: impl Fn(usize, TcpStream)) -> ExitCode {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    for (number, stream) in listener.incoming().enumerate() {
        each(number, stream.unwrap());
    }
    ExitCode::SUCCESS
}

/// Starts one of these servers in the sandbox and gives its port.
pub(crate) async fn start(stand: &Stand, which: &str) -> u16 {
    let command = json!({"command": this_program(which), "name": which});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    loop {
        let logs = stand.get(&format!("/process/{which}/logs")).await.json();
        if let Ok(port) = logs["stdout"].as_str().unwrap_or_default().trim().parse() {
            return port;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) async fn a_read_may_use_a_connection_again_and_a_mutation_has_its_own() {
    let stand = Stand::with_box(|_| {}).await;
    let path = format!("/port/{}/x", start(&stand, "serve-patiently").await);
    let mut connections = std::collections::BTreeSet::new();
    for _ in 0..50 {
        connections.insert(stand.get(&path).await.json().as_u64().unwrap());
    }
    assert!(connections.len() < 50, "none was used again");
    let newest = *connections.last().unwrap();
    for number in 1..=3 {
        let answer = stand.post(&path, &json!("x")).await;
        assert_eq!((answer.status, answer.json()), (200, json!(newest + number)), "a mutation has its own");
    }
}

pub(crate) async fn an_early_answer_arrives_from_inside() {
    let stand = Stand::with_box(|_| {}).await;
    let path = format!("/port/{}/x", start(&stand, "serve-hastily").await);
    for length in [2, 200_000, 20_000_000] {
        for round in 0..if length > 1_000_000 { 3 } else { 40 } {
            let answer = stand.post(&path, &json!("x".repeat(length))).await;
            assert_eq!((answer.status, answer.json()), (413, json!(1234)), "{length} {round}");
        }
    }
}

pub(crate) async fn where_nobody_listens_the_answer_says_so_and_proves_it() {
    let stand = Stand::with_box(|_| {}).await;
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let path = format!("/port/{free}/x");
    for answer in [stand.get(&path).await, stand.post(&path, &json!("x")).await] {
        let error = &answer.json()["error"];
        assert_eq!((answer.status, &error["code"]), (502, &json!("PORT_NOT_LISTENING")), "{answer:?}");
        assert_eq!(
            (&error["dispatch_state"], &error["safe_to_retry_request"]),
            (&json!("not_dispatched"), &json!(true))
        );
    }
}

/// The status of the answer to a request with so many headers, of which one is so long.
fn ask_with(stand: &Stand, path: &str, headers: usize, length: usize) -> String {
    let mut stream = TcpStream::connect(stand.host.address()).unwrap();
    let mut head = format!("GET /local/sandboxes/box{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
    head += &format!("x-blaxel-authorization: Bearer {}\r\n", stand.host.key());
    // Those four are counted, too.
    for number in 4..headers {
        head += &format!("x-{number}: x\r\n");
    }
    head += &format!("x-long: {}\r\n\r\n", "x".repeat(length.saturating_sub(head.len() + 12)));
    stream.write_all(head.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.split(' ').nth(1).unwrap_or("none").to_owned()
}

pub(crate) async fn what_the_gateway_takes_the_agent_and_its_servers_get() {
    let stand = Stand::with_box(|_| {}).await;
    let port = format!("/port/{}/x", start(&stand, "serve-hastily").await);
    for (path, taken) in [("/health", "200"), (&*port, "413")] {
        let asked = |headers, length| tokio::task::block_in_place(|| ask_with(&stand, path, headers, length));
        for headers in [4, 190, hop::MAX_HEADERS] {
            assert_eq!(asked(headers, 0), taken, "{path}: {headers} headers");
        }
        assert_eq!(asked(hop::MAX_HEADERS + 1, 0), "431", "{path}");
        for length in [8 << 10, 64 << 10, hop::MAX_HEAD - 256] {
            assert_eq!(asked(4, length), taken, "{path}: a head of {length} bytes");
        }
        assert_eq!(asked(4, hop::MAX_HEAD + 8192), "431", "{path}");
    }
}

//! Large bodies and slow readers take no memory. Alone in its process, as it looks at the process's peak.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{Read, Write};
use std::net::TcpStream;

use reveille::Client;
use reveille_faults::{Body, FaultServer, Script, Step};
use reveille_relay::{Relay, RelaySettings};

const SIZE: usize = 96 << 20;
const BOX: &str = "/acme/sandboxes/box/port/1";

fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

#[test]
fn much_passes_each_way_and_an_endless_stream_waits_for_its_reader_in_little_memory() {
    let large = Step::ok(Body::repeat("x", SIZE as u64));
    let script = Script::new().on("GET", &format!("{BOX}/large"), large);
    let script =
        script.on("GET", &format!("{BOX}/endless"), Step::ok(Body::endless("x"))).then(Step::ok("taken"));
    let platform = FaultServer::start(script).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let client = Client::builder().no_probe().api_url(platform.url()).run_url(platform.url());
    let mut settings = RelaySettings::new(client);
    settings.listen = "127.0.0.1:0".parse().unwrap();
    let relay = Relay::start(settings).unwrap();
    let ask = |head: String| {
        let mut stream = TcpStream::connect(relay.address()).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        stream
    };
    let before = peak();

    let unread: Vec<_> =
        (0..20).map(|_| ask(format!("GET {BOX}/endless HTTP/1.1\r\nhost: x\r\n\r\n"))).collect();
    let mut down = ask(format!("GET {BOX}/large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"));
    let mut chunk = vec![0; 1 << 20];
    let mut read = 0;
    loop {
        match down.read(&mut chunk).unwrap() {
            0 => break,
            more => read += more,
        }
    }
    assert!(read > SIZE);

    let mut up = ask(format!(
        "POST {BOX}/up HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {SIZE}\r\n\r\n"
    ));
    for _ in 0..SIZE / chunk.len() {
        up.write_all(&chunk).unwrap();
    }
    let mut answer = String::new();
    up.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("taken"), "{answer}");
    assert_eq!(platform.arrivals_of("POST")[0].body.length, SIZE as u64);

    let grown = peak() - before;
    assert!(grown < 32 << 20, "{} MB", grown >> 20);
    drop(unread);
}

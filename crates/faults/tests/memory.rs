//! Big bodies and small memory, in a process of its own so that nothing else counts.

// The memory of a process can be read where only Linux shows it.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

use std::io::{Read, Write, copy, sink};
use std::net::TcpStream;

use reveille_faults::{Body, FaultServer, Step};

const LENGTH: u64 = 64 * 1024 * 1024;

fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_body_of_64_megabytes_takes_no_memory_in_either_direction() {
    let answer = Step::ok(Body::repeat("x", LENGTH)).connection_close();
    let server = FaultServer::start(answer).unwrap();
    let before = peak_kib();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    write!(stream, "PUT / HTTP/1.1\r\nhost: box\r\ncontent-length: {LENGTH}\r\n\r\n").unwrap();
    copy(&mut std::io::repeat(b'y').take(LENGTH), &mut stream).unwrap();
    let read = copy(&mut stream, &mut sink()).unwrap();
    assert!(read > LENGTH);
    assert_eq!(server.arrivals()[0].body.length, LENGTH);
    let more = peak_kib() - before;
    assert!(more < 16 * 1024, "{more} KiB more");
}

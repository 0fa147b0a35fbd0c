//! From standby to the first byte of an answer, on a new connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use reveille::Client;

use crate::linux::Failure;
use crate::peer::Host;

/// How many sandboxes there are beside the one that wakes.
const SANDBOXES: [usize; 3] = [1, 100, 500];
/// So many that the slowest hundredth is more than a handful.
const TRIES: usize = 1_000;

pub(crate) fn print(host: &Host, client: &Client) -> Result<(), Failure> {
    for sandboxes in SANDBOXES {
        let [cold, warm] = beside(host, client, sandboxes, TRIES)?;
        println!(
            "{sandboxes} sandbox(es): {} from standby to the first byte; awake {}",
            said(cold),
            said(warm)
        );
    }
    Ok(())
}

/// How long the first byte takes of one of so many sandboxes: from standby, and awake.
pub(crate) fn beside(
    host: &Host,
    client: &Client,
    sandboxes: usize,
    tries: usize,
) -> Result<[Vec<Duration>; 2], Failure> {
    // Those that were made before are there already.
    for number in 0..sandboxes {
        client.sandboxes().create(format!("sleeper-{number}")).if_missing().wait()?;
    }
    // All of them sleep, so that none falls asleep while the one is measured.
    for number in 0..sandboxes {
        client.sandboxes().sleep(format!("sleeper-{number}")).wait()?;
    }
    let (address, key) = (host.address()?, &host.key);
    let request = format!(
        "GET /{}/sandboxes/sleeper-0/health HTTP/1.1\r\nHost: h\r\nX-Blaxel-Authorization: Bearer {key}\r\n\r\n",
        host.workspace
    );
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..tries {
        client.sandboxes().sleep("sleeper-0").wait()?;
        cold.push(first_byte(address, &request)?);
        warm.push(first_byte(address, &request)?);
    }
    Ok([cold, warm])
}

fn first_byte(address: SocketAddr, request: &str) -> Result<Duration, Failure> {
    let began = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request.as_bytes())?;
    let mut first = [0];
    stream.read_exact(&mut first)?;
    Ok(began.elapsed())
}

fn said(mut took: Vec<Duration>) -> String {
    took.sort_unstable();
    let millis = |share: usize| took[(took.len() * share / 100).min(took.len() - 1)].as_secs_f64() * 1e3;
    format!("p50 {:.2} ms, p99 {:.2} ms", millis(50), millis(99))
}

//! From standby to the first byte of an answer, on a new connection.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use reveille::Client;

use crate::linux::Failure;
use crate::peer::Host;

/// How many sandboxes there are beside the one that wakes.
const SANDBOXES: [usize; 3] = [1, 100, 500];
const TRIES: usize = 200;

pub(crate) fn print(host: &Host, client: &Client) -> Result<(), Failure> {
    client.sandboxes().create("sleeper").wait()?;
    let (address, key) = (host.address()?, &host.key);
    let request = format!(
        "GET /{}/sandboxes/sleeper/health HTTP/1.1\r\nHost: h\r\nX-Blaxel-Authorization: Bearer {key}\r\n\r\n",
        host.workspace
    );
    let mut made = 1;
    for sandboxes in SANDBOXES {
        while made < sandboxes {
            client.sandboxes().create(format!("beside-{made}")).wait()?;
            made += 1;
        }
        let (mut warm, mut cold) = (Vec::new(), Vec::new());
        for _ in 0..TRIES {
            client.sandboxes().sleep("sleeper").wait()?;
            cold.push(first_byte(address, &request)?);
            warm.push(first_byte(address, &request)?);
        }
        println!(
            "{sandboxes} sandbox(es): {} from standby to the first byte; awake {}",
            said(cold),
            said(warm)
        );
    }
    Ok(())
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

//! Instructions of one request in user space, of the relay and of nginx.

use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{Connection, Nginx, Running, SMALL, Way};

/// What one request takes is the difference between two runs of so many, in so many.
const FEWER: usize = 500;
const MORE: usize = 1_500;

/// Prints what a small request takes, on one kept connection.
pub(crate) fn print(place: &Path, server: SocketAddr) {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        println!("SKIPPED: instructions are not counted, as there is no valgrind");
        return;
    }
    let nginx = each(|| Nginx::proxy(place, server, Way::Counted));
    let relay = each(|| Running::relay(server, Way::Counted));
    println!("one connection, small requests, instructions each");
    println!("  nginx   {nginx:>9.0}");
    println!("  relay   {relay:>9.0} (x{:.2})", relay / nginx);
}

fn each(start: impl Fn() -> Running) -> f64 {
    let count = |requests| instructions(start(), requests);
    count(MORE).saturating_sub(count(FEWER)) as f64 / (MORE - FEWER) as f64
}

fn instructions(mut running: Running, requests: usize) -> u64 {
    let mut connection = Connection::open(running.address);
    for _ in 0..requests {
        connection.ask(SMALL);
    }
    let mut said = running.child.stderr.take().unwrap();
    drop((connection, running));
    let mut text = String::new();
    said.read_to_string(&mut text).unwrap();
    let (_, number) =
        text.split_once("Collected : ").unwrap_or_else(|| panic!("nothing was counted: {text}"));
    number.split_whitespace().next().unwrap().parse().unwrap()
}

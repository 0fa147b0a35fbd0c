//! What the relay costs, beside nginx as a plain proxy to the same server: `cargo bench -p reveille-relay`.
//!
//! Server, proxy and relay are processes of their own. The three ways take turns with every request, so that what else
//! the machine does falls on all of them alike. Where `valgrind` is there, the instructions of one request stand beside
//! that, which no other load changes.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

mod counted;

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reveille::Client;
use reveille_relay::{Relay, RelaySettings};

const SMALL: &str = "/acme/sandboxes/box/port/3000/small";
const LARGE: &str = "/acme/sandboxes/box/port/3000/large";
const ROUNDS: usize = 8_000;
const LARGE_SIZE: usize = 256 << 20;
const LARGE_ROUNDS: usize = 5;
const CONNECTIONS: usize = 16;
const BURST: usize = 4_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("relay") {
        return serve(&arguments.next().unwrap());
    }
    if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
        println!("SKIPPED: there is no nginx on this machine");
        return;
    }
    let place = tempfile::tempdir().unwrap();
    let server = Nginx::server(place.path());
    let proxy = Nginx::proxy(place.path(), server.address, Way::Plain);
    let relay = Running::relay(server.address, Way::Plain);
    let ways = [("direct", server.address), ("nginx", proxy.address), ("relay", relay.address)];

    let latency = ways.map(|(_, address)| Connection::open(address));
    let [direct, nginx, through] = alternating(latency);
    println!("one connection, {ROUNDS} small requests each, p50 (p99)");
    for (name, times) in [("direct", &direct), ("nginx", &nginx), ("relay", &through)] {
        println!("  {name:<7} {:>7.1} µs ({:.1} µs)", micros(times, 0.5), micros(times, 0.99));
    }
    let added = |times: &[Duration]| micros(times, 0.5) - micros(&direct, 0.5);
    println!("  added   nginx {:.1} µs, relay {:.1} µs", added(&nginx), added(&through));

    println!("{CONNECTIONS} connections, small requests, the best of 5 turns");
    let rates = ways.map(|(_, address)| address).map(|address| move || burst(address));
    report("requests/s", &ways, best(&rates.map(|rate| Box::new(rate) as Box<dyn Fn() -> f64>)));
    println!("one body of {} MiB, the best of {LARGE_ROUNDS} turns", LARGE_SIZE >> 20);
    let rates = ways.map(|(_, address)| address).map(|address| move || download(address));
    report("MiB/s", &ways, best(&rates.map(|rate| Box::new(rate) as Box<dyn Fn() -> f64>)));
    counted::print(place.path(), server.address);
}

/// How a program is run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Plain,
    /// Under `valgrind`, which says in the end how many instructions there were.
    Counted,
}

impl Way {
    fn command(self, program: impl AsRef<OsStr>) -> Command {
        match self {
            Self::Plain => Command::new(program),
            Self::Counted => {
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program.as_ref());
                command.stderr(Stdio::piped());
                command
            }
        }
    }
}

/// Passes requests on until it is killed.
fn serve(platform: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut settings = RelaySettings::new(Client::builder().api_url(platform).run_url(platform));
        settings.listen = SocketAddr::from(([127, 0, 0, 1], 0));
        let relay = Relay::start(settings).unwrap();
        println!("{}", relay.address());
        std::future::pending::<()>().await;
    });
}

struct Running {
    child: Child,
    address: SocketAddr,
}

impl Running {
    fn relay(platform: SocketAddr, way: Way) -> Self {
        let mut command = way.command(std::env::current_exe().unwrap());
        command.args(["relay", &format!("http://{platform}")]).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: line.trim().parse().unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Asked, so that the workers of nginx end with it.
        let asked = Command::new("kill").arg(self.child.id().to_string()).status();
        asked.unwrap();
        let _ = self.child.wait();
    }
}

struct Nginx;

impl Nginx {
    fn server(place: &Path) -> Running {
        let large = place.join("large");
        std::fs::write(&large, vec![b'x'; LARGE_SIZE]).unwrap();
        let locations = format!(
            "location {SMALL} {{ default_type text/plain; return 200 'a small answer'; }}
             location {LARGE} {{ alias {}; }}",
            large.display()
        );
        Self::start(place, "server", &locations, "", Way::Plain)
    }

    fn proxy(place: &Path, server: SocketAddr, way: Way) -> Running {
        let upstream =
            format!("upstream platform {{ server {server}; keepalive 64; keepalive_requests 1000000; }}");
        let locations = "location / { proxy_pass http://platform; proxy_http_version 1.1;
             proxy_set_header Connection ''; }";
        let name = if way == Way::Counted { "counted" } else { "proxy" };
        Self::start(place, name, locations, &upstream, way)
    }

    fn start(place: &Path, name: &str, locations: &str, upstream: &str, way: Way) -> Running {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let home = place.join(name);
        std::fs::create_dir_all(&home).unwrap();
        let home = home.display();
        let master = if way == Way::Counted { "off" } else { "on" };
        let text = format!(
            "daemon off; master_process {master}; pid {home}/pid; error_log {home}/errors; worker_processes 2;
             events {{ worker_connections 1024; }}
             http {{ access_log off; client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;
                uwsgi_temp_path {home}/d; scgi_temp_path {home}/e; sendfile on; keepalive_requests 1000000; {upstream}
                server {{ listen {address}; {locations} }} }}"
        );
        let file = place.join(format!("{name}.conf"));
        std::fs::write(&file, text).unwrap();
        let mut command = way.command("nginx");
        command.arg("-c").arg(&file).arg("-e").arg(place.join("start"));
        let running = Running { child: command.spawn().unwrap(), address };
        while TcpStream::connect(address).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        running
    }
}

struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, buffer: vec![0; 256 * 1024] }
    }

    /// Asks, and reads an answer of a known length; gives the length.
    fn ask(&mut self, path: &str) -> usize {
        let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut read = 0;
        let (head, length) = loop {
            let more = self.stream.read(&mut self.buffer[read..]).unwrap();
            assert!(more > 0, "the connection ended");
            read += more;
            let Some(end) = self.buffer[..read].windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end]).unwrap().to_ascii_lowercase();
            assert!(head.starts_with("http/1.1 200"), "{head}");
            let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
            break (end + 4, length.parse::<usize>().unwrap());
        };
        let mut body = read - head;
        while body < length {
            let more = self.stream.read(&mut self.buffer).unwrap();
            assert!(more > 0, "the connection ended");
            body += more;
        }
        length
    }
}

/// How long each request took, the ways in turns.
fn alternating(mut ways: [Connection; 3]) -> [Vec<Duration>; 3] {
    let mut times = [const { Vec::new() }; 3];
    for round in 0..ROUNDS + 500 {
        for (way, times) in ways.iter_mut().zip(&mut times) {
            let began = Instant::now();
            way.ask(SMALL);
            if round >= 500 {
                times.push(began.elapsed());
            }
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times
    })
}

fn micros(sorted: &[Duration], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6
}

/// Requests in a second over several connections.
fn burst(address: SocketAddr) -> f64 {
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(address);
                for _ in 0..BURST / CONNECTIONS {
                    connection.ask(SMALL);
                }
            });
        }
    });
    BURST as f64 / began.elapsed().as_secs_f64()
}

/// MiB in a second of one body.
fn download(address: SocketAddr) -> f64 {
    let began = Instant::now();
    let length = Connection::open(address).ask(LARGE);
    (length >> 20) as f64 / began.elapsed().as_secs_f64()
}

/// The best of five turns of each.
fn best(ways: &[Box<dyn Fn() -> f64>; 3]) -> [f64; 3] {
    let mut best = [0.0_f64; 3];
    for _ in 0..LARGE_ROUNDS {
        for (way, best) in ways.iter().zip(&mut best) {
            *best = best.max(way());
        }
    }
    best
}

fn report(unit: &str, ways: &[(&str, SocketAddr); 3], rates: [f64; 3]) {
    for ((name, _), rate) in ways.iter().zip(rates) {
        println!("  {name:<7} {rate:>9.0} {unit}");
    }
    let [_, nginx, relay] = rates;
    println!("  relay beside nginx: {:+.1} %", (relay / nginx - 1.0) * 100.0);
}

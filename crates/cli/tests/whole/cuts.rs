//! Streams of a real agent over a way that breaks again and again, at any byte.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use reveille::{Client, OutputEvent, OutputStream, RetryPolicy, Sandbox, TerminalEvent};

use crate::place::{Place, eventually, signal};

/// An agent without a host.
struct Agent {
    child: Child,
    address: String,
    _home: Place,
}

impl Agent {
    fn start(flags: &[&str]) -> Self {
        let place = Place::new();
        let mut command = place.command();
        command.args(["agent", "--listen", "127.0.0.1:0", "--no-drives", "a test"]).args(flags);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).unwrap();
        let address = said.trim().strip_prefix("listening on http://").unwrap().to_owned();
        Self { child, address, _home: place }
    }

    /// The agent by a way of its own, without cuts.
    fn straight(&self) -> Sandbox {
        sandbox(&self.address)
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        signal(self.child.id(), "TERM");
        let _ended = self.child.wait();
    }
}

/// A way to an agent, each connection of which breaks after some bytes of the answer, or of the request.
struct Way {
    address: String,
    connections: Arc<AtomicUsize>,
}

/// How far a connection goes.
#[derive(Clone, Copy)]
enum Cuts {
    Never,
    /// After so many bytes at the most, in either direction.
    Within(usize),
}

impl Way {
    fn to(agent: &Agent, cuts: Cuts, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (to, connections) = (agent.address.clone(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&connections);
        thread::spawn(move || {
            let mut dice = fastrand::Rng::with_seed(seed);
            for client in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let (client, Ok(server)) = (client.unwrap(), TcpStream::connect(&to)) else { continue };
                let mut far = || match cuts {
                    Cuts::Never => usize::MAX,
                    // One of five does not come far, so that heads and first bytes are cut, too.
                    Cuts::Within(bytes) => {
                        let most = if dice.u8(..5) == 0 { 400 } else { bytes };
                        1 + dice.usize(..most)
                    }
                };
                let (there, back) = (far(), far());
                let (from_client, to_client) = (client.try_clone().unwrap(), client);
                let (from_server, to_server) = (server.try_clone().unwrap(), server);
                thread::spawn(move || carry(from_client, to_server, there));
                thread::spawn(move || carry(from_server, to_client, back));
            }
        });
        Self { address, connections }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Carries so many bytes, and breaks both connections then.
fn carry(mut from: TcpStream, mut to: TcpStream, mut bytes: usize) {
    let mut piece = [0; 4096];
    while bytes > 0 {
        let most = piece.len().min(bytes);
        let Ok(read @ 1..) = from.read(&mut piece[..most]) else { break };
        if to.write_all(&piece[..read]).is_err() {
            break;
        }
        bytes -= read;
    }
    // Whichever is closed already is closed.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

fn sandbox(address: &str) -> Sandbox {
    let millisecond = Duration::from_millis(1);
    let quick = RetryPolicy::builder().retries(50).base(millisecond).cap(millisecond).jitter(millisecond);
    let client = Client::builder().api_key("key").workspace("w").retry(quick.build().unwrap());
    client.build().unwrap().sandbox_at(format!("http://{address}"))
}

/// Numbers on both streams, and how much there is of each.
const NUMBERS: &str =
    "i=0; while [ $i -lt 100000 ]; do echo out $i; [ $((i % 7)) -eq 0 ] && echo err $i >&2; i=$((i+1)); done";

fn numbered(word: &str, each: usize) -> String {
    (0..100_000).step_by(each).map(|number| format!("{word} {number}\n")).collect()
}

#[test]
fn every_byte_of_a_long_log_comes_once_over_many_cuts() {
    let agent = Agent::start(&[]);
    for (seed, is_live) in [(1, false), (2, true), (3, true)] {
        let processes = agent.straight().processes();
        let name = format!("numbers-{seed}");
        processes.exec(NUMBERS).name(&name).start().wait().unwrap();
        if !is_live {
            processes.wait(&name).wait().unwrap();
        }
        let way = Way::to(&agent, Cuts::Within(150_000), seed);
        let output = sandbox(&way.address).processes().follow(&name);
        let output = waited(output.output()).unwrap();
        assert!(output.stdout == numbered("out", 1).into_bytes(), "seed {seed}");
        assert!(output.stderr == numbered("err", 7).into_bytes(), "seed {seed}");
        assert!(output.success());
        assert!(way.connections() > 10, "{} connections", way.connections());
    }
}

#[test]
fn a_log_of_which_not_all_is_kept_has_a_gap_that_is_told_and_nothing_else() {
    let agent = Agent::start(&["--keep-output", "100000"]);
    let processes = agent.straight().processes();
    processes.exec("seq -w 1000000; echo err >&2").name("numbers").start().wait().unwrap();
    // While somebody reads, the process waits for him.
    processes.wait("numbers").wait().unwrap();
    let way = Way::to(&agent, Cuts::Within(150_000), 4);
    // Every number has seven digits.
    let digit = |at: usize| format!("{:07}\n", at / 8 + 1).as_bytes()[at % 8];
    let (mut at, mut missing, mut errors) = (0, Vec::new(), Vec::new());
    for event in sandbox(&way.address).processes().follow("numbers") {
        match event.unwrap() {
            OutputEvent::Stdout(bytes) => {
                assert!(bytes.iter().enumerate().all(|(next, byte)| *byte == digit(at + next)), "at {at}");
                at += bytes.len();
            }
            OutputEvent::Stderr(bytes) => errors.extend_from_slice(&bytes),
            OutputEvent::Missing { stream: Some(OutputStream::Stdout), bytes: Some(bytes) } => {
                at += usize::try_from(bytes).unwrap();
                missing.push(bytes);
            }
            OutputEvent::Ended(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((at, errors.as_slice(), missing.len()), (8_000_000, &b"err\n"[..], 1), "{missing:?}");
    assert!(way.connections() > 10, "{} connections", way.connections());
}

#[test]
fn an_upgrade_in_the_middle_of_a_log_that_breaks_changes_nothing() {
    let agent = Agent::start(&[]);
    let processes = agent.straight().processes();
    let slow = NUMBERS.replace("i=$((i+1))", "i=$((i+1)); [ $((i % 10000)) -eq 0 ] && sleep 0.2");
    processes.exec(slow).name("numbers").start().wait().unwrap();
    let way = Way::to(&agent, Cuts::Within(150_000), 5);
    let upgraded = agent.straight();
    let upgrading = thread::spawn(move || upgraded.system().upgrade().wait().map(drop));
    let output = waited(sandbox(&way.address).processes().follow("numbers").output()).unwrap();
    upgrading.join().unwrap().unwrap();
    assert!(output.stdout == numbered("out", 1).into_bytes());
    assert!(output.stderr == numbered("err", 7).into_bytes());
    eventually("it was upgraded", || agent.straight().system().health().wait().unwrap().upgrade_count == 1);
}

#[test]
fn a_silence_that_is_longer_than_a_read_may_take_breaks_no_stream() {
    let agent = Agent::start(&[]);
    let way = Way::to(&agent, Cuts::Never, 6);
    let client = Client::builder().api_key("key").workspace("w").read_timeout(Duration::from_secs(2));
    let processes = client.build().unwrap().sandbox_at(format!("http://{}", way.address)).processes();
    let output = processes.exec("echo a; sleep 5; echo b").name("silent").wait().unwrap();
    assert_eq!(output.stdout, b"a\nb\n");
    assert_eq!(way.connections(), 1);
}

#[test]
fn every_key_reaches_a_terminal_once_and_every_byte_of_it_is_seen_once_over_many_cuts() {
    let agent = Agent::start(&[]);
    for seed in [7, 8] {
        // What it is typed is shown as it comes, and nothing is shown twice by an echo.
        let count = "stty raw -echo; printf ready; head -c 300000";
        let way = Way::to(&agent, Cuts::Within(80_000), seed);
        // The first connection begins the shell, and is not repeated.
        let mut terminal = None;
        for _ in 0..50 {
            match sandbox(&way.address).terminal().command(count).wait() {
                Ok(opened) => terminal = Some(opened),
                Err(_) => continue,
            }
            break;
        }
        let terminal = terminal.unwrap();
        let typed: Vec<u8> = (0..30_000).flat_map(|number| format!("{number:09}\n").into_bytes()).collect();
        let (input, keys) = (terminal.input(), typed.clone());
        let (tell, ready) = std::sync::mpsc::channel();
        let typing = thread::spawn(move || {
            ready.recv().unwrap();
            for piece in keys.chunks(701) {
                input.send(piece.to_vec()).wait().unwrap();
            }
        });
        let mut shown = Vec::new();
        for event in terminal {
            match event.unwrap() {
                TerminalEvent::Output(bytes) => {
                    shown.extend_from_slice(&bytes);
                    if shown == b"ready" {
                        tell.send(()).unwrap();
                    }
                }
                TerminalEvent::Reconnected { unsure, repeats } => {
                    assert!(unsure.is_empty() && !repeats);
                }
                TerminalEvent::Ended(end) => {
                    assert_eq!(end.code, Some(0));
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        typing.join().unwrap();
        assert!(shown == [&b"ready"[..], &typed].concat(), "seed {seed}: {} bytes", shown.len());
        assert!(way.connections() > 5, "{} connections", way.connections());
    }
}

#[test]
fn one_who_reads_slowly_sees_all_that_a_terminal_shows() {
    let agent = Agent::start(&[]);
    let terminal = agent.straight().terminal().command("stty -opost; seq -w 1000000").wait().unwrap();
    let (mut at, mut events) = (0, 0);
    let digit = |at: usize| format!("{:07}\n", at / 8 + 1).as_bytes()[at % 8];
    for event in terminal {
        match event.unwrap() {
            TerminalEvent::Output(bytes) => {
                assert!(bytes.iter().enumerate().all(|(next, byte)| *byte == digit(at + next)), "at {at}");
                at += bytes.len();
                events += 1;
                if events % 20 == 0 {
                    thread::sleep(Duration::from_millis(20));
                }
            }
            TerminalEvent::Ended(end) => assert_eq!(end.code, Some(0)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(at, 8_000_000);
}

/// Waits for something on this thread.
fn waited<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(work)
}

//! A client that was used before a `fork` works in the child, and the parent's goes on. A process of its own, as
//! only the thread that forks lives on in a child.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::{Duration, Instant};

use fork::Fork;
use reveille::Client;
use reveille_faults::{FaultServer, Step};

/// Calls in each of the ways that have connections of their own.
fn works(client: &Client) -> bool {
    let health = || client.sandbox("box").system().health().no_probe().deadline(Duration::from_secs(20));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited = health().with_history().wait();
    let awaited = runtime.block_on(async { health().with_history().await });
    // Inside of a runtime, a wait goes by the one runtime of the process.
    let beside = runtime.block_on(async { health().with_history().wait() });
    [waited, awaited, beside]
        .into_iter()
        .all(|call| call.is_ok_and(|(_, history)| history.to_string() == "200"))
}

/// How the child ended; one that hangs is no end.
fn end_of(child: i32) -> Option<i32> {
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(90) {
        if let Some(status) = fork::waitpid_nohang(child).unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

/// Whether it works in a child that is forked off for it.
fn works_in_child(client: &Client) -> bool {
    match fork::fork().unwrap() {
        Fork::Child => std::process::exit(i32::from(!works(client))),
        Fork::Parent(child) => end_of(child) == Some(0),
    }
}

#[test]
fn a_client_works_on_both_sides_of_a_fork() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let client = Client::builder().api_key("key").workspace("acme").run_url(server.url()).build().unwrap();
    assert!(works(&client));
    match fork::fork().unwrap() {
        Fork::Child => {
            let works = works(&client) && works(&client) && works_in_child(&client) && works(&client);
            drop(client);
            std::process::exit(i32::from(!works));
        }
        Fork::Parent(child) => {
            assert_eq!(end_of(child), Some(0));
            let connections = server.counts().connections;
            assert!(works(&client));
            // That of a new runtime is new; the others are those from before.
            assert_eq!(server.counts().connections, connections + 1);
        }
    }
}

//! The agent answers as the platform's own server was seen to answer.
#![cfg(target_os = "linux")]

mod replay;
#[path = "../running/mod.rs"]
mod running;

use running::Running;

#[test]
fn recorded_exchanges_are_answered_as_recorded() {
    let agent = Running::start(&[]);
    let server = replay::Server::new(&format!("http://{}", agent.host), &[]);
    let problems = replay::problems(&server);
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

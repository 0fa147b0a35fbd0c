//! A process that is followed to its end, over any number of broken connections, without losing a byte.
//!
//! ```sh
//! cargo run -p reveille --example log_follower -- box
//! ```

use std::io::Write;

use futures_util::StreamExt;
use reveille::{Client, OutputEvent};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "build".to_owned());
    let client = Client::from_env()?;
    client.sandboxes().create(&name).if_missing().await?;
    let processes = client.sandbox(&name).processes();

    let command = "for step in 1 2 3 4 5; do echo step $step; sleep 0.2; done; echo done >&2";
    // Kept awake, as nobody speaks to it while it works.
    let build = processes.exec(command).keep_alive().start().await?;
    let mut events = processes.follow(&build.name);
    while let Some(event) = events.next().await {
        match event? {
            OutputEvent::Stdout(bytes) => std::io::stdout().write_all(&bytes)?,
            OutputEvent::Stderr(bytes) => std::io::stderr().write_all(&bytes)?,
            OutputEvent::Missing { .. } => eprintln!("[output is missing here]"),
            OutputEvent::Ended(process) => println!("{}: {:?}", process.name, process.status),
            _ => {}
        }
    }
    Ok(())
}

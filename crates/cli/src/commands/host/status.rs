use reveille::{Client, LocalHost};

use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::interruptible;

pub(super) fn run(screen: &Screen) -> Result<Exit, Failure> {
    interruptible(async {
        let (host, sandboxes) = found().await?;
        screen.host_found(&host, sandboxes)?;
        Ok(Exit::Done)
    })
}

/// The host that this user runs, and how many sandboxes it has: one that answers, and knows its key.
pub(super) async fn found() -> Result<(LocalHost, usize), Failure> {
    let none = || Failure::new("no host runs").next("start one: reveille host -d");
    let host = reveille::local_host().ok_or_else(none)?;
    let client = Client::builder().local_host(host.clone()).retries(0).build();
    let client = client.map_err(|error| Failure::new(error.to_string()))?;
    match client.sandboxes().list().await {
        Ok(list) => Ok((host, list.data.len())),
        Err(_) => Err(Failure::new(format!("the host at {} does not answer", host.url))
            .next("start one: reveille host -d")),
    }
}

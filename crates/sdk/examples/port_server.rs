//! A web server in a sandbox: started, waited for until it listens, asked, asleep, asked again.
//!
//! ```sh
//! cargo run -p reveille --example port_server -- box
//! ```

use reveille::{Client, ErrorKind};

type Failure = Box<dyn std::error::Error>;

const PORT: u16 = 8000;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "web".to_owned());
    let client = Client::from_env()?;
    client.sandboxes().create(&name).if_missing().await?;
    let sandbox = client.sandbox(&name);

    let command = format!("exec python3 -m http.server {PORT} --bind 0.0.0.0");
    let server = sandbox.processes().exec(command).name("web").wait_for_port(PORT);
    match server.start().await {
        Ok(process) => println!("process {} listens on port {PORT}", process.pid),
        // A name is taken by a process that runs, so that it listens already.
        Err(error) if error.kind() == ErrorKind::Rejected => println!("it runs already: {error}"),
        Err(error) => return Err(error.into()),
    }

    let page = sandbox.network().fetch(PORT, "/").await?;
    println!("{}: {} bytes", page.status(), page.bytes().len());

    // Only a local host can be told to; elsewhere a sandbox that nobody uses falls asleep by itself.
    if client.sandboxes().sleep(&name).await.is_ok() {
        println!("asleep");
    }
    let page = sandbox.network().fetch(PORT, "/").await?;
    println!("{}: {} after {} attempts ({})", page.status(), name, page.history().len(), page.history());
    Ok(())
}

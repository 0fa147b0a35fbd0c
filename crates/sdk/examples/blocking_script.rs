//! A script without a runtime: the same calls, each ended by `.wait()`.
//!
//! ```sh
//! cargo run -p reveille --example blocking_script -- box
//! ```

use std::time::Duration;

use reveille::Client;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "script".to_owned());
    let client = Client::from_env()?;
    client.sandboxes().create(&name).if_missing().wait()?;
    let sandbox = client.sandbox(&name);

    sandbox.wake().deadline(Duration::from_secs(60)).wait()?;
    let health = sandbox.system().health().wait()?;
    println!("{name}: agent {} is {}", health.version, health.status);

    let files = sandbox.files();
    files.write_text("/tmp/greeting", "hello\n").wait()?;
    let output = sandbox.processes().exec("tr a-z A-Z < /tmp/greeting").wait()?;
    print!("{}", String::from_utf8_lossy(&output.stdout));

    for process in sandbox.processes().list().wait()? {
        println!("{} {:?}", process.name, process.status);
    }
    for page in client.sandboxes().list().pages() {
        println!("{} sandboxes on this page", page?.data.len());
    }
    Ok(())
}

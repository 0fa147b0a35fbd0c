//! The loop of an agent: each line of stdin is a command that a model asked for, and what it gave goes back.
//!
//! Between two commands the model thinks, and the sandbox may fall asleep: the next command wakes it, and runs once.
//!
//! ```sh
//! printf 'uname -sr\nls /nowhere\n' | cargo run -p reveille --example agent_tool_loop -- box
//! ```

use std::io::BufRead;
use std::time::Duration;

use reveille::{Client, Error, Output};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "agent".to_owned());
    let client = Client::from_env()?;
    client.sandboxes().create(&name).if_missing().wait()?;
    let processes = client.sandbox(&name).processes();
    for command in std::io::stdin().lock().lines() {
        let run = processes.exec(command?).deadline(Duration::from_secs(120));
        println!("{}", told(run.wait()));
    }
    Ok(())
}

/// What the model is told. An error that says that nothing ran may be tried again; one that does not has to be
/// looked at first, and the model has to know which it is.
fn told(ended: Result<Output, Error>) -> serde_json::Value {
    match ended {
        Ok(output) => serde_json::json!({
            "exit": output.code(),
            "signal": output.signal(),
            "stdout": String::from_utf8_lossy(&output.stdout),
            "stderr": String::from_utf8_lossy(&output.stderr),
        }),
        Err(error) => serde_json::json!({
            "error": error.to_string(),
            "may_have_run": error.may_have_run(),
        }),
    }
}

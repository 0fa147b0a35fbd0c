//! What a request through the gateway takes of a processor in user space, in instructions, beside nginx as a proxy of
//! one hop, both counted by `valgrind`: no other load changes these figures.
//!
//! `cargo bench -p reveille-host --bench instructions` serves one request after the other on one connection. The
//! agent and the app are processes of their own and not counted. What one request takes is the difference between two
//! runs of so many requests, in so many.

#[cfg(target_os = "linux")]
mod app;
#[cfg(target_os = "linux")]
mod awake;
#[cfg(target_os = "linux")]
mod counted;

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("SKIPPED: the local host runs on Linux");
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::process::ExitCode;

    let mut arguments = std::env::args_os().skip(1).filter(|argument| argument != "--bench");
    let done = match arguments.next().as_ref().and_then(|what| what.to_str()) {
        None => print::all(),
        Some("agent") => return reveille_agent::main(arguments),
        Some("app") => app::serve(),
        Some("host") => awake::serve(arguments.next().unwrap_or_default()),
        Some(other) => Err(format!("it takes nothing, and not {other}").into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
mod print {
    use crate::app::{Agent, App};
    use crate::counted::{Counted, Failure};

    /// The ways through the host: what they are called, and where they lead.
    const WAYS: [(&str, &str); 2] =
        [("GET of an app's small answer", "/port/{port}/"), ("GET /health", "/health")];

    pub(crate) fn all() -> Result<(), Failure> {
        if !crate::counted::is_valgrind_here() {
            println!("SKIPPED: there is no valgrind here to count with");
            return Ok(());
        }
        let (app, agent) = (App::start()?, Agent::start()?);
        for (title, path) in WAYS {
            let path = path.replace("{port}", &app.port().to_string());
            let each = Counted::host(&agent, &path)?.each()?;
            println!("{title:30} {each:>8.0} instructions a request in the gateway");
        }
        match Counted::nginx(app.port())? {
            Some(nginx) => {
                let title = "the same app behind nginx";
                println!("{title:30} {:>8.0} instructions a request in nginx", nginx.each()?);
            }
            None => println!("SKIPPED: there is no nginx here to stand beside"),
        }
        Ok(())
    }
}

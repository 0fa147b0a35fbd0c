//! The agent as a program of its own, for running it without a host.

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    arguments.next_if(|first| first == "agent");
    reveille_agent::main(arguments)
}

#[cfg(not(target_os = "linux"))]
fn main() -> std::process::ExitCode {
    eprintln!("error: sandboxes run on Linux only");
    std::process::ExitCode::FAILURE
}

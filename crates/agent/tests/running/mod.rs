//! A real agent, as a process of its own.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// An agent that runs until this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) host: String,
}

impl Running {
    /// Starts an agent on loopback, with `flags` besides.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reveille-agent"));
        command.args(["agent", "--listen", "127.0.0.1:0"]).args(flags);
        Self::started(command)
    }

    /// Starts `command`, which becomes an agent that says where it listens.
    pub(crate) fn started(mut command: Command) -> Self {
        command.env_remove("SHELL").env_remove("SHELL_ARGS");
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("an agent");
        let mut said = String::new();
        let out = child.stdout.take().expect("its output");
        BufReader::new(out).read_line(&mut said).expect("its address");
        let host = said.trim().strip_prefix("listening on http://").expect("its address").to_owned();
        Self { child, host }
    }

    /// Its number.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = kill(self.pid(), Signal::SIGTERM);
        let _gone = self.child.wait();
    }
}

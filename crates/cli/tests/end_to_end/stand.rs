//! The built binary as a person has it: a home of its own, a host of its own, nothing of this machine's settings.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// How long one command may take at the most, as the command itself bounds it.
const PATIENCE: &str = "30s";

/// A home in which commands are run.
pub(crate) struct Home(TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `reveille` with these arguments, and nothing of this machine's settings.
    pub(crate) fn reveille(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reveille"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("BL_") {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.path()).env("XDG_STATE_HOME", self.path().join("state"));
        command.args(arguments).stdin(Stdio::null());
        command
    }
}

/// A host that runs until this is dropped.
pub(crate) struct Stand {
    home: Home,
    host: Child,
    /// What the host said of itself when it began.
    pub(crate) said: Value,
}

impl Stand {
    /// Starts `reveille host` with these flags on a free port.
    pub(crate) fn start(flags: &[&str]) -> Self {
        let home = Home::new();
        let data = home.path().join("data");
        let mut command = home.reveille(&["host", "--json", "--quiet", "--listen", "127.0.0.1:0", "--data"]);
        let mut host =
            command.arg(&data).args(flags).stdout(Stdio::piped()).spawn().expect("the binary starts");
        let mut first = String::new();
        let stdout = host.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut first).expect("the host says where it is");
        let said = serde_json::from_str(&first).unwrap_or_else(|error| panic!("{error}: {first:?}"));
        Self { home, host, said }
    }

    pub(crate) fn home(&self) -> &Home {
        &self.home
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.home.reveille(&["--deadline", PATIENCE]);
        let Output { status, stdout, stderr } = command.args(arguments).output().expect("the binary runs");
        Ran {
            line: arguments.join(" "),
            code: status.code(),
            stdout: String::from_utf8_lossy(&stdout).into_owned(),
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        }
    }

    /// Runs a command that has to succeed, and gives what it wrote.
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "{ran}");
        ran.stdout
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        #[cfg(unix)]
        {
            // An orderly end, as by Ctrl-C.
            let pid = self.said["pid"].to_string();
            let asked = Command::new("kill").args(["-TERM", &pid]).status().is_ok_and(|kill| kill.success());
            if asked && self.host.wait().is_ok() {
                return;
            }
        }
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}

/// What a command brought.
pub(crate) struct Ran {
    line: String,
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// What was written for scripts, of which the first line counts.
    pub(crate) fn json(&self) -> Value {
        let text = if self.stdout.trim().is_empty() { &self.stderr } else { &self.stdout };
        let line = text.lines().next().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self}"))
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { line, code, stdout, stderr } = self;
        write!(f, "reveille {line}\n  code {code:?}\n  stdout {stdout}\n  stderr {stderr}")
    }
}

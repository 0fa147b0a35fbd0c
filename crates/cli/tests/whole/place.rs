//! A home of its own for each test, and a host in it.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Longer than anything takes on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// A home directory, and nothing else in the environment.
pub(crate) struct Place {
    home: TempDir,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: String,
}

impl Said {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }

    /// The one JSON object on stdout.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, which must be a success.
    #[track_caller]
    pub(crate) fn done(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { home: TempDir::with_prefix("reveille-cli-test-").unwrap() }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.home.path()
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reveille"));
        command.env_clear().env("HOME", self.path()).env("XDG_STATE_HOME", self.path().join("state"));
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(self.path());
        command
    }

    pub(crate) fn run<S: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = S>) -> Said {
        said(self.command().args(arguments).stdin(Stdio::null()))
    }

    /// Runs a command whose standard input is `input`.
    pub(crate) fn feed(&self, arguments: &[&str], input: &[u8]) -> Said {
        let mut command = self.command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&input));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap().unwrap();
        Said {
            code: output.status.code(),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: output.stdout,
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running host, and what it tells of every request.
pub(crate) struct Host {
    child: Child,
    pub(crate) about: Value,
    passages: Arc<Mutex<Vec<Value>>>,
}

impl Host {
    pub(crate) fn start(place: &Place, flags: &[&str]) -> Self {
        Self::started_by(place.command(), flags)
    }

    /// The same, by a command that may run as somebody else.
    pub(crate) fn started_by(mut command: Command, flags: &[&str]) -> Self {
        command.args(["host", "--json", "--quiet", "--log", "--listen", "127.0.0.1:0"]);
        // A sandbox sleeps when it is told to, and not while a busy machine gets to the next command.
        command.args(["--standby-after", "1h"]).args(flags);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first = lines.next().expect("the host says where it is").unwrap();
        let about = serde_json::from_str(&first).unwrap();
        let passages = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&passages);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut event: Value = serde_json::from_str(&line).unwrap();
                if event["request"].is_object() {
                    seen.lock().unwrap().push(event["request"].take());
                }
            }
        });
        Self { child, about, passages }
    }

    pub(crate) fn url(&self) -> &str {
        self.about["url"].as_str().unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether drives can be mounted on this machine.
    pub(crate) fn mounts(&self) -> bool {
        self.about["isolation"]["namespaces"] != "none"
    }

    /// The requests of one kind that have passed since this was last asked for them: `count` at the least. The host
    /// tells of them through a pipe, in the order of their ends, and later than it answers: what others left
    /// behind there is none of theirs.
    pub(crate) fn passed(&self, count: usize, kind: impl Fn(&Value) -> bool) -> Vec<Value> {
        let arrived = || self.passages.lock().unwrap().iter().filter(|request| kind(request)).count();
        eventually("the host tells of the requests", || arrived() >= count);
        self.passages.lock().unwrap().extract_if(.., |request| kind(request)).collect()
    }

    pub(crate) fn signal(&mut self, name: &str) -> ExitStatus {
        signal(self.pid(), name);
        self.child.wait().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Ok(None) = self.child.try_wait() {
            signal(self.pid(), "TERM");
            let _ = self.child.wait();
        }
    }
}

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status().unwrap();
    assert!(sent.success());
}

/// Waits until something is so, which it has to be soon.
#[track_caller]
pub(crate) fn eventually(what: &str, so: impl Fn() -> bool) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "{what}: not in {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Starts the witness server in a sandbox, and says on which port it listens.
pub(crate) fn serve(place: &Place, sandbox: &str) -> u16 {
    let program = env!("CARGO_BIN_EXE_reveille");
    // Where the sandbox has a root of its own, the program is one of its commands.
    let line = format!("[ -x '{program}' ] || set reveille; exec \"${{1:-{program}}}\" witness > port.txt");
    // What the gateway tells of is to be what a test does.
    place.run(["exec", "--no-probe", "-d", "--name", "server", sandbox, "--", &line]).done();
    let port = Mutex::new(None);
    eventually("the server listens", || {
        let said = place.run(["exec", "--no-probe", sandbox, "--", "cat port.txt"]);
        *port.lock().unwrap() = said.text().trim().rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.lock().unwrap().is_some()
    });
    port.into_inner().unwrap().unwrap()
}

/// The next line of something that prints.
pub(crate) fn line(out: &mut BufReader<impl Read>) -> String {
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    line
}

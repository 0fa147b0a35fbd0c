use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reveille_wire::SandboxName;
use tokio::sync::broadcast;

use super::{
    Address, Change, Condition, Engine, EngineError, EngineErrorKind, Freezer, Isolation,
    LocalEngineSettings, Namespaces, Plan,
};

/// How long an agent may take until it answers.
const START: Duration = Duration::from_secs(10);

/// The host's own engine: sandboxes of processes on this machine.
#[derive(Debug)]
pub struct LocalEngine {
    settings: LocalEngineSettings,
    isolation: Isolation,
    sandboxes: Arc<Mutex<HashMap<SandboxName, Running>>>,
    changes: broadcast::Sender<Change>,
}

#[derive(Debug)]
struct Running {
    child: Child,
    directory: PathBuf,
    socket: PathBuf,
    asleep: bool,
}

impl LocalEngine {
    /// Starts an engine, and ends what an earlier one left behind.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn start(settings: LocalEngineSettings) -> Result<Arc<Self>, EngineError> {
        fs::create_dir_all(&settings.directory).map_err(|error| {
            EngineError::system(format_args!("cannot make {}", settings.directory.display()), error)
        })?;
        let isolation =
            Isolation { namespaces: Namespaces::None, freezer: Freezer::Signals, missing: Vec::new() };
        Ok(Arc::new(Self {
            settings,
            isolation,
            sandboxes: Arc::default(),
            changes: broadcast::channel(64).0,
        }))
    }

    fn launch(&self, plan: &Plan) -> io::Result<Running> {
        let files = plan.directory.join("files");
        fs::create_dir_all(&files)?;
        let socket = self.settings.directory.join(format!("{}.sock", plan.name));
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&socket)?;
        let log = File::options().create(true).append(true).open(plan.directory.join("agent.log"))?;
        let child = Command::new(&self.settings.agent.program)
            .args(&self.settings.agent.arguments)
            .args(["--listen", "stdin", "--no-drives", "sandboxes have no mount namespace on this machine"])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", &files)
            .env("WORKDIR", &files)
            .envs(plan.environment.iter().map(|(name, value)| (name, value)))
            .current_dir(&files)
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        wait_until_it_answers(&socket)?;
        Ok(Running { child, directory: plan.directory.clone(), socket, asleep: false })
    }

    fn with<T>(
        &self,
        name: &SandboxName,
        act: impl FnOnce(&mut Running) -> io::Result<T>,
    ) -> Result<T, EngineError> {
        let mut sandboxes = self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
        let running = sandboxes.get_mut(name).ok_or_else(|| absent(name))?;
        act(running).map_err(|error| EngineError::system(format_args!("sandbox {name}"), error))
    }
}

fn absent(name: &SandboxName) -> EngineError {
    EngineError::new(EngineErrorKind::Absent, format!("there is no sandbox {name}"))
}

fn wait_until_it_answers(socket: &Path) -> io::Result<()> {
    let give_up = Instant::now() + START;
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(give_up.saturating_duration_since(Instant::now())))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)
}

impl Running {
    fn signal(&mut self, signal: Signal) -> io::Result<()> {
        let group = Pid::from_raw(i32::try_from(self.child.id()).map_err(io::Error::other)?);
        Ok(killpg(group, signal)?)
    }
}

impl Engine for LocalEngine {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    fn create(&self, plan: Plan) -> BoxFuture<'_, Result<Address, EngineError>> {
        async move {
            let running = tokio::task::block_in_place(|| self.launch(&plan))
                .map_err(|error| EngineError::system(format_args!("cannot start {}", plan.name), error))?;
            let address = Address::Unix(running.socket.clone());
            self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner).insert(plan.name, running);
            Ok(address)
        }
        .boxed()
    }

    fn sleep<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            self.with(name, |running| {
                running.asleep = true;
                running.signal(Signal::SIGSTOP)
            })
        }
        .boxed()
    }

    fn wake<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<Address, EngineError>> {
        async move {
            self.with(name, |running| {
                running.asleep = false;
                running.signal(Signal::SIGCONT)?;
                Ok(Address::Unix(running.socket.clone()))
            })
        }
        .boxed()
    }

    fn condition<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Condition> {
        async move {
            let found = self.with(name, |running| {
                Ok(if running.asleep {
                    Condition::Asleep
                } else {
                    Condition::Awake(Address::Unix(running.socket.clone()))
                })
            });
            found.unwrap_or(Condition::Absent)
        }
        .boxed()
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn delete<'a>(&'a self, name: &'a SandboxName) -> BoxFuture<'a, Result<(), EngineError>> {
        async move {
            let directory = self.with(name, |running| {
                running.signal(Signal::SIGKILL)?;
                running.child.wait()?;
                Ok(running.directory.clone())
            })?;
            self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
            fs::remove_dir_all(&directory).map_err(|error| EngineError::system("cannot remove", error))
        }
        .boxed()
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        async move {
            let mut sandboxes = self.sandboxes.lock().unwrap_or_else(PoisonError::into_inner);
            for (_, mut running) in sandboxes.drain() {
                if running.signal(Signal::SIGKILL).is_ok() {
                    running.child.wait().ok();
                }
            }
        }
        .boxed()
    }
}

//! One sandbox, over all its lives. Everything here blocks.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reveille_wire::SandboxName;
use tokio::sync::broadcast;

use super::cgroup::Cgroup;
use super::life::{Birth, LIMIT, Life, Mark};
use super::process::{Process, world};
use super::record::{Record, Records, Trace};
use super::remove::remove_directory;
use super::sockets::Sockets;
use super::{Address, AgentCommand, Change, Condition, EngineError, EngineErrorKind, Namespaces, Plan};

/// How long an agent may take from its start until it answers.
const START: Duration = Duration::from_secs(10);

/// What all sandboxes of an engine stand on.
#[derive(Debug)]
pub(super) struct Ground {
    pub(super) agent: AgentCommand,
    pub(super) namespaces: Namespaces,
    pub(super) cgroups: Option<Cgroup>,
    pub(super) sockets: Sockets,
    pub(super) records: Records,
    pub(super) changes: broadcast::Sender<Change>,
}

/// One sandbox.
#[derive(Debug)]
pub(super) struct Sandbox {
    name: SandboxName,
    ground: Arc<Ground>,
    /// Held by whoever does something with it, from the beginning to the end of that.
    work: Mutex<Work>,
    fate: Mutex<Fate>,
}

#[derive(Debug)]
struct Work {
    directory: Option<PathBuf>,
    life: Option<Arc<Life>>,
    /// It was deleted or shut down for good; one of the same name is another one.
    gone: bool,
}

#[derive(Debug)]
struct Fate {
    condition: Condition,
    /// Whether the agent that was started last has ended.
    ended: bool,
    /// Whether an end would come as news.
    end_is_news: bool,
}

/// Why a sandbox was not made here.
pub(super) enum NotMade {
    /// This one is gone; a new one has to be made.
    Gone(Plan),
    Failed(EngineError),
}

impl Sandbox {
    /// One that the engine has never run.
    pub(super) fn new(name: SandboxName, ground: Arc<Ground>) -> Self {
        let work = Work { directory: None, life: None, gone: false };
        Self::with(name, ground, work, Condition::Absent)
    }

    /// One whose files are there, and nothing else.
    pub(super) fn left(name: SandboxName, ground: Arc<Ground>, directory: PathBuf) -> Self {
        let work = Work { directory: Some(directory), life: None, gone: false };
        let reason = "the host that ran it has ended".to_owned();
        Self::with(name, ground, work, Condition::Ended(reason))
    }

    fn with(name: SandboxName, ground: Arc<Ground>, work: Work, condition: Condition) -> Self {
        let fate = Fate { condition, ended: false, end_is_news: false };
        Self { name, ground, work: Mutex::new(work), fate: Mutex::new(fate) }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn condition(&self) -> Condition {
        self.fate().condition.clone()
    }

    fn address(&self) -> Address {
        Address::Unix(self.ground.sockets.path(&self.name))
    }

    /// Starts it, and waits until its agent answers.
    pub(super) fn create(self: &Arc<Self>, plan: Plan) -> Result<Address, NotMade> {
        let mut work = self.work();
        if work.gone {
            return Err(NotMade::Gone(plan));
        }
        if matches!(self.condition(), Condition::Awake(_) | Condition::Asleep) {
            let what = format!("sandbox {} is running already", self.name);
            return Err(NotMade::Failed(EngineError::new(EngineErrorKind::Exists, what)));
        }
        work.directory = Some(plan.directory.clone());
        let log = plan.directory.join("agent.log");
        let life = self.begin(plan).map_err(|error| NotMade::Failed(self.never_began(error)))?;
        work.life = Some(Arc::clone(&life));
        let answer = wait_for_answer(&self.ground.sockets.path(&self.name));
        match answer.and_then(|()| self.first_awake()) {
            Ok(()) => Ok(self.address()),
            Err(error) => Err(NotMade::Failed(self.never_answered(&life, &log, error))),
        }
    }

    fn begin(self: &Arc<Self>, plan: Plan) -> io::Result<Arc<Life>> {
        std::fs::create_dir_all(&plan.directory)?;
        self.fate().ended = false;
        let id = format!("{}-{:016x}", self.name, fastrand::u64(..));
        let listener = self.ground.sockets.listen(&self.name)?;
        let cgroups = self.ground.cgroups.as_ref();
        let cgroup = cgroups.map(|all| Cgroup::make(all.path(), &id)).transpose()?;
        let birth = Birth {
            agent: self.ground.agent.clone(),
            namespaces: self.ground.namespaces,
            cgroup,
            mark: Mark::new(&id),
            listener,
            directory: plan.directory,
            drives: plan.drives,
            environment: plan.environment,
        };
        let before = self.writes_down(&birth)?;
        let keeper = Arc::clone(self);
        Life::begin(birth, before, move |reason| keeper.has_ended(reason))
    }

    /// Writes down an agent before it runs, so that there is none that the next host does not know of.
    fn writes_down(
        &self,
        birth: &Birth,
    ) -> io::Result<impl FnOnce(Process) -> io::Result<()> + Send + use<>> {
        let (ground, name) = (Arc::clone(&self.ground), self.name.clone());
        let (world, mark) = (world()?, birth.mark.clone());
        let cgroup = birth.cgroup.as_ref().map(|cgroup| cgroup.path().to_owned());
        let directory = birth.directory.clone();
        Ok(move |agent| {
            let trace = Trace { world, agent, cgroup, mark };
            ground.records.write(&Record { name, directory, trace: Some(trace) })
        })
    }

    /// Takes note of the end of its agent.
    fn has_ended(&self, reason: &str) {
        let mut fate = self.fate();
        fate.ended = true;
        fate.condition = Condition::Ended(reason.to_owned());
        if std::mem::take(&mut fate.end_is_news) {
            let change = Change { name: self.name.clone(), condition: fate.condition.clone() };
            // Nobody has to listen.
            self.ground.changes.send(change).ok();
        }
    }

    /// Takes note that its agent has answered, unless that has ended meanwhile.
    fn first_awake(&self) -> io::Result<()> {
        let mut fate = self.fate();
        if fate.ended {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        fate.condition = Condition::Awake(self.address());
        fate.end_is_news = true;
        Ok(())
    }

    fn never_began(&self, error: io::Error) -> EngineError {
        let error = self.cannot("be started", error);
        self.fate().condition = Condition::Ended(error.to_string());
        error
    }

    fn never_answered(&self, life: &Life, log: &Path, error: io::Error) -> EngineError {
        // A moment, so that its own reason can be told.
        let reason = life.wait_for_end(Duration::from_millis(200)).unwrap_or_else(|| {
            life.kill().ok();
            life.wait_for_end(LIMIT);
            format!("its agent does not answer: {error}")
        });
        let last = last_line(log).map_or_else(String::new, |line| format!(" (it said: {line})"));
        let what = format!("sandbox {} cannot be started: {reason}{last}", self.name);
        EngineError::new(EngineErrorKind::System, what).with_source(error)
    }

    /// Puts it to sleep.
    pub(super) fn sleep(&self) -> Result<(), EngineError> {
        let work = self.work();
        let life = match self.condition() {
            Condition::Asleep => return Ok(()),
            Condition::Awake(_) => work.life.as_ref().ok_or_else(|| absent(&self.name))?,
            other => return Err(self.not_running(other)),
        };
        life.freeze().map_err(|error| self.cannot("be put to sleep", error))?;
        self.change(Condition::Asleep)
    }

    /// Wakes it.
    pub(super) fn wake(&self) -> Result<Address, EngineError> {
        let work = self.work();
        let life = match self.condition() {
            Condition::Awake(address) => return Ok(address),
            Condition::Asleep => work.life.as_ref().ok_or_else(|| absent(&self.name))?,
            other => return Err(self.not_running(other)),
        };
        life.thaw().map_err(|error| self.cannot("be woken", error))?;
        self.change(Condition::Awake(self.address()))?;
        Ok(self.address())
    }

    fn change(&self, to: Condition) -> Result<(), EngineError> {
        let mut fate = self.fate();
        if fate.ended {
            return Err(self.not_running(fate.condition.clone()));
        }
        fate.condition = to;
        Ok(())
    }

    /// Ends it and removes what it kept.
    pub(super) fn delete(&self) -> Result<(), EngineError> {
        let mut work = self.work();
        if work.gone || work.directory.is_none() {
            return Err(absent(&self.name));
        }
        self.end(&work)?;
        if let Some(directory) = &work.directory {
            let what = format_args!("the files of sandbox {} cannot be removed", self.name);
            remove_directory(directory).map_err(|error| EngineError::system(what, error))?;
        }
        let forgotten = self.ground.sockets.close(&self.name);
        forgotten
            .and_then(|()| self.ground.records.remove(&self.name))
            .map_err(|error| self.cannot("be forgotten", error))?;
        *work = Work { directory: None, life: None, gone: true };
        self.fate().condition = Condition::Absent;
        Ok(())
    }

    fn end(&self, work: &Work) -> Result<(), EngineError> {
        self.fate().end_is_news = false;
        let Some(life) = &work.life else { return Ok(()) };
        if life.wait_for_end(Duration::ZERO).is_some() {
            return Ok(());
        }
        life.kill().map_err(|error| self.cannot("be ended", error))?;
        if life.wait_for_end(LIMIT).is_none() {
            let what = format!("sandbox {} does not end within {LIMIT:?}", self.name);
            return Err(EngineError::new(EngineErrorKind::TimedOut, what));
        }
        Ok(())
    }

    /// Asks its agent to end, waking it for that. The first half of a shutdown.
    pub(super) fn ask_to_end(&self) {
        let work = self.work();
        self.fate().end_is_news = false;
        if let Some(life) = &work.life {
            // What does not listen is ended in the second half.
            life.thaw().and_then(|()| life.ask_to_end()).ok();
        }
    }

    /// Ends it when it has not ended within the limit. The second half of a shutdown.
    pub(super) fn end_within(&self, limit: Duration) -> Result<(), EngineError> {
        let mut work = self.work();
        work.gone = true;
        if work.life.as_ref().is_some_and(|life| life.wait_for_end(limit).is_none()) {
            self.end(&work)?;
        }
        let Some(directory) = work.directory.clone() else { return Ok(()) };
        let record = Record { name: self.name.clone(), directory, trace: None };
        self.ground.records.write(&record).map_err(|error| self.cannot("be written down", error))
    }

    fn cannot(&self, what: &str, error: io::Error) -> EngineError {
        let kind = match error.kind() {
            io::ErrorKind::TimedOut => EngineErrorKind::TimedOut,
            _ => EngineErrorKind::System,
        };
        EngineError::new(kind, format!("sandbox {} cannot {what}: {error}", self.name)).with_source(error)
    }

    fn not_running(&self, condition: Condition) -> EngineError {
        match condition {
            Condition::Ended(reason) => {
                let what = format!("sandbox {} is not running: {reason}", self.name);
                EngineError::new(EngineErrorKind::Ended, what)
            }
            _ => absent(&self.name),
        }
    }
}

pub(super) fn absent(name: &SandboxName) -> EngineError {
    EngineError::new(EngineErrorKind::Absent, format!("there is no sandbox {name}"))
}

/// Asks an agent how it is, and waits for any answer. It is not listening yet, but its socket is open: the
/// question waits there. When the agent ends, the socket closes.
fn wait_for_answer(socket: &Path) -> io::Result<()> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(START))?;
    stream.set_write_timeout(Some(START))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n")?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    if head.ends_with(b" 200") {
        return Ok(());
    }
    let what = format!("its health is {:?}", String::from_utf8_lossy(&head));
    Err(io::Error::new(io::ErrorKind::InvalidData, what))
}

/// The last line that an agent has written, cut where it is long.
fn last_line(log: &Path) -> Option<String> {
    let text = std::fs::read(log).ok()?;
    let end = &text[text.len().saturating_sub(1024)..];
    let end = String::from_utf8_lossy(end);
    end.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}

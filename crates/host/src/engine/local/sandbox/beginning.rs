//! How a sandbox begins to live.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{NotDone, Sandbox};
use crate::engine::local::Lifetime;
use crate::engine::local::attending::Ended;
use crate::engine::local::cgroup::Cgroup;
use crate::engine::local::launch::End;
use crate::engine::local::life::{Birth, LIMIT, Life, Mark};
use crate::engine::local::log::last_line;
use crate::engine::local::prepared::Prepared;
use crate::engine::local::process::{Process, world};
use crate::engine::local::record::{Record, Trace};
use crate::engine::{
    Address, Base, Change, Condition, EngineError, EngineErrorKind, Generation, Known, Plan,
};

/// How long an agent may take from its start until it answers.
const START: Duration = Duration::from_secs(10);
/// With what an agent ends where what it is to mount has no place (`sysexits.h`).
const EX_CONFIG: i32 = 78;

impl Sandbox {
    /// Starts it, and waits until its agent answers.
    pub(in crate::engine::local) fn create(
        self: &Arc<Self>,
        plan: &Plan,
        generation: Generation,
    ) -> Result<Address, NotDone> {
        let mut work = self.turn(generation)?;
        if matches!(self.condition(), Condition::Awake(_) | Condition::Asleep) {
            let what = format!("sandbox {} is running already", self.name);
            return Err(EngineError::new(EngineErrorKind::Exists, what).into());
        }
        let log = self.ground.records.log(&self.name);
        let life = self.begin(plan).map_err(|error| self.never_began(error))?;
        work.life = Some(Arc::clone(&life));
        let answer = wait_for_answer(&self.ground.sockets.path(&self.name));
        Prepared::fill(&self.ground);
        match answer.and_then(|()| self.first_awake()) {
            Ok(()) => Ok(self.address()),
            Err(error) => Err(self.never_answered(&life, &log, error).into()),
        }
    }

    fn begin(self: &Arc<Self>, plan: &Plan) -> io::Result<Arc<Life>> {
        let directory = self.ground.directory(&self.name);
        // A disk is laid out when it is mounted, and what is made of an image is laid out otherwise.
        let is_usual = plan.base == Base::Machine && plan.allowance.disk.is_none();
        if !is_usual || !self.ground.prepared.take(&directory) {
            std::fs::create_dir_all(&directory)?;
        }
        self.fate().ended = false;
        let id = format!("{}-{:016x}", self.name, fastrand::u64(..));
        let listener = self.ground.sockets.listen(&self.name)?;
        let cgroups = self.ground.cgroups.as_ref();
        let cgroup = cgroups.map(|all| Cgroup::make(all.path(), &id)).transpose()?;
        let bound = self.ground.limits.bind(&id, cgroup.as_ref(), &plan.allowance).inspect_err(|_| {
            // The first error is the one to tell.
            cgroup.as_ref().map(|cgroup| cgroup.end(LIMIT).ok());
        })?;
        let birth = Birth {
            name: self.name.clone(),
            ground: Arc::clone(&self.ground),
            cgroup,
            bound,
            mark: Mark::new(&id),
            listener,
            log: self.ground.records.log(&self.name),
            outlet: self.ground.records.outlet(&self.name),
            end: if self.ground.lifetime == Lifetime::OfTheHost { End::WithParent } else { End::ByItself },
            directory,
            drives: self.ground.drives.clone(),
            attachments: plan.attachments.clone(),
            base: plan.base.clone(),
            environment: plan.environment.clone(),
            network: plan.network.clone(),
            allowance: plan.allowance,
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
        let bound = birth.bound.clone();
        let beyond = (birth.end == End::ByItself).then_some(ground.namespaces);
        Ok(move |agent| {
            let trace = Some(Trace { world, agent, cgroup, bound, mark, beyond });
            ground.records.write(&Record { name, trace })
        })
    }

    /// Takes note of the end of its agent.
    pub(super) fn has_ended(&self, reason: &str) {
        let mut fate = self.fate();
        fate.ended = true;
        fate.condition = Condition::Ended(reason.to_owned());
        if std::mem::take(&mut fate.end_is_news) {
            let known = Known { condition: fate.condition.clone(), generation: self.accepted() };
            let change = Change { name: self.name.clone(), known };
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
        let by_itself = life.wait_for_end(Duration::from_millis(200));
        let silent = || format!("its agent does not answer: {error}");
        let reason = by_itself.as_ref().map_or_else(silent, |end| end.reason.clone());
        let end = by_itself.or_else(|| {
            life.kill().ok();
            life.wait_for_end(LIMIT)
        });
        let said = last_line(log);
        let (kind, why) = match (end, said) {
            (Some(Ended { status: Some(EX_CONFIG), .. }), Some(said)) => (EngineErrorKind::Unfit, said),
            (_, Some(said)) => (EngineErrorKind::System, format!("{reason} (it said: {said})")),
            (_, None) => (EngineErrorKind::System, reason),
        };
        let what = format!("sandbox {} cannot be started: {}", self.name, why.trim_start_matches("error: "));
        EngineError::new(kind, what).with_source(error)
    }
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

//! One sandbox as the host keeps it: whether it is awake, who uses it, who waits for it.

mod lease;
mod queue;
mod registry;
mod standby;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use reveille_wire::SandboxName;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::agent::Agent;
use crate::clock::Clock;
use crate::engine::{Allowance, Engine, EngineError, Generation, Issuer, Network, Plan};
use crate::observer::{self, Hub};
use crate::settings::{HostSettings, Limits};

use queue::Share;
use standby::core::{Core, Entry};
use standby::idle::{self, OpenId};
use standby::wake::{self, Doubt, Phase, Ticket, WakingId};

pub(crate) use lease::Lease;
pub(crate) use queue::{Load, Queue};
pub(crate) use registry::{Registered, Registry};
pub(crate) use standby::idle::Answer;
pub(crate) use standby::wake::Patience;
pub(crate) use standby::{NotSlept, Rest};

/// What all sandboxes of a host share.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) engine: Arc<dyn Engine>,
    pub(crate) hub: Arc<Hub>,
    pub(crate) standby_after: Duration,
    pub(crate) window: Duration,
    pub(crate) limits: Limits,
    /// Those who wait for any of them.
    pub(crate) queue: Arc<Queue>,
    pub(crate) clock: Clock,
    pub(crate) stop: CancellationToken,
    /// The runtime of the host, on which its commands are carried out, whoever asked for them.
    runtime: Handle,
    /// The latest generation of the sandboxes that were deleted.
    latest: Mutex<Generation>,
    issuer: Issuer,
}

impl Terms {
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        hub: Arc<Hub>,
        queue: Arc<Queue>,
        settings: &HostSettings,
        stop: CancellationToken,
    ) -> Self {
        let limits = settings.limits.clone();
        Self {
            engine,
            hub,
            queue,
            standby_after: settings.standby_after,
            window: settings.resume_delay,
            limits,
            clock: settings.clock.clone(),
            stop,
            runtime: Handle::current(),
            latest: Mutex::new(Generation::NONE),
            issuer: Issuer::random(),
        }
    }

    /// After what the commands to a new sandbox come. A name that is used again goes on where it was.
    fn latest(&self) -> Generation {
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deleted(&self, generation: Generation) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        *latest = generation.max(*latest);
    }
}

/// A sandbox of this host.
#[derive(Debug)]
pub(crate) struct Resident {
    name: SandboxName,
    plan: Mutex<Plan>,
    manner: Mutex<Manner>,
    terms: Arc<Terms>,
    kept: Mutex<Kept>,
    /// Told when the rules of its standby change.
    rules: Notify,
    phase: watch::Sender<Phase>,
    /// How many requests have ended; told to those who wait for quiet.
    ended: watch::Sender<u64>,
    /// Ends when it has been deleted.
    over: CancellationToken,
}

#[derive(Debug)]
struct Kept {
    core: Core<Arc<Agent>>,
    held: HashMap<Ticket, oneshot::Sender<Result<Lease, Refusal>>>,
    sleepers: Vec<oneshot::Sender<Result<(), Arc<str>>>>,
    last_used: Option<SystemTime>,
    /// The phase that was told last.
    told: Phase,
    origin: Origin,
}

/// How a sandbox is kept, where its record says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Manner {
    /// After what time without a use it goes to standby; none: the host's usual one.
    pub(crate) standby_after: Option<Duration>,
    /// What is started in it whenever it starts without its processes.
    pub(crate) autostart: Option<String>,
}

/// Where a sandbox comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is being made: it starts from nothing, and has nothing to resume.
    New,
    /// It has been awake before, here or on an earlier host.
    Kept,
}

/// Why a request may not go to the agent. None of these has been dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is waking, for so long at least.
    Waking { left: Duration },
    /// Too many wait already.
    Full,
    /// It has waited as long as it may.
    Late,
    /// Waking failed.
    Failed(Arc<str>),
    /// What it is to have has no place in it.
    Unfit(Arc<str>),
    /// It is being deleted.
    Gone,
}

impl Resident {
    pub(crate) fn new(plan: Plan, origin: Origin, manner: Manner, terms: Arc<Terms>) -> Arc<Self> {
        let wake = wake::Rules { max_held: terms.limits.held, window: terms.window, issuer: terms.issuer };
        let idle = idle::Rules {
            standby_after: manner.standby_after.unwrap_or(terms.standby_after),
            silence: terms.limits.silence,
        };
        let kept = Kept {
            core: Core::new(Instant::now().into_std(), wake, idle, terms.latest()),
            held: HashMap::new(),
            sleepers: Vec::new(),
            last_used: None,
            told: Phase::Unsure(Doubt::News),
            origin,
        };
        let resident = Arc::new(Self {
            name: plan.name.clone(),
            plan: Mutex::new(plan),
            manner: Mutex::new(manner),
            terms,
            kept: Mutex::new(kept),
            rules: Notify::new(),
            phase: watch::Sender::new(Phase::Unsure(Doubt::News)),
            ended: watch::Sender::new(0),
            over: CancellationToken::new(),
        });
        resident.terms.hub.phase(&resident.name, observer::Phase::Unknown);
        tokio::spawn(standby::watch::run(Arc::clone(&resident)));
        resident
    }

    pub(crate) fn name(&self) -> &SandboxName {
        &self.name
    }

    /// Makes the newest agent what its upgrade finds. Where that fails, it finds the one before.
    pub(crate) async fn renew_agent(&self) {
        if let Err(error) = self.terms.engine.renew_agent(&self.name).await {
            tracing::warn!(sandbox = %self.name, %error, "an upgrade will not find the newest agent");
        }
    }

    /// Changes how it is kept, at once.
    pub(crate) fn set_manner(&self, manner: Manner) {
        self.kept().core.set_standby_after(manner.standby_after.unwrap_or(self.terms.standby_after));
        *self.manner() = manner;
        self.rules.notify_one();
    }

    fn manner(&self) -> MutexGuard<'_, Manner> {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what it reaches of the outside, at once where it runs. Where that fails it is as before.
    pub(crate) async fn change_network(&self, network: Network) -> Result<(), EngineError> {
        let before = std::mem::replace(&mut self.plan_mut().network, network.clone());
        let changed = self.terms.engine.change_network(&self.name, network).await;
        if changed.is_err() {
            self.plan_mut().network = before;
        }
        changed
    }

    /// Changes what it may use, at once where it runs. Where that fails it is as before.
    pub(crate) async fn change_allowance(&self, allowance: Allowance) -> Result<(), EngineError> {
        let before = std::mem::replace(&mut self.plan_mut().allowance, allowance);
        let changed = self.terms.engine.change_allowance(&self.name, allowance).await;
        if changed.is_err() {
            self.plan_mut().allowance = before;
        }
        changed
    }

    fn plan_mut(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many requests wait for their answer, or for the rest of one.
    pub(crate) fn unanswered(&self) -> usize {
        self.kept().core.unanswered()
    }

    /// When this host saw it used last: now, where a request is open that counts.
    pub(crate) fn last_used(&self) -> Option<SystemTime> {
        let kept = self.kept();
        if kept.core.is_in_use(now()) { Some(self.terms.clock.now()) } else { kept.last_used }
    }

    /// Lets a request to the agent, waking the sandbox first where it sleeps.
    ///
    /// While it waits it holds so many bytes in memory. It may be dropped at any time: the waking goes on, the place
    /// in the queue is given up.
    pub(crate) async fn admit(self: &Arc<Self>, patience: Patience, bytes: u64) -> Result<Lease, Refusal> {
        let place = match self.enter(patience, bytes) {
            Entered::Now(result) => return result,
            Entered::Held(place) => place,
        };
        // Apart, so that who need not wait does not carry the room for it about.
        Box::pin(place.wait(self.terms.limits.hold)).await
    }

    fn enter(self: &Arc<Self>, patience: Patience, bytes: u64) -> Entered {
        let mut kept = self.kept();
        kept.last_used = Some(self.terms.clock.now());
        let (entry, command) = kept.core.arrive(now(), patience);
        let entered = match entry {
            Entry::Forward(pass) => Entered::Now(Ok(Lease::new(Arc::clone(self), pass))),
            Entry::Refused { left } => Entered::Now(Err(Refusal::Waking { left })),
            Entry::Full => Entered::Now(Err(Refusal::Full)),
            Entry::Gone => Entered::Now(Err(Refusal::Gone)),
            Entry::Held(ticket) => match self.terms.queue.enter(bytes) {
                Some(share) => {
                    let (call, called) = oneshot::channel();
                    kept.held.insert(ticket, call);
                    Entered::Held(Place { resident: Arc::clone(self), ticket, called, _share: share })
                }
                None => {
                    kept.core.abandon(ticket);
                    Entered::Now(Err(Refusal::Full))
                }
            },
        };
        self.end(kept, command);
        entered
    }

    fn sent(self: &Arc<Self>, open: OpenId) {
        let mut kept = self.kept();
        kept.last_used = Some(self.terms.clock.now());
        let command = kept.core.sent(open, now());
        if command.is_some() {
            self.end(kept, command);
        }
    }

    fn received(&self, open: OpenId) {
        self.kept().core.received(open, now());
    }

    fn answered(&self, open: OpenId, answer: Answer) {
        self.kept().core.answered(open, answer, now());
        self.tell_of_end();
    }

    fn close(&self, open: OpenId) {
        let mut kept = self.kept();
        kept.last_used = Some(self.terms.clock.now());
        kept.core.close(open, now());
        drop(kept);
        self.tell_of_end();
    }

    /// Who waits for quiet has subscribed before it looked, and who has not sees what is true now.
    fn tell_of_end(&self) {
        if self.ended.receiver_count() > 0 {
            self.ended.send_modify(|count| *count += 1);
        }
    }

    fn lost(self: &Arc<Self>, waking: WakingId) {
        let mut kept = self.kept();
        kept.core.lost(waking);
        self.end(kept, None);
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // What is behind the lock is whole between any two statements that can panic.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a step: tells the new phase and starts what has to be carried out.
    fn end(self: &Arc<Self>, mut kept: MutexGuard<'_, Kept>, command: Option<wake::Command>) {
        let phase = kept.core.phase();
        if std::mem::replace(&mut kept.told, phase) != phase {
            self.phase.send_replace(phase);
            if phase == Phase::Awake {
                kept.origin = Origin::Kept;
            } else if kept.last_used.is_some() {
                // What held it awake until now, a stream or a process, was a use of it.
                kept.last_used = Some(self.terms.clock.now());
            }
            self.terms.hub.phase(&self.name, phase.into());
        }
        drop(kept);
        if let Some(command) = command {
            standby::carrying_out::start(self, command);
        }
    }
}

enum Entered {
    Now(Result<Lease, Refusal>),
    Held(Place),
}

/// A place in the queue of those who wait for a sandbox to wake, given up when it is dropped.
struct Place {
    resident: Arc<Resident>,
    ticket: Ticket,
    called: oneshot::Receiver<Result<Lease, Refusal>>,
    _share: Share,
}

impl Place {
    async fn wait(mut self, at_most: Duration) -> Result<Lease, Refusal> {
        match tokio::time::timeout(at_most, &mut self.called).await {
            Ok(Ok(called)) => called,
            Ok(Err(_)) => Err(Refusal::Gone),
            Err(_) => Err(Refusal::Late),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut kept = self.resident.kept();
        kept.core.abandon(self.ticket);
        kept.held.remove(&self.ticket);
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

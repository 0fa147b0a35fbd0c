//! How many connections a client may have, and who waits until there is one for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::host::Host;

/// How long a connection may be idle, where nobody says. Gateways drop theirs after 60 s or more.
const IDLE: Duration = Duration::from_secs(50);
/// How often it is looked whether one was, at the most.
const SWEEP: Duration = Duration::from_secs(1);
/// The same, at the least.
pub(crate) const SWEPT_EVERY: Duration = Duration::from_secs(2);

/// How many connections there may be, and which of them are kept. By default as many as calls need, and all, for 50 s,
/// as gateways close theirs after 60 s or more.
///
/// ```
/// use std::time::Duration;
/// use reveille::{Client, ConnectionLimits};
///
/// let limits = ConnectionLimits::new().max(10).max_idle(2).idle_for(Duration::from_secs(5));
/// let client = Client::builder().api_key("k").workspace("w").limits(limits).pool_timeout(Duration::from_secs(1));
/// # client.build()?;
/// # Ok::<(), reveille::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use = "limits are those of a client that is made with them"]
pub struct ConnectionLimits {
    most: Option<usize>,
    idle: Option<usize>,
    idle_for: Option<Duration>,
}

impl ConnectionLimits {
    /// None but the defaults.
    pub const fn new() -> Self {
        Self { most: None, idle: None, idle_for: None }
    }

    /// How many connections there may be at a time, to whatever addresses. Over HTTP/2 one carries many calls. Where there
    /// may not be more, an idle one to elsewhere is closed, else a call waits until one is free, in the order of coming:
    /// for as long as the call may take, or its [pool time-out](crate::ClientBuilder::pool_timeout). The one of an answer
    /// that is streamed is free when its body has ended, or is dropped. The bound is one for all runtimes, and a connection
    /// belongs to one. Zero counts as one.
    pub const fn max(mut self, most: usize) -> Self {
        self.most = Some(if most == 0 { 1 } else { most });
        self
    }

    /// How many may be idle at a time, to whatever addresses. Beyond that the one is closed that has been for longest.
    pub const fn max_idle(mut self, most: usize) -> Self {
        self.idle = Some(most);
        self
    }

    /// How long one may be idle before it is closed.
    pub const fn idle_for(mut self, most: Duration) -> Self {
        self.idle_for = Some(most);
        self
    }
}

/// The connections that one client may have in one process, whichever runtimes they are on.
pub(super) struct Permits {
    limits: ConnectionLimits,
    taken: AtomicUsize,
    /// Held by whoever is the next to get a connection; who waits for it is served in the order of coming.
    turn: tokio::sync::Mutex<()>,
    /// Rings where a connection has ended or rests, or takes one more stream.
    freed: Notify,
    hosts: Mutex<Vec<Weak<Host>>>,
}

/// The right to have one connection, until it is dropped.
pub(super) struct Permit(Option<Arc<Permits>>);

impl Permits {
    pub(super) fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            taken: AtomicUsize::new(0),
            turn: tokio::sync::Mutex::default(),
            freed: Notify::new(),
            hosts: Mutex::default(),
        })
    }

    /// Lets the idle connections of a host count, where they do.
    pub(super) fn count(&self, host: &Arc<Host>) {
        if self.limits.most.is_some() || self.most_idle().is_some() {
            let mut hosts = self.hosts();
            hosts.retain(|host| host.strong_count() > 0);
            hosts.push(Arc::downgrade(host));
        }
    }

    /// How long a connection may be idle.
    pub(super) fn idle_for(&self) -> Duration {
        self.limits.idle_for.unwrap_or(IDLE)
    }

    /// How often it is looked whether one was for too long.
    pub(super) fn sweep_every(&self) -> Duration {
        (self.idle_for() / 2).clamp(SWEEP, SWEPT_EVERY)
    }

    /// Whether there is a bound, and somebody waits for a connection already.
    pub(super) fn is_queue(&self) -> bool {
        self.limits.most.is_some() && self.turn.try_lock().is_err()
    }

    /// A permit, where nobody has to wait for one.
    pub(super) fn unbounded(&self) -> Option<Permit> {
        self.limits.most.is_none().then_some(Permit(None))
    }

    /// Waits until everybody who came before has been served.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, ()> {
        self.turn.lock().await
    }

    /// One more connection, if there may be one.
    pub(super) fn take(self: &Arc<Self>) -> Option<Permit> {
        let most = self.limits.most.unwrap_or(usize::MAX);
        let one_more = |taken: usize| (taken < most).then_some(taken + 1);
        let taken = self.taken.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more);
        taken.ok().map(|_| Permit(Some(Arc::clone(self))))
    }

    /// Closes the connection that has been idle for longest, wherever it leads to.
    pub(super) fn make_room(&self) {
        let idle = |host: Arc<Host>| Some((host.kept.idle_since()?, host));
        let hosts: Vec<(Instant, Arc<Host>)> = self.live_hosts().into_iter().filter_map(idle).collect();
        if let Some((_, host)) = hosts.into_iter().min_by_key(|(since, _)| *since) {
            host.kept.close_one();
        }
    }

    /// Waits until there may be one more connection.
    pub(super) async fn one(self: &Arc<Self>) -> Permit {
        let _turn = self.turn().await;
        loop {
            if let Some(permit) = self.take() {
                return permit;
            }
            self.make_room();
            self.freed().await;
        }
    }

    /// Waits until another look is worth while. Only one may wait: who has the turn.
    pub(super) async fn freed(&self) {
        self.freed.notified().await;
    }

    /// Tells whoever has the turn to look again.
    pub(super) fn ring(&self) {
        if self.limits.most.is_some() {
            self.freed.notify_one();
        }
    }

    /// A connection rests: closes what is more than may be idle.
    pub(super) fn rests(&self) {
        if let Some(most) = self.most_idle() {
            let idle = || self.live_hosts().iter().map(|host| host.kept.idle_count()).sum::<usize>();
            for _ in most..idle() {
                self.make_room();
            }
        }
        self.ring();
    }

    fn most_idle(&self) -> Option<usize> {
        self.idle_for().is_zero().then_some(0).or(self.limits.idle)
    }

    fn live_hosts(&self) -> Vec<Arc<Host>> {
        self.hosts().iter().filter_map(Weak::upgrade).collect()
    }

    fn hosts(&self) -> MutexGuard<'_, Vec<Weak<Host>>> {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(permits) = &self.0 {
            permits.taken.fetch_sub(1, Ordering::AcqRel);
            permits.ring();
        }
    }
}

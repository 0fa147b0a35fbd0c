//! What the calls of one client know of its sandboxes together.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use reveille_retry::{
    AfterRefusal, Order, Readiness, ReadinessPolicy, Replay, Tick, Ticket, TicketId, Woken, Word,
};
use tokio::sync::Notify;

/// How many sandboxes are remembered at the most; then the one goes that nobody has used for longest.
const MOST_KEPT: usize = 1_024;
/// How often the bytes of an open stream are told as an answer.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// Every sandbox of which something is known, by its URL.
pub(crate) struct Watches {
    origin: Instant,
    policy: ReadinessPolicy,
    kept: Mutex<HashMap<String, Kept>>,
}

struct Kept {
    watch: Arc<Watch>,
    used: Tick,
}

/// One sandbox, as all the calls of the client see it.
struct Watch {
    origin: Instant,
    watched: Mutex<Watched>,
}

struct Watched {
    readiness: Readiness,
    bells: BTreeMap<TicketId, Arc<Notify>>,
}

impl Watches {
    pub(crate) fn new(policy: ReadinessPolicy) -> Self {
        Self { origin: Instant::now(), policy, kept: Mutex::default() }
    }

    /// Now, on the clock of all the calls.
    pub(crate) fn now(&self) -> Tick {
        Tick::ZERO.after(self.origin.elapsed())
    }

    /// A seat for a call to the sandbox at `base`, which can wait until `until`, and what the call has to do.
    pub(crate) fn seat(
        &self,
        now: Tick,
        base: &str,
        replay: Replay,
        until: impl FnOnce() -> Tick,
    ) -> (Seat, Order) {
        let watch = self.watch(now, base);
        let mut bell = None;
        let (ticket, order) = watch.change(|watched| {
            // One that is ready lets everybody go, however long they could wait.
            let until = if watched.readiness.is_ready(now) { Tick::MAX } else { until() };
            let mut ticket = watched.readiness.arrive(replay, until);
            let order = watched.poll(now, &mut ticket, &mut bell);
            (ticket, order)
        });
        (Seat { watch, ticket, bell, told: None }, order)
    }

    /// Nothing that was heard of the sandbox at `base` counts any more.
    pub(crate) fn forget(&self, base: &str) {
        let watch = self.lock().get(base).map(|kept| Arc::clone(&kept.watch));
        if let Some(watch) = watch {
            watch.change(|watched| watched.readiness.forget());
        }
    }

    fn watch(&self, now: Tick, base: &str) -> Arc<Watch> {
        let mut kept = self.lock();
        if let Some(found) = kept.get_mut(base) {
            found.used = now;
            return Arc::clone(&found.watch);
        }
        if kept.len() >= MOST_KEPT {
            let oldest = kept.iter().min_by_key(|(_, kept)| kept.used).map(|(base, _)| base.clone());
            oldest.and_then(|base| kept.remove(&base));
        }
        let readiness = Readiness::new(self.policy);
        let watched = Mutex::new(Watched { readiness, bells: BTreeMap::new() });
        let watch = Arc::new(Watch { origin: self.origin, watched });
        kept.insert(base.to_owned(), Kept { watch: Arc::clone(&watch), used: now });
        watch
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to it, and wakes whom that concerns.
    fn change<T>(&self, change: impl FnOnce(&mut Watched) -> T) -> T {
        let mut watched = self.lock();
        let done = change(&mut watched);
        match watched.readiness.woken() {
            Woken::Nobody => {}
            Woken::One(id) => {
                if let Some(bell) = watched.bells.get(&id) {
                    bell.notify_one();
                }
            }
            Woken::All => watched.bells.values().for_each(|bell| bell.notify_one()),
        }
        done
    }
}

impl Watched {
    /// What a call has to do now. One that is to wait gets a bell.
    fn poll(&mut self, now: Tick, ticket: &mut Ticket, bell: &mut Option<Arc<Notify>>) -> Order {
        let order = self.readiness.poll(now, ticket);
        if matches!(order, Order::Wait { .. } | Order::Probe { .. }) && bell.is_none() {
            let bell = bell.insert(Arc::default());
            self.bells.insert(ticket.id(), Arc::clone(bell));
        }
        order
    }
}

/// The place of one call with its sandbox, from its arrival to its end.
pub(crate) struct Seat {
    watch: Arc<Watch>,
    ticket: Ticket,
    /// What wakes it, where it has had to wait.
    bell: Option<Arc<Notify>>,
    told: Option<Tick>,
}

impl Seat {
    /// What the call has to do now.
    pub(crate) fn poll(&mut self, now: Tick) -> Order {
        let Self { watch, ticket, bell, .. } = self;
        watch.change(|watched| watched.poll(now, ticket, bell))
    }

    /// Rings when it is to be polled again. `None` where it was not told to wait.
    pub(crate) fn bell(&self) -> Option<Arc<Notify>> {
        self.bell.clone()
    }

    /// The call was refused, and waits for the word.
    pub(crate) fn wait(&mut self, until: Tick) {
        self.watch.change(|watched| watched.readiness.wait(&mut self.ticket, until));
    }

    /// The sandbox itself answered.
    pub(crate) fn answered(&mut self, now: Tick) {
        self.watch.change(|watched| watched.readiness.answered(now, &mut self.ticket));
    }

    /// The sandbox brings bytes on an open stream.
    pub(crate) fn brought(&mut self) {
        let now = Tick::ZERO.after(self.watch.origin.elapsed());
        if self.told.is_none_or(|told| now.since(told) >= TELL_EVERY) {
            self.told = Some(now);
            self.answered(now);
        }
    }

    /// The call met the window.
    pub(crate) fn refused(&mut self, now: Tick, asked: Option<Duration>) -> AfterRefusal {
        self.watch.change(|watched| watched.readiness.refused(now, &mut self.ticket, asked))
    }

    /// The call got an answer that says nothing of the sandbox.
    pub(crate) fn unheard(&mut self, now: Tick) {
        self.watch.change(|watched| watched.readiness.unheard(now, &self.ticket));
    }

    /// The probe of the call brought this.
    pub(crate) fn probed(&mut self, now: Tick, word: Word) {
        self.watch.change(|watched| watched.readiness.probed(now, &self.ticket, word));
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Self { watch, ticket, bell, .. } = self;
        watch.change(|watched| {
            if bell.is_some() {
                watched.bells.remove(&ticket.id());
            }
            watched.readiness.leave(ticket);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(watches: &Watches, base: &str, replay: Replay) -> (Seat, Order) {
        watches.seat(watches.now(), base, replay, || Tick::MAX)
    }

    #[test]
    fn the_sandbox_that_nobody_used_for_longest_is_forgotten_first() {
        let watches = Watches::new(ReadinessPolicy::new());
        let seat = |at: usize| seat(&watches, &format!("http://h/{at}"), Replay::Read).0;
        for at in 0..MOST_KEPT {
            seat(at).answered(watches.now());
        }
        drop(seat(0));
        drop(seat(MOST_KEPT));
        let kept = watches.lock();
        assert_eq!(kept.len(), MOST_KEPT);
        assert!(kept.contains_key("http://h/0") && !kept.contains_key("http://h/1"));
    }

    #[test]
    fn a_seat_that_is_given_up_leaves_nothing_behind() {
        let watches = Watches::new(ReadinessPolicy::new());
        let (looking, order) = seat(&watches, "http://h", Replay::Never);
        assert!(matches!(order, Order::Probe { .. }));
        let (mut waiting, order) = seat(&watches, "http://h", Replay::Never);
        assert!(matches!(order, Order::Wait { .. }));
        drop(looking);
        assert!(matches!(waiting.poll(watches.now()), Order::Probe { .. }), "the next one looks");
        drop(waiting);
        assert!(watches.watch(Tick::ZERO, "http://h").lock().bells.is_empty());
    }
}

//! The connections of a host: how many there may be, and who leaves first.
//!
//! Accepting never waits. Where there is no room, one leaves that is nobody's loss: the longest silent of those
//! that have shown no key, and then the longest idle of those that have. Who is being served stays.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// One in so many connections may be one that has shown no key.
const STRANGERS: usize = 4;
/// So many of them may always be: a key is shown with the first request.
const FEW_STRANGERS: usize = 4;

/// All connections.
#[derive(Debug)]
pub(super) struct Crowd {
    most: usize,
    opened: Instant,
    seats: Mutex<HashMap<u64, Arc<Seat>>>,
    next: AtomicU64,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    crowd: Arc<Crowd>,
    has_shown_key: AtomicBool,
    served: AtomicUsize,
    /// Since when nothing is served, in milliseconds after the crowd's beginning.
    quiet_since: AtomicU64,
    leave: CancellationToken,
}

/// A connection's hold on its place.
#[derive(Debug)]
pub(super) struct Held(Arc<Seat>);

/// A request on a connection, while it is being served.
#[derive(Debug)]
pub(super) struct Served(Arc<Seat>);

/// Everybody is being served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Crowd {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, opened: Instant::now(), seats: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// Gives a new connection its place, and takes another's where there is none.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Held, Full> {
        let mut seats = self.seats();
        let strangers = seats.values().filter(|seat| seat.is_stranger()).count();
        if strangers >= (self.most / STRANGERS).max(FEW_STRANGERS) {
            self.send_away(&mut seats, Seat::is_stranger);
        }
        if seats.len() >= self.most && !self.make_room_in(&mut seats) {
            return Err(Full);
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let seat = Arc::new(Seat {
            number,
            crowd: Arc::clone(self),
            has_shown_key: AtomicBool::new(false),
            served: AtomicUsize::new(0),
            quiet_since: AtomicU64::new(self.now()),
            leave: CancellationToken::new(),
        });
        seats.insert(number, Arc::clone(&seat));
        Ok(Held(seat))
    }

    /// Sends one away that is nobody's loss; false where everybody is being served.
    pub(super) fn make_room(&self) -> bool {
        self.make_room_in(&mut self.seats())
    }

    fn make_room_in(&self, seats: &mut HashMap<u64, Arc<Seat>>) -> bool {
        self.send_away(seats, Seat::is_stranger) || self.send_away(seats, Seat::is_idle)
    }

    /// Sends away the longest quiet of those who are `such`.
    fn send_away(&self, seats: &mut HashMap<u64, Arc<Seat>>, such: fn(&Seat) -> bool) -> bool {
        let longest = seats
            .values()
            .filter(|seat| such(seat))
            .min_by_key(|seat| (seat.quiet_since.load(Ordering::Relaxed), seat.number));
        let Some(number) = longest.map(|seat| seat.number) else { return false };
        if let Some(seat) = seats.remove(&number) {
            seat.leave.cancel();
        }
        true
    }

    fn now(&self) -> u64 {
        let since: Duration = self.opened.elapsed();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    fn seats(&self) -> MutexGuard<'_, HashMap<u64, Arc<Seat>>> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    fn is_stranger(&self) -> bool {
        !self.has_shown_key.load(Ordering::Relaxed)
    }

    fn is_idle(&self) -> bool {
        self.served.load(Ordering::Relaxed) == 0
    }

    /// It has shown the key.
    pub(super) fn known(&self) {
        if self.is_stranger() {
            self.has_shown_key.store(true, Ordering::Relaxed);
        }
    }

    /// How many connections there are.
    pub(super) fn all(&self) -> usize {
        self.crowd.seats().len()
    }

    /// A request on it is being served, until this is dropped.
    pub(super) fn serve(self: &Arc<Self>) -> Served {
        self.served.fetch_add(1, Ordering::Relaxed);
        Served(Arc::clone(self))
    }
}

impl Held {
    pub(super) fn seat(&self) -> &Arc<Seat> {
        &self.0
    }

    /// Somebody else needs the place.
    pub(super) async fn sent_away(&self) {
        self.0.leave.cancelled().await;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.crowd.seats().remove(&self.0.number);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let Seat { served, quiet_since, crowd, .. } = &*self.0;
        quiet_since.store(crowd.now(), Ordering::Relaxed);
        served.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_gone(held: &Held) -> bool {
        held.0.leave.is_cancelled()
    }

    #[test]
    fn who_has_shown_no_key_leaves_first_and_the_longest_silent_of_them() {
        let crowd = Crowd::new(4);
        let known = crowd.enter().unwrap();
        known.seat().known();
        let mut strangers = Vec::new();
        for _ in 0..3 {
            strangers.push(crowd.enter().unwrap());
        }
        let newest = crowd.enter().unwrap();
        assert_eq!(strangers.iter().map(is_gone).collect::<Vec<_>>(), [true, false, false]);
        assert!(!is_gone(&known) && !is_gone(&newest));
    }

    #[test]
    fn who_is_served_stays_and_then_there_is_no_room() {
        let crowd = Crowd::new(2);
        let (busy, idle) = (crowd.enter().unwrap(), crowd.enter().unwrap());
        for held in [&busy, &idle] {
            held.seat().known();
        }
        let served = busy.seat().serve();
        let third = crowd.enter().unwrap();
        assert!(is_gone(&idle) && !is_gone(&busy));
        third.seat().known();
        let also = third.seat().serve();
        assert_eq!(crowd.enter().err(), Some(Full));
        drop(served);
        assert!(crowd.enter().is_ok(), "an exchange has ended");
        assert!(is_gone(&busy));
        drop(also);
    }

    #[test]
    fn a_place_is_free_when_its_connection_ends() {
        let crowd = Crowd::new(1);
        for _ in 0..3 {
            let held = crowd.enter().unwrap();
            held.seat().known();
            let served = held.seat().serve();
            assert_eq!(crowd.enter().err(), Some(Full));
            drop(served);
            drop(held);
        }
    }

    #[test]
    fn strangers_take_no_more_than_their_share() {
        let crowd = Crowd::new(100);
        let strangers: Vec<_> = (0..60).map(|_| crowd.enter().unwrap()).collect();
        assert_eq!(strangers.iter().filter(|held| !is_gone(held)).count(), 25);
    }
}

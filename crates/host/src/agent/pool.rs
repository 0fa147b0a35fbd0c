//! Connections that wait for their next exchange.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::connection::Connection;

/// How many idle connections are kept to one place.
const MAX_IDLE: usize = 64;

/// The idle connections to one place.
#[derive(Debug)]
pub(crate) struct Pool {
    /// How long one of them is kept.
    patience: Duration,
    idle: Mutex<Idle>,
    /// Connections of an earlier age are not kept any more.
    age: AtomicU64,
}

#[derive(Debug, Default)]
struct Idle {
    connections: VecDeque<(Connection, Instant)>,
    sweep: Sweep,
}

/// Whether somebody looks after connections that nobody takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sweep {
    #[default]
    Resting,
    Going,
}

impl Pool {
    pub(super) fn new(patience: Duration) -> Self {
        Self { patience, idle: Mutex::default(), age: AtomicU64::new(0) }
    }

    pub(super) fn age(&self) -> u64 {
        self.age.load(Ordering::Acquire)
    }

    /// Lets go of all of them, and of those that are in use now when their exchange has ended.
    pub(super) fn renew(&self) {
        self.age.fetch_add(1, Ordering::AcqRel);
        self.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.idle().connections.is_empty()
    }

    /// Lets go of those that nobody uses.
    pub(super) fn clear(&self) {
        let gone = std::mem::take(&mut self.idle().connections);
        drop(gone);
    }

    /// One that is still open, as far as can be seen.
    pub(super) async fn take(&self) -> Option<Connection> {
        // The one that was used last is the most likely to be open still.
        while let Some((mut connection, since)) = self.pop() {
            let is_usable = poll_fn(|cx| Poll::Ready(connection.is_usable(cx))).await;
            if is_usable && since.elapsed() < self.patience {
                return Some(connection);
            }
        }
        None
    }

    fn pop(&self) -> Option<(Connection, Instant)> {
        self.idle().connections.pop_back()
    }

    pub(super) fn keep(self: &Arc<Self>, connection: Connection) {
        if connection.age() != self.age() {
            return;
        }
        let mut idle = self.idle();
        let surplus = if idle.connections.len() >= MAX_IDLE { idle.connections.pop_front() } else { None };
        idle.connections.push_back((connection, Instant::now()));
        let begin = std::mem::replace(&mut idle.sweep, Sweep::Going) == Sweep::Resting;
        drop(idle);
        drop(surplus);
        if begin {
            tokio::spawn(sweep(Arc::downgrade(self), self.patience));
        }
    }

    /// Lets go of what has waited too long; `None` when nothing waits.
    fn sweep(&self) -> Option<()> {
        let mut gone = Vec::new();
        let mut idle = self.idle();
        while idle.connections.front().is_some_and(|(_, since)| since.elapsed() >= self.patience) {
            gone.extend(idle.connections.pop_front());
        }
        if idle.connections.is_empty() {
            idle.sweep = Sweep::Resting;
            return None;
        }
        Some(())
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what nobody takes, until nothing is left: an open connection keeps a server that serves one at a time
/// from serving anybody else.
async fn sweep(pool: Weak<Pool>, patience: Duration) {
    loop {
        tokio::time::sleep(patience / 2).await;
        let Some(pool) = pool.upgrade() else { return };
        if pool.sweep().is_none() {
            return;
        }
    }
}

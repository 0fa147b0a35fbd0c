//! Connections that wait for their next exchange.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::line::Line;

/// How many idle connections are kept to one place.
const MAX_IDLE: usize = 64;

/// The idle connections to one place.
///
/// Each of them belongs to the runtime that it was opened on, and is used on no other: whoever used it elsewhere would
/// wait for that one's thread with every byte.
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
    lines: VecDeque<(Line, Instant)>,
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
        self.idle().lines.is_empty()
    }

    /// Lets go of those that nobody uses.
    pub(super) fn clear(&self) {
        let gone = std::mem::take(&mut self.idle().lines);
        drop(gone);
    }

    /// One of this runtime that is still open, as far as can be seen.
    ///
    /// Where there is none, and there is just one of another runtime, that one is let go: a server that serves one
    /// connection at a time may be waiting on it.
    pub(super) fn take(&self) -> Option<Line> {
        // The one that was used last is the most likely to be open still.
        while let Some((mut line, since)) = self.pop() {
            if line.is_usable() && since.elapsed() < self.patience {
                return Some(line);
            }
        }
        None
    }

    fn pop(&self) -> Option<(Line, Instant)> {
        let here = Handle::current().id();
        let lines = &mut self.idle().lines;
        match lines.iter().rposition(|(line, _)| line.runtime() == here) {
            Some(newest) => lines.remove(newest),
            None => {
                if lines.len() == 1 {
                    lines.clear();
                }
                None
            }
        }
    }

    pub(super) fn keep(self: &Arc<Self>, line: Line) {
        if line.age() != self.age() {
            return;
        }
        let mut idle = self.idle();
        let surplus = if idle.lines.len() >= MAX_IDLE { idle.lines.pop_front() } else { None };
        idle.lines.push_back((line, Instant::now()));
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
        while idle.lines.front().is_some_and(|(_, since)| since.elapsed() >= self.patience) {
            gone.extend(idle.lines.pop_front());
        }
        if idle.lines.is_empty() {
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

#[cfg(test)]
mod tests {
    use tokio::net::UnixStream;
    use tokio::runtime::{Builder, Runtime};

    use super::super::stream::Stream;
    use super::*;

    fn runtime() -> Runtime {
        Builder::new_current_thread().enable_all().build().unwrap()
    }

    /// A connection that is kept, and its other end.
    fn kept(runtime: &Runtime, pool: &Arc<Pool>) -> UnixStream {
        runtime.block_on(async {
            let (ours, theirs) = UnixStream::pair().unwrap();
            Line::new(Stream::Left(ours), pool).keep();
            theirs
        })
    }

    #[test]
    fn a_connection_is_used_on_its_own_runtime_and_a_lone_one_of_another_is_let_go() {
        let (here, elsewhere) = (runtime(), runtime());
        let pool = Arc::new(Pool::new(Duration::from_secs(60)));
        let _ends = [kept(&here, &pool), kept(&here, &pool)];
        assert!(elsewhere.block_on(async { pool.take() }).is_none());
        assert!(here.block_on(async { pool.take() }).is_some(), "a server that has two serves more");
        assert!(elsewhere.block_on(async { pool.take() }).is_none());
        assert!(pool.is_empty(), "a server that has one may be waiting on it");
    }
}

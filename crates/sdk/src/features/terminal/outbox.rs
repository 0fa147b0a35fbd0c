//! What is on its way to a terminal.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::{Notify, Semaphore};

/// How much may be on its way, in bytes. Whoever types more waits.
const ROOM: usize = 1 << 20;
/// How much goes in one message, in bytes.
pub(super) const AT_ONCE: usize = 64 << 10;

/// What was typed and has not arrived yet, as far as anybody knows.
pub(super) struct Outbox {
    waiting: Mutex<Waiting>,
    room: Semaphore,
    /// Rings when there is something to send.
    bell: Notify,
}

#[derive(Default)]
struct Waiting {
    /// In the order in which it was typed; each with how many bytes were typed before it.
    typed: VecDeque<(u64, Bytes)>,
    /// How many bytes were typed in all.
    total: u64,
    sent: Sent,
    /// When something was sent first of what has not arrived.
    since: Option<Instant>,
    size: Size,
    is_resized: bool,
    hangs_up: bool,
}

/// How much of it the connection has been given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sent {
    /// There is none, or it has not said how much has arrived.
    #[default]
    Unknown,
    UpTo(u64),
}

/// The size of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) cols: u16,
    pub(super) rows: u16,
}

impl Default for Size {
    fn default() -> Self {
        Self { cols: 80, rows: 24 }
    }
}

/// What is sent next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Typed { at: u64, bytes: Bytes },
    Resized(Size),
    HangUp,
}

/// What has arrived is not what was sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Forgotten;

impl Outbox {
    pub(super) fn new(size: Size) -> Self {
        let waiting = Waiting { size, ..Waiting::default() };
        Self { waiting: Mutex::new(waiting), room: Semaphore::new(ROOM), bell: Notify::new() }
    }

    /// Takes what was typed, once there is room for it; false where the terminal is no more.
    pub(super) async fn put(&self, mut bytes: Bytes) -> bool {
        while !bytes.is_empty() {
            let piece = bytes.split_to(bytes.len().min(AT_ONCE));
            match self.room.acquire_many(piece.len() as u32).await {
                // Given back when it has arrived.
                Ok(room) => room.forget(),
                Err(_) => return false,
            }
            let mut waiting = self.lock();
            let at = waiting.total;
            waiting.total += piece.len() as u64;
            waiting.typed.push_back((at, piece));
            drop(waiting);
            self.bell.notify_one();
        }
        !self.room.is_closed()
    }

    pub(super) fn resize(&self, size: Size) {
        let mut waiting = self.lock();
        waiting.is_resized = waiting.is_resized || waiting.size != size;
        waiting.size = size;
        drop(waiting);
        self.bell.notify_one();
    }

    pub(super) fn size(&self) -> Size {
        self.lock().size
    }

    pub(super) fn hang_up(&self) {
        self.lock().hangs_up = true;
        self.bell.notify_one();
    }

    /// Nobody takes anything any more.
    pub(super) fn close(&self) {
        self.room.close();
    }

    /// A connection has begun that asked for a window of this size, to a terminal that counts what it is sent, or to one
    /// that does not. To the latter goes nothing that went before; what of it may not have arrived is given.
    pub(super) fn begin(&self, counts: Counts, asked: Size) -> Bytes {
        let mut waiting = self.lock();
        // It may have changed while the connection was made.
        waiting.is_resized = waiting.size != asked;
        waiting.since = None;
        let unsure = match (counts, waiting.sent) {
            (Counts::Itself, _) => {
                waiting.sent = Sent::Unknown;
                return Bytes::new();
            }
            (Counts::Not, Sent::UpTo(sent)) => {
                let unsure = waiting.drop_until(sent);
                self.room.add_permits(unsure.len());
                unsure
            }
            (Counts::Not, Sent::Unknown) => Bytes::new(),
        };
        let at = waiting.typed.front().map_or(waiting.total, |(at, _)| *at);
        waiting.sent = Sent::UpTo(at);
        drop(waiting);
        self.bell.notify_one();
        unsure
    }

    /// So many bytes have arrived in all.
    pub(super) fn taken(&self, count: u64) -> Result<(), Forgotten> {
        let mut waiting = self.lock();
        let first = waiting.typed.front().map_or(waiting.total, |(at, _)| *at);
        if count < first || count > waiting.total {
            return Err(Forgotten);
        }
        let arrived = waiting.drop_until(count).len();
        self.room.add_permits(arrived);
        let sent = match waiting.sent {
            Sent::Unknown => count,
            Sent::UpTo(sent) => sent.max(count),
        };
        waiting.sent = Sent::UpTo(sent);
        waiting.since = (sent > count).then(Instant::now);
        drop(waiting);
        self.bell.notify_one();
        Ok(())
    }

    /// Whether something was sent this long ago, and nothing has been heard of it.
    pub(super) fn has_waited(&self, most: Duration) -> bool {
        self.lock().since.is_some_and(|since| since.elapsed() >= most)
    }

    /// What is to be sent next, when there is something.
    pub(super) async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.lock().next() {
                return next;
            }
            self.bell.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a terminal counts what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counts {
    Itself,
    Not,
}

impl Waiting {
    fn next(&mut self) -> Option<Next> {
        if std::mem::take(&mut self.is_resized) {
            return Some(Next::Resized(self.size));
        }
        if let Sent::UpTo(sent) = self.sent
            && let Some((at, bytes)) = self.typed.iter().find(|(at, bytes)| at + bytes.len() as u64 > sent)
        {
            let known = usize::try_from(sent.saturating_sub(*at)).unwrap_or(bytes.len());
            let next = Next::Typed { at: at + known as u64, bytes: bytes.slice(known..) };
            self.sent = Sent::UpTo(at + bytes.len() as u64);
            self.since.get_or_insert_with(Instant::now);
            return Some(next);
        }
        std::mem::take(&mut self.hangs_up).then_some(Next::HangUp)
    }

    /// Takes out what was typed before the byte at `until`.
    fn drop_until(&mut self, until: u64) -> Bytes {
        let mut dropped = BytesMut::new();
        while let Some((at, bytes)) = self.typed.front_mut() {
            let known = usize::try_from(until.saturating_sub(*at)).unwrap_or(usize::MAX);
            if known < bytes.len() {
                dropped.extend_from_slice(&bytes[..known]);
                bytes.advance(known);
                *at += known as u64;
                break;
            }
            dropped.extend_from_slice(bytes);
            self.typed.pop_front();
        }
        dropped.freeze()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn typed(outbox: &Outbox, text: &'static str) {
        assert_eq!(outbox.put(text.into()).now_or_never(), Some(true));
    }

    fn next(outbox: &Outbox) -> Option<(u64, Bytes)> {
        match outbox.next().now_or_never()? {
            Next::Typed { at, bytes } => Some((at, bytes)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_a_terminal_that_counts_has_not_taken_is_sent_again() {
        let outbox = Outbox::new(Size::default());
        outbox.begin(Counts::Itself, Size::default());
        typed(&outbox, "abc");
        assert_eq!(next(&outbox), None, "it has not said where it is");
        outbox.taken(0).unwrap();
        assert_eq!(next(&outbox), Some((0, "abc".into())));
        typed(&outbox, "def");
        assert_eq!(next(&outbox), Some((3, "def".into())));
        assert_eq!(outbox.begin(Counts::Itself, Size::default()), "", "nothing is lost with the connection");
        assert_eq!(next(&outbox), None);
        outbox.taken(2).unwrap();
        assert_eq!(next(&outbox), Some((2, "c".into())));
        assert_eq!(next(&outbox), Some((3, "def".into())));
        outbox.taken(6).unwrap();
        assert_eq!(next(&outbox), None);
    }

    #[test]
    fn what_a_terminal_that_does_not_count_may_not_have_got_is_told_and_not_sent_again() {
        let outbox = Outbox::new(Size::default());
        outbox.begin(Counts::Not, Size::default());
        typed(&outbox, "abc");
        typed(&outbox, "def");
        assert_eq!(next(&outbox), Some((0, "abc".into())));
        outbox.taken(3).unwrap();
        assert_eq!(next(&outbox), Some((3, "def".into())));
        typed(&outbox, "ghi");
        assert_eq!(outbox.begin(Counts::Not, Size::default()), "def");
        assert_eq!(next(&outbox), Some((6, "ghi".into())), "it was never sent");
    }

    #[test]
    fn whoever_types_more_than_there_is_room_for_waits() {
        let outbox = Outbox::new(Size::default());
        outbox.begin(Counts::Itself, Size::default());
        let mut typing = Box::pin(outbox.put(vec![b'x'; ROOM + 1].into()));
        assert_eq!(typing.as_mut().now_or_never(), None);
        outbox.taken(0).unwrap();
        outbox.taken(AT_ONCE as u64).unwrap();
        assert_eq!(typing.now_or_never(), Some(true));
        outbox.close();
        assert_eq!(outbox.put("x".into()).now_or_never(), Some(false));
    }

    #[test]
    fn a_count_that_cannot_be_is_noticed() {
        let outbox = Outbox::new(Size::default());
        outbox.begin(Counts::Itself, Size::default());
        typed(&outbox, "abc");
        outbox.taken(2).unwrap();
        assert_eq!(outbox.taken(1), Err(Forgotten));
        assert_eq!(outbox.taken(4), Err(Forgotten));
    }

    #[test]
    fn only_the_last_size_is_sent_and_only_when_it_is_another() {
        let outbox = Outbox::new(Size::default());
        outbox.begin(Counts::Not, Size::default());
        outbox.resize(Size::default());
        assert_eq!(outbox.next().now_or_never(), None);
        outbox.resize(Size { cols: 1, rows: 1 });
        outbox.resize(Size { cols: 2, rows: 2 });
        assert_eq!(outbox.next().now_or_never(), Some(Next::Resized(Size { cols: 2, rows: 2 })));
        assert_eq!(outbox.next().now_or_never(), None);
        // A connection is made meanwhile that asked for the size before.
        outbox.resize(Size { cols: 3, rows: 3 });
        outbox.begin(Counts::Not, Size { cols: 2, rows: 2 });
        assert_eq!(outbox.next().now_or_never(), Some(Next::Resized(Size { cols: 3, rows: 3 })));
    }
}

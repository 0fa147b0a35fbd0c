//! How much the client still allows to be sent, on the connection and on each stream.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

const INITIAL: i64 = 65_535;

pub(super) struct Flow {
    windows: Mutex<Windows>,
    changed: Notify,
}

struct Windows {
    connection: i64,
    initial: i64,
    streams: HashMap<u32, i64>,
}

impl Flow {
    pub(super) fn new() -> Self {
        let windows = Windows { connection: INITIAL, initial: INITIAL, streams: HashMap::new() };
        Self { windows: Mutex::new(windows), changed: Notify::new() }
    }

    fn windows(&self) -> MutexGuard<'_, Windows> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn open(&self, stream: u32) {
        let mut windows = self.windows();
        let initial = windows.initial;
        windows.streams.insert(stream, initial);
    }

    pub(super) fn forget(&self, stream: u32) {
        self.windows().streams.remove(&stream);
    }

    /// The client grants more, for the connection if the stream is 0.
    pub(super) fn grant(&self, stream: u32, by: u32) {
        {
            let mut windows = self.windows();
            if stream == 0 {
                windows.connection += i64::from(by);
            } else if let Some(window) = windows.streams.get_mut(&stream) {
                *window += i64::from(by);
            }
        }
        self.changed.notify_waiters();
    }

    /// The client changes what every stream begins with, which moves the open ones too.
    pub(super) fn initial(&self, initial: u32) {
        {
            let mut windows = self.windows();
            let by = i64::from(initial) - windows.initial;
            windows.initial += by;
            windows.streams.values_mut().for_each(|window| *window += by);
        }
        self.changed.notify_waiters();
    }

    /// Waits until something may be sent, and takes up to `wanted` bytes of the allowance.
    pub(super) async fn take(&self, stream: u32, wanted: usize) -> usize {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Listening begins before the look, or a grant in between would be missed.
            changed.as_mut().enable();
            if let Some(taken) = self.try_take(stream, wanted) {
                return taken;
            }
            changed.await;
        }
    }

    fn try_take(&self, stream: u32, wanted: usize) -> Option<usize> {
        let mut windows = self.windows();
        let own = windows.streams.get(&stream).copied().unwrap_or(0);
        let allowed = usize::try_from(own.min(windows.connection)).unwrap_or(0).min(wanted);
        if allowed == 0 {
            return None;
        }
        windows.connection -= allowed as i64;
        if let Some(window) = windows.streams.get_mut(&stream) {
            *window -= allowed as i64;
        }
        Some(allowed)
    }
}

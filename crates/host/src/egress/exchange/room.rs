//! How much of bodies is held in memory for one sandbox.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The longest body that is held to be changed, in bytes.
pub(super) const MAX_HELD: usize = 8 * 1024 * 1024;
/// How much is held for one sandbox at a time, in bytes. More waits.
const HELD_IN_ALL: usize = 8 * MAX_HELD;
/// What room is counted in, in bytes.
const UNIT: usize = 64 * 1024;

#[derive(Clone)]
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(HELD_IN_ALL / UNIT)))
    }
}

impl Room {
    /// Waits for room for a body of this length; of one whose length nobody knows, for the longest.
    pub(super) async fn take(&self, length: Option<usize>) -> Option<OwnedSemaphorePermit> {
        let units = length.unwrap_or(MAX_HELD).min(MAX_HELD).div_ceil(UNIT).max(1);
        // It is never closed.
        Arc::clone(&self.0).acquire_many_owned(u32::try_from(units).ok()?).await.ok()
    }
}

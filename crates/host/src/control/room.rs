//! Room on the disk, which is kept for what there is.

use std::path::Path;

use axum::http::StatusCode;
use rustix::fs::statvfs;

use super::answer::Failure;
use super::state::Control;

impl Control {
    /// Refuses what would take more of the disk where too little is free. What is there goes on, and can be deleted.
    pub(super) fn room(&self) -> Result<(), Failure> {
        let free = free(&self.store.directory().sandboxes());
        if free.is_none_or(|free| free >= self.keep_free) {
            return Ok(());
        }
        let message = format!(
            "less than {} MiB of the host's disk are free: delete a sandbox that is not needed, or make room",
            self.keep_free
        );
        Err(Failure::new(StatusCode::INSUFFICIENT_STORAGE, "STORAGE_FULL", message))
    }
}

/// How much is free, in MiB; none where the disk does not say.
fn free(place: &Path) -> Option<u64> {
    let disk = statvfs(place).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize) >> 20)
}

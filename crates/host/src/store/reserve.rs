//! Place on the disk that is given up so that a delete can be written down when the disk is full.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate};

/// What the largest delete needs, and some more.
const SIZE: u64 = 1024 * 1024;

/// A file that holds nothing but its place.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    is_there: bool,
}

impl Reserve {
    /// Takes the place, where there is any.
    pub(super) fn take(path: PathBuf) -> Self {
        let mut reserve = Self { path, is_there: false };
        reserve.take_again();
        reserve
    }

    /// Takes the place again after it was given up. Nothing happens where it is still held.
    pub(super) fn take_again(&mut self) {
        if self.is_there {
            return;
        }
        match self.allocate() {
            Ok(()) => self.is_there = true,
            Err(error) => {
                tracing::warn!(%error, "no place can be kept for deletes on a full disk");
                self.give_up();
            }
        }
    }

    /// Gives the place up.
    pub(super) fn give_up(&mut self) {
        self.is_there = false;
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%error, "the place kept for deletes could not be given up");
            }
            _ => {}
        }
    }

    fn allocate(&self) -> io::Result<()> {
        let file =
            OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&self.path)?;
        Ok(fallocate(&file, FallocateFlags::empty(), 0, SIZE)?)
    }
}

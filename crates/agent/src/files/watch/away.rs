//! Directories that went away under a name, until the kernel says where to, or has nothing more to say.
//!
//! What happens in one meanwhile happened under a name that is not known yet, or outside of what is watched: it is held
//! until that is clear.

use std::path::PathBuf;

use super::kernel::{Happened, Number};

/// How much is held at the most. Whoever does more than that in a directory has taken it away.
const HELD: usize = 1024;

/// Those that are away at the moment.
#[derive(Debug, Default)]
pub(super) struct Away {
    gone: Vec<Gone>,
    held: Vec<Happened>,
}

/// A directory that went away, with all that are watched below it.
#[derive(Debug)]
pub(super) struct Gone {
    rename: u32,
    /// Where it was.
    pub(super) from: PathBuf,
    /// Those of which it is not known where they are.
    pub(super) numbers: Vec<Number>,
}

impl Away {
    /// The directory at `from` and those below it, `numbers`, went away.
    pub(super) fn went(&mut self, rename: u32, from: PathBuf, numbers: Vec<Number>) {
        self.gone.push(Gone { rename, from, numbers });
    }

    /// What went away by the first half of this rename.
    pub(super) fn came(&mut self, rename: u32) -> Option<Gone> {
        let at = self.gone.iter().position(|gone| gone.rename == rename)?;
        Some(self.gone.remove(at))
    }

    /// A directory was found to be somewhere.
    pub(super) fn found(&mut self, number: Number) {
        for gone in &mut self.gone {
            gone.numbers.retain(|other| *other != number);
        }
    }

    /// Holds what happened in a directory that is away, and says whether it did.
    pub(super) fn hold(&mut self, event: &Happened) -> bool {
        let is_away = self.is_away(event.directory);
        if is_away {
            self.held.push(event.clone());
        }
        is_away
    }

    /// What was held of directories that are not away any more.
    pub(super) fn released(&mut self) -> Vec<Happened> {
        let (held, released) =
            std::mem::take(&mut self.held).into_iter().partition(|event| self.is_away(event.directory));
        self.held = held;
        released
    }

    /// Those that stay away: their number is all that is left of them.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Number> + use<> {
        self.held.clear();
        std::mem::take(&mut self.gone).into_iter().flat_map(|gone| gone.numbers)
    }

    /// Whether nothing is away.
    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty()
    }

    /// Whether no more is to be held.
    pub(super) fn is_full(&self) -> bool {
        self.held.len() >= HELD
    }

    fn is_away(&self, number: Number) -> bool {
        self.gone.iter().any(|gone| gone.numbers.contains(&number))
    }
}

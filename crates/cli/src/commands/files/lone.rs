//! A file that was named where the platform looks into directories only.

use reveille::files::{ContentMatches, Directory, Files, Grep};

use crate::typed::place::Remote;

/// How many of the directories beside it are named as such that are not looked into: all of them would not always fit
/// into a request.
const SKIPPED: usize = 64;

/// A file that was named, and what is beside it.
pub(super) struct Lone {
    path: String,
    name: String,
    above: String,
    beside: Directory,
}

impl Lone {
    /// The file that a path names; `None` where it names none, or nothing can be told of it.
    pub(super) async fn find(files: &Files, remote: &Remote) -> Option<Self> {
        let (above, name) = remote.path.rsplit_once('/').unwrap_or((".", &remote.path));
        let above = if above.is_empty() { "/" } else { above };
        let beside = files.list(above).await.ok()?;
        beside.files.iter().any(|file| file.name == name).then(|| Self {
            path: remote.path.clone(),
            name: name.to_owned(),
            above: above.to_owned(),
            beside,
        })
    }

    /// It alone, as a list.
    pub(super) fn listed(self) -> Directory {
        let Self { name, mut beside, .. } = self;
        beside.files.retain(|file| file.name == name);
        beside.subdirectories.clear();
        beside
    }

    /// A search where it is, in files of about its name and in no directory beside it.
    pub(super) fn grep(&self, files: &Files, text: &str) -> Grep {
        // What means something in a pattern, or between two of them, is any one letter.
        let any = |letter| if "*?[]{}!\\,".contains(letter) { '?' } else { letter };
        let pattern: String = self.name.chars().map(any).collect();
        let beside = self.beside.subdirectories.iter().take(SKIPPED);
        beside.fold(files.grep(&self.above, text).pattern(&pattern), |call, beside| call.skip(&beside.name))
    }

    /// What was found in it, at most so many lines.
    pub(super) fn found(self, mut found: ContentMatches, limit: usize) -> ContentMatches {
        found.matches.retain(|line| line.path == self.name);
        found.matches.truncate(limit);
        for line in &mut found.matches {
            line.path.clone_from(&self.path);
        }
        found.total = found.matches.len();
        found
    }
}

//! A watch over a directory, or over all that is below it.
//!
//! The kernel tells of single directories. One that is made is watched from a moment after it was made: what came into
//! it before is found by looking, and told as if the kernel had. What the kernel tells of it as well is told once.

use std::collections::{HashMap, HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::{self, File, FileType};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use reveille_wire::{WatchEvent, WatchOp};
use rustix::fs::OFlags;
use rustix::io::Errno;

use super::away::Away;
use super::kernel::{Happened, Number, Queue, Rest, What, is_itself};
use crate::files::is_draft;
use crate::files::write::draft::{NEW, OVER};

/// How long the second half of a rename may come after the first. One that comes still later is told as something new.
const HALVES: Duration = Duration::from_millis(5);
/// How many drafts may be on their way to their names at once.
const DRAFTS: usize = 256;

/// How far a watch reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// What is in the directory.
    Directory,
    /// All that is below it.
    Below,
}

/// A watch. It tells from the moment on in which it was made.
#[derive(Debug)]
pub(crate) struct Watch {
    queue: Queue,
    root: Number,
    shown: PathBuf,
    reach: Reach,
    ignored: Vec<String>,
    /// Where each directory is that the kernel watches.
    places: HashMap<Number, PathBuf>,
    away: Away,
    /// Drafts that a rename took away, until it is told where to.
    drafts: VecDeque<(u32, Drafted)>,
    /// What was found by looking while the events before and during this batch were told.
    looked_before: HashSet<PathBuf>,
    looked_now: HashSet<PathBuf>,
    told: Vec<WatchEvent>,
    gone: bool,
}

/// What the rename of a draft means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Drafted {
    New,
    Over,
}

impl Watch {
    /// Watches `root`, and leaves out what holds one of `ignored` in its path, the part above `root` included: clients
    /// name what they ignore as they name what they watch.
    ///
    /// # Errors
    /// When it is no directory, or the kernel watches too much already.
    pub(crate) fn new(root: &Path, shown: &Path, reach: Reach, ignored: Vec<String>) -> io::Result<Self> {
        let queue = Queue::new()?;
        let root = &root.canonicalize()?;
        let number = queue.add(root)?;
        let mut watch = Self {
            queue,
            root: number,
            shown: shown.to_owned(),
            reach,
            ignored,
            places: HashMap::from([(number, root.to_owned())]),
            away: Away::default(),
            drafts: VecDeque::new(),
            looked_before: HashSet::new(),
            looked_now: HashSet::new(),
            told: Vec::new(),
            gone: false,
        };
        if reach == Reach::Below {
            watch.look(root);
            // What cannot be watched is told; the rest was there before.
            watch.told.retain(|event| event.error.is_some());
            watch.looked_now.clear();
        }
        Ok(watch)
    }

    /// The queue, to wait on.
    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Whether the directory is gone, so that nothing more will be told.
    pub(crate) fn is_over(&self) -> bool {
        self.gone
    }

    /// Tells what happened since it last did, and whether there is more.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub(crate) fn tell(&mut self) -> io::Result<(Vec<WatchEvent>, Rest)> {
        let (happened, mut rest) = self.queue.take()?;
        for event in &happened {
            self.take(event);
        }
        if rest == Rest::Nothing && !self.away.is_empty() {
            // The kernel tells of both halves of a rename, but not at once.
            std::thread::sleep(HALVES);
            let happened;
            (happened, rest) = self.queue.take()?;
            for event in &happened {
                self.take(event);
            }
        }
        if rest == Rest::Nothing {
            self.looked_before = std::mem::take(&mut self.looked_now);
        }
        if rest == Rest::Nothing || self.away.is_full() {
            self.give_up_away();
        }
        Ok((std::mem::take(&mut self.told), rest))
    }

    fn take(&mut self, event: &Happened) {
        match event.what {
            What::Overflow => return self.overflow(),
            What::Ended => {
                self.places.remove(&event.directory);
                return;
            }
            What::Gone => return self.root_gone(event.directory),
            _ if is_itself(&event.name) => return,
            _ => {}
        }
        if self.away.hold(event) {
            return;
        }
        let Some(directory) = self.places.get(&event.directory) else { return };
        let path = directory.join(&event.name);
        if is_draft(&event.name) {
            if event.what == What::MovedAway {
                let over = event.name.as_bytes().starts_with(OVER.as_bytes());
                let new = event.name.as_bytes().starts_with(NEW.as_bytes());
                let drafted = if over { Some(Drafted::Over) } else { new.then_some(Drafted::New) };
                if self.drafts.len() == DRAFTS {
                    self.drafts.pop_front();
                }
                self.drafts.extend(drafted.map(|drafted| (event.rename, drafted)));
            }
            return;
        }
        if self.is_ignored(&path) {
            return;
        }
        match event.what {
            What::Created => self.created(&path, event.is_directory),
            What::MovedHere => match self.drafted(event.rename) {
                Some(Drafted::New) => {
                    self.created(&path, false);
                    self.say(WatchOp::Write, &path);
                }
                Some(Drafted::Over) => self.say(WatchOp::Write, &path),
                None => {
                    self.created(&path, event.is_directory);
                    self.moved(&path, event.rename);
                }
            },
            What::MovedAway => {
                self.forget_looked(&path);
                self.say(WatchOp::Rename, &path);
                if event.is_directory {
                    let below = self.places.iter().filter(|(_, place)| place.starts_with(&path));
                    let numbers = below.map(|(number, _)| *number).collect();
                    self.away.went(event.rename, path, numbers);
                }
            }
            What::Removed => {
                self.forget_looked(&path);
                self.say(WatchOp::Remove, &path);
            }
            What::Written => self.say(WatchOp::Write, &path),
            What::Changed => self.say(WatchOp::Chmod, &path),
            What::Gone | What::Ended | What::Overflow => {}
        }
    }

    /// What the rename of a draft means, if it is one.
    fn drafted(&mut self, rename: u32) -> Option<Drafted> {
        let at = self.drafts.iter().position(|(other, _)| *other == rename)?;
        self.drafts.remove(at).map(|(_, drafted)| drafted)
    }

    fn created(&mut self, path: &Path, is_directory: bool) {
        if self.looked_before.remove(path) || self.looked_now.remove(path) {
            return;
        }
        self.say(WatchOp::Create, path);
        if is_directory && self.reach == Reach::Below {
            self.look(path);
        }
    }

    /// What went away by this rename is at `path` now, or was, and has a further name already.
    fn moved(&mut self, path: &Path, rename: u32) {
        if let Some(gone) = self.away.came(rename) {
            for number in gone.numbers {
                let Some(place) = self.places.get_mut(&number) else { continue };
                if let Ok(below) = place.strip_prefix(&gone.from) {
                    *place = path.components().chain(below.components()).collect();
                }
            }
        }
        for event in self.away.released() {
            self.take(&event);
        }
    }

    fn forget_looked(&mut self, path: &Path) {
        self.looked_before.remove(path);
        self.looked_now.remove(path);
    }

    /// Watches `directory` and all below it, and tells what is in those that were not watched before.
    fn look(&mut self, directory: &Path) {
        let mut left = vec![directory.to_owned()];
        while let Some(directory) = left.pop() {
            let (known, names) = match self.adopt(&directory) {
                Ok(adopted) => adopted,
                // It was removed or moved since, which comes next, or it is a link.
                Err(error) if is_absence(&error) => continue,
                Err(error) => {
                    let shown = self.shown_as(&directory);
                    let sentence = format!("what is below cannot be watched: {error}");
                    self.told.push(WatchEvent::failed(WatchOp::Overflow, shown, sentence));
                    continue;
                }
            };
            for (name, kind) in names {
                let path = directory.join(&name);
                if is_draft(&name) || self.is_ignored(&path) {
                    continue;
                }
                if !known {
                    self.say(WatchOp::Create, &path);
                    self.looked_now.insert(path.clone());
                }
                if kind.is_dir() {
                    left.push(path);
                }
            }
        }
    }

    /// Watches one directory, and says whether it was watched already and what is in it. It may get another name
    /// meanwhile, or its name another directory: what is watched is what is looked into.
    fn adopt(&mut self, directory: &Path) -> io::Result<(bool, Vec<(OsString, FileType)>)> {
        let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
        let open = File::options().read(true).custom_flags(flags).open(directory)?;
        let itself = PathBuf::from(format!("/proc/self/fd/{}", open.as_raw_fd()));
        let number = self.queue.add(&itself)?;
        self.away.found(number);
        let known = self.places.insert(number, directory.to_owned()).is_some();
        let mut names = Vec::new();
        for entry in fs::read_dir(itself)?.flatten() {
            if let Ok(kind) = entry.file_type() {
                names.push((entry.file_name(), kind));
            }
        }
        Ok((known, names))
    }

    /// What is away still is not below the root any more.
    fn give_up_away(&mut self) {
        for number in self.away.give_up() {
            self.queue.remove(number);
            self.places.remove(&number);
        }
    }

    fn overflow(&mut self) {
        let sentence = "more happened at once than the system keeps; events were lost";
        self.told.push(WatchEvent::failed(WatchOp::Overflow, self.shown.to_string_lossy(), sentence));
        if let (Reach::Below, Some(root)) = (self.reach, self.places.get(&self.root).cloned()) {
            self.look(&root);
        }
    }

    fn root_gone(&mut self, directory: Number) {
        if directory == self.root && !self.gone {
            self.gone = true;
            self.told.push(WatchEvent::new(WatchOp::Remove, self.shown.to_string_lossy(), ""));
        }
    }

    fn is_ignored(&self, path: &Path) -> bool {
        if self.ignored.is_empty() {
            return false;
        }
        let shown = self.shown_as(path);
        self.ignored.iter().any(|part| shown.contains(part.as_str()))
    }

    fn below<'a>(&self, path: &'a Path) -> &'a Path {
        self.places.get(&self.root).and_then(|root| path.strip_prefix(root).ok()).unwrap_or(path)
    }

    fn shown_as(&self, path: &Path) -> String {
        self.shown.join(self.below(path)).to_string_lossy().trim_end_matches('/').to_owned()
    }

    fn say(&mut self, op: WatchOp, path: &Path) {
        let directory = self.shown_as(path.parent().unwrap_or(path));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let event = WatchEvent::new(op, if directory.is_empty() { "/".to_owned() } else { directory }, name);
        let repeats = matches!(op, WatchOp::Write | WatchOp::Chmod) && self.told.last() == Some(&event);
        if !repeats {
            self.told.push(event);
        }
    }
}

/// Whether there is no directory any more, or none that may be looked into.
fn is_absence(error: &io::Error) -> bool {
    let known = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory, io::ErrorKind::PermissionDenied];
    known.contains(&error.kind()) || error.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}

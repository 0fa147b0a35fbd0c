//! Where the parts of uploads lie until they are a file.
//!
//! A directory for each upload, with a note of what it will be and a file for each part, named by its number and its
//! MD5. All of it is on disk, so that an agent that is started anew knows the uploads of the one before.

use std::collections::HashSet;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use reveille_wire::{Upload, UploadedPart};
use serde::{Deserialize, Serialize};

use crate::clock;
use crate::failure::Failure;
use crate::files::facts;
use crate::files::named::working_directory;
use crate::files::owner;
use crate::files::write::draft::{Draft, Mode};

/// How long an upload may lie before it counts as given up.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The file that says what an upload will be.
const NOTE: &str = "upload";

/// Puts parts in place one at a time, so that of two with one number one stays.
static PLACING: Mutex<()> = Mutex::new(());
/// Uploads that are being put together.
static ENDING: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// What an upload will be.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    /// The path in bytes: it need not be text.
    path: Vec<u8>,
    shown: Vec<u8>,
    permissions: Option<String>,
    /// Whose upload it is: sandboxes may share the directory for what is temporary.
    directory: Vec<u8>,
    began: u64,
}

/// An upload that has begun.
#[derive(Debug)]
pub(crate) struct Begun {
    id: String,
    place: PathBuf,
    note: Note,
}

/// A part that lies there.
#[derive(Clone, Debug)]
struct Part {
    number: u32,
    etag: String,
    size: u64,
    at: SystemTime,
    path: PathBuf,
}

/// Begins an upload.
///
/// # Errors
/// When there is no place for it.
pub(crate) fn begin(path: &Path, shown: &Path, permissions: Option<String>) -> io::Result<Begun> {
    let root = root()?;
    forget_old(&root);
    let id = format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..));
    let place = root.join(&id);
    DirBuilder::new().mode(0o700).create(&place)?;
    let began = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let bytes = |path: &Path| path.as_os_str().as_bytes().to_vec();
    let directory = bytes(&working_directory());
    let note = Note { path: bytes(path), shown: bytes(shown), permissions, directory, began };
    let draft = place.join("note");
    fs::write(&draft, serde_json::to_vec(&note)?)?;
    fs::rename(draft, place.join(NOTE))?;
    Ok(Begun { id, place, note })
}

/// The upload that `id` names.
///
/// # Errors
/// 404 when there is none.
pub(crate) fn find(id: &str) -> Result<Begun, Failure> {
    let absent = || Failure::absent(format!("there is no upload {id:?}"));
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return Err(absent());
    }
    let root = root().map_err(|error| Failure::broken(format!("the uploads cannot be read: {error}")))?;
    read(root.join(id), id).ok_or_else(absent)
}

/// All uploads that have not ended.
///
/// # Errors
/// When they cannot be listed.
pub(crate) fn all() -> io::Result<Vec<Upload>> {
    let mut uploads = Vec::new();
    for entry in fs::read_dir(root()?)? {
        let entry = entry?;
        let id = entry.file_name().to_string_lossy().into_owned();
        let own = |begun: &Begun| begun.note.directory == working_directory().as_os_str().as_bytes();
        if let Some(begun) = read(entry.path(), &id).filter(own) {
            uploads.push(begun.told()?);
        }
    }
    uploads.sort_by(|one, other| {
        (&one.initiated_at, &one.upload_id).cmp(&(&other.initiated_at, &other.upload_id))
    });
    Ok(uploads)
}

fn read(place: PathBuf, id: &str) -> Option<Begun> {
    let note = serde_json::from_slice(&fs::read(place.join(NOTE)).ok()?).ok()?;
    Some(Begun { id: id.to_owned(), place, note })
}

impl Begun {
    /// What it is named by.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// What it will be, as it was named.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.note.shown).into_owned()
    }

    /// A file for a part that comes.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn coming(&self) -> io::Result<Coming> {
        let path = self.place.join(format!("coming-{:016x}", fastrand::u64(..)));
        let file = File::options().write(true).create_new(true).open(&path)?;
        Ok(Coming { file, path })
    }

    /// Takes a part that has come in the place of the one with its number.
    ///
    /// # Errors
    /// When the upload has ended meanwhile.
    pub(crate) fn place(&self, coming: &Coming, number: u32, etag: &str) -> io::Result<()> {
        let _alone = PLACING.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.place.join(format!("part-{number}-{etag}"));
        fs::rename(&coming.path, &path)?;
        for part in self.parts()?.into_iter().filter(|part| part.number == number && part.path != path) {
            fs::remove_file(part.path)?;
        }
        Ok(())
    }

    /// Its parts, in order. Two of one number are there only where an agent was killed between two steps; then the
    /// later one counts.
    fn parts(&self) -> io::Result<Vec<Part>> {
        let mut parts = Vec::new();
        for entry in fs::read_dir(&self.place)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some((number, etag)) = name.strip_prefix("part-").and_then(|rest| rest.split_once('-'))
            else {
                continue;
            };
            let Ok(number) = number.parse() else { continue };
            let about = entry.metadata()?;
            let (size, at) = (about.len(), facts::modified(&about));
            parts.push(Part { number, etag: etag.to_owned(), size, at, path: entry.path() });
        }
        parts.sort_by_key(|part| (part.number, std::cmp::Reverse(part.at)));
        parts.dedup_by_key(|part| part.number);
        Ok(parts)
    }

    /// Its parts, as they are told.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(crate) fn told_parts(&self) -> io::Result<Vec<UploadedPart>> {
        let told = |part: Part| {
            let mut told = UploadedPart::new(part.number, part.etag, part.size);
            told.uploaded_at = Some(clock::rfc3339(part.at));
            told
        };
        Ok(self.parts()?.into_iter().map(told).collect())
    }

    fn told(&self) -> io::Result<Upload> {
        let mut told = Upload::default();
        told.upload_id.clone_from(&self.id);
        told.path = self.shown();
        let mode = self.note.permissions.as_deref().unwrap_or("644");
        told.permissions = u32::from_str_radix(mode, 8).unwrap_or_default();
        told.initiated_at = clock::rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(self.note.began));
        told.parts = self.told_parts()?.into_iter().map(|part| (part.part_number, part)).collect();
        Ok(told)
    }

    /// Makes the file of the parts that are named, in the order of their numbers, and forgets the upload.
    ///
    /// # Errors
    /// 500 when a part is missing or another than was named, 409 when it is being made already, 422 when it cannot
    /// be written.
    pub(crate) fn end(&self, named: &[(u32, String)]) -> Result<(), Failure> {
        let _ending = Ending::begin(&self.id)?;
        let unreadable = |error: io::Error| Failure::broken(format!("the parts cannot be read: {error}"));
        let there = self.parts().map_err(unreadable)?;
        let mut wanted = Vec::new();
        for (number, etag) in named {
            let part = there.iter().find(|part| part.number == *number);
            let part = part.ok_or_else(|| Failure::broken(format!("part {number} is missing")))?;
            if !part.etag.eq_ignore_ascii_case(etag.trim_matches('"')) {
                return Err(Failure::broken(format!("part {number} is not {etag:?} but {:?}", part.etag)));
            }
            wanted.push(part);
        }
        wanted.sort_by_key(|part| part.number);
        if wanted.windows(2).any(|two| two[0].number == two[1].number) {
            return Err(Failure::broken("a part is named twice"));
        }
        let unwritten = |error: io::Error| Failure::unworkable(format!("{}: {error}", self.shown()));
        self.assemble(&wanted).map_err(unwritten)?;
        self.forget().map_err(unreadable)
    }

    fn assemble(&self, parts: &[&Part]) -> io::Result<()> {
        let target = PathBuf::from(std::ffi::OsString::from_vec(self.note.path.clone()));
        let mode = self.note.permissions.as_deref().and_then(Mode::parse).unwrap_or(Mode::FILE);
        let mut draft = Draft::begin(&target)?;
        for part in parts {
            let copied = io::copy(&mut File::open(&part.path)?, draft.file())?;
            if copied != part.size {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        draft.finish(mode)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// When what lies there cannot be removed.
    pub(crate) fn forget(&self) -> io::Result<()> {
        // Without its note it is none any more, whatever becomes of the rest.
        fs::remove_file(self.place.join(NOTE))?;
        fs::remove_dir_all(&self.place)
    }
}

/// A part that is on its way. Dropped before it was placed, it leaves nothing.
#[derive(Debug)]
pub(crate) struct Coming {
    pub(crate) file: File,
    path: PathBuf,
}

impl Drop for Coming {
    fn drop(&mut self) {
        // Once in place it is not there any more.
        let _gone = fs::remove_file(&self.path);
    }
}

/// An upload that is being put together, by one request and no more.
#[derive(Debug)]
struct Ending(String);

impl Ending {
    fn begin(id: &str) -> Result<Self, Failure> {
        let mut ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        if !ending.get_or_insert_default().insert(id.to_owned()) {
            return Err(Failure::conflict("the upload is being completed already"));
        }
        Ok(Self(id.to_owned()))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let mut ending = ENDING.lock().unwrap_or_else(PoisonError::into_inner);
        ending.get_or_insert_default().remove(&self.0);
    }
}

/// Where the uploads of this user lie. Nobody else can put anything there.
fn root() -> io::Result<PathBuf> {
    let user = owner::current();
    let root = std::env::temp_dir().join(format!(".reveille-uploads-{user}"));
    match DirBuilder::new().mode(0o700).create(&root) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let there = fs::symlink_metadata(&root)?;
    if !there.is_dir() || there.uid() != user || there.mode() & 0o077 != 0 {
        let sentence = format!("{} belongs to somebody else", root.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, sentence));
    }
    Ok(root)
}

/// Removes what was begun long ago and never ended.
fn forget_old(root: &Path) {
    let Ok(entries) = fs::read_dir(root) else { return };
    for entry in entries.flatten() {
        let changed = entry.metadata().ok().map(|about| facts::modified(&about));
        if changed.is_some_and(|at| at.elapsed().is_ok_and(|age| age > KEPT)) {
            // The next one tries again.
            let _gone = fs::remove_dir_all(entry.path());
        }
    }
}

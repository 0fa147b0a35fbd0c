//! The names of users and groups.

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How long the names are believed before it is looked whether they changed.
const BELIEVED: Duration = Duration::from_secs(1);

static USERS: Mutex<Option<Known>> = Mutex::new(None);
static GROUPS: Mutex<Option<Known>> = Mutex::new(None);

/// The name of a user, or its number where it has none.
pub(crate) fn user(id: u32) -> String {
    name(&USERS, Path::new("/etc/passwd"), id)
}

/// The name of a group, or its number where it has none.
pub(crate) fn group(id: u32) -> String {
    name(&GROUPS, Path::new("/etc/group"), id)
}

/// What a file of names said.
#[derive(Clone, Debug)]
struct Known {
    names: Arc<HashMap<u32, String>>,
    version: Option<(SystemTime, u64)>,
    looked: Instant,
}

fn name(known: &Mutex<Option<Known>>, file: &Path, id: u32) -> String {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = known.as_ref().is_some_and(|known| known.looked.elapsed() < BELIEVED);
    if !fresh {
        let version = fs::metadata(file).ok().and_then(|at| Some((at.modified().ok()?, at.len())));
        let names = match &*known {
            Some(known) if known.version == version => Arc::clone(&known.names),
            _ => Arc::new(names(&fs::read(file).unwrap_or_default())),
        };
        *known = Some(Known { names, version, looked: Instant::now() });
    }
    let names = known.as_ref().map(|known| &known.names);
    names.and_then(|names| names.get(&id)).cloned().unwrap_or_else(|| id.to_string())
}

/// Reads lines of `name:password:id:...`; the first one that gives an id its name counts.
fn names(text: &[u8]) -> HashMap<u32, String> {
    let mut names = HashMap::new();
    for line in String::from_utf8_lossy(text).lines() {
        let mut fields = line.split(':');
        let (name, id) = (fields.next(), fields.nth(1).and_then(|id| id.parse().ok()));
        if let (Some(name), Some(id)) = (name.filter(|name| !name.is_empty()), id) {
            names.entry(id).or_insert_with(|| name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_of_a_number_counts_and_other_lines_say_nothing() {
        let names = names(b"root:x:0:0::/:/bin/sh\ntoor:x:0:0\n# :::\n\n+:x:\nme:x:1000:1\n");
        assert_eq!(names.len(), 2);
        assert_eq!((names[&0].as_str(), names[&1000].as_str()), ("root", "me"));
    }

    #[test]
    fn a_number_without_a_name_is_told_as_it_is() {
        assert_eq!(user(4_294_967_294), "4294967294");
    }
}

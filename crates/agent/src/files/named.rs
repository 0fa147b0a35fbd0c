//! The path that a request names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use http::Uri;
use percent_encoding::percent_decode_str;

use crate::failure::Failure;

/// The longest path that is taken, in bytes: what Linux opens.
const MAX: usize = 4096;

/// A path as a request names it: how it is told back, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    shown: PathBuf,
    path: PathBuf,
}

impl Named {
    /// Reads the path behind `endpoint` as most endpoints do: the slash behind the endpoint is a separator, and what
    /// follows is relative to the working directory unless it begins with a slash of its own. A path with encoded
    /// slashes is absolute.
    pub(crate) fn of(uri: &Uri, endpoint: &str) -> Result<Self, Failure> {
        let raw = behind(uri, endpoint);
        let decoded = decoded(raw)?;
        let encoded_slash = raw.as_bytes().windows(3).any(|three| three.eq_ignore_ascii_case(b"%2f"));
        Self::new(&if encoded_slash { [b"/", decoded.as_slice()].concat() } else { decoded })
    }

    /// Reads the path behind `endpoint` from the root.
    pub(crate) fn from_root(uri: &Uri, endpoint: &str) -> Result<Self, Failure> {
        Self::new(&[b"/", decoded(behind(uri, endpoint))?.as_slice()].concat())
    }

    /// Takes a path as a body names it: `~` is the home directory, and what does not begin with a slash is relative
    /// to the working directory.
    pub(crate) fn new(given: &[u8]) -> Result<Self, Failure> {
        if given.contains(&0) {
            return Err(Failure::bad("the path holds a zero byte"));
        }
        if given.len() > MAX {
            return Err(Failure::bad("the path is longer than 4,096 bytes"));
        }
        let mut shown = given.to_vec();
        shown.dedup_by(|next, before| *next == b'/' && *before == b'/');
        if shown.first() == Some(&b'~') && matches!(shown.get(1), None | Some(b'/')) {
            let home = std::env::var_os("HOME").unwrap_or_else(|| "/".into());
            shown.splice(..1, home.as_bytes().iter().copied());
        }
        let directory = working_directory();
        if shown.is_empty() {
            return Ok(Self { shown: directory.clone(), path: directory });
        }
        let shown = PathBuf::from(OsStr::from_bytes(&shown));
        Ok(Self { path: directory.join(&shown), shown })
    }

    /// As it is told back.
    pub(crate) fn shown(&self) -> &Path {
        &self.shown
    }

    /// As text, for sentences and fields that are text.
    pub(crate) fn text(&self) -> String {
        self.shown.to_string_lossy().into_owned()
    }

    /// Where it is, absolute.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The same without `suffix` at its end; nothing where it does not end so.
    pub(crate) fn without(&self, suffix: &str) -> Option<Self> {
        let shown = self.shown.as_os_str().as_bytes().strip_suffix(suffix.as_bytes())?;
        Self::new(if shown.is_empty() { b"/" } else { shown }).ok()
    }
}

/// Where relative paths begin.
pub(crate) fn working_directory() -> PathBuf {
    match std::env::var_os("WORKDIR").filter(|directory| !directory.is_empty()) {
        Some(directory) => directory.into(),
        None => std::env::current_dir().unwrap_or_else(|_| "/".into()),
    }
}

/// What stands behind `endpoint` and its slash, as it came.
fn behind<'a>(uri: &'a Uri, endpoint: &str) -> &'a str {
    let rest = uri.path().strip_prefix(endpoint).unwrap_or_default();
    rest.strip_prefix('/').unwrap_or(rest)
}

fn decoded(raw: &str) -> Result<Vec<u8>, Failure> {
    let decoded: Vec<u8> = percent_decode_str(raw).collect();
    if decoded.len() > MAX {
        return Err(Failure::bad("the path is longer than 4,096 bytes"));
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(uri: &str) -> Named {
        Named::of(&uri.parse().unwrap(), "/filesystem").unwrap()
    }

    #[test]
    fn a_path_is_relative_unless_it_has_a_slash_of_its_own() {
        assert_eq!(named("/filesystem/a/b").text(), "a/b");
        assert_eq!(named("/filesystem/a/b").path(), working_directory().join("a/b"));
        assert_eq!(named("/filesystem//tmp//a").text(), "/tmp/a");
        assert_eq!(named("/filesystem/").path(), working_directory());
        assert_eq!(named("/filesystem").path(), working_directory());
    }

    #[test]
    fn a_path_with_encoded_slashes_is_absolute() {
        assert_eq!(named("/filesystem/%2Ftmp%2fa").text(), "/tmp/a");
        assert_eq!(named("/filesystem/tmp%2Fa").text(), "/tmp/a");
        assert_eq!(named("/filesystem/a%252Fb").text(), "a%2Fb");
    }

    #[test]
    fn a_path_is_told_back_with_its_dots_and_its_last_slash() {
        assert_eq!(named("/filesystem//tmp/../a/./b/").shown().as_os_str(), "/tmp/../a/./b/");
    }

    #[test]
    fn bytes_that_are_no_text_stay() {
        assert_eq!(named("/filesystem/a%FFb").shown().as_os_str().as_bytes(), b"a\xffb");
    }

    #[test]
    fn no_file_is_named_by_a_zero_byte_or_by_more_than_linux_opens() {
        assert!(Named::of(&"/filesystem/a%00b".parse().unwrap(), "/filesystem").is_err());
        assert!(Named::new(&[b'a'; 4097]).is_err());
    }
}

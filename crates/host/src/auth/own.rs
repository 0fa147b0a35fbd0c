//! The host's own key, and the making and comparing of any.

use std::fmt;
use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::store::files;

/// The key that a host wants.
pub(crate) struct Key(String);

impl Key {
    /// The given key, else the one that stands in the file, else a new one that is left there for the next host.
    pub(crate) fn given_or_kept(given: Option<String>, file: &Path) -> Result<Self, Error> {
        if let Some(key) = given {
            return Ok(Self(key));
        }
        let no = |source: io::Error| {
            let message = format!("the key in {} cannot be used: {source}", file.display());
            Error::new(ErrorKind::Data, message).with_source(source)
        };
        match std::fs::read_to_string(file) {
            Ok(kept) if can_be_key(kept.trim_ascii()) => return Ok(Self(kept.trim_ascii().to_owned())),
            Ok(_) => return Err(no(io::Error::other("it holds none; remove the file to get a new one"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(no(error)),
        }
        let key = Self(new_key()?);
        files::replace(file, format!("{}\n", key.0).as_bytes()).map_err(no)?;
        Ok(key)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A new key of 192 random bits.
pub(crate) fn new_key() -> Result<String, Error> {
    let mut bits = [0_u8; 24];
    getrandom::fill(&mut bits).map_err(|source| {
        let message = "the system gave no random bits for an API key: give one with --key-file";
        Error::new(ErrorKind::Settings, message).with_source(source)
    })?;
    let mut key = String::from("rv_");
    for byte in bits {
        // Writing to a string cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    Ok(key)
}

/// Whether something can stand in a header as a key.
pub(crate) fn can_be_key(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Compares without telling by the time it takes where the two differ.
pub(crate) fn same(given: &[u8], wanted: &[u8]) -> bool {
    let bytes = given.iter().zip(wanted);
    let difference = bytes.fold(0, |difference, (given, wanted)| difference | (given ^ wanted));
    // All of them are looked at before any of it counts.
    (std::hint::black_box(difference) == 0) & (given.len() == wanted.len())
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([secret])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_made_key_is_new_stays_and_is_not_shown() {
        let root = tempfile::tempdir().unwrap();
        let of = |file: &str| Key::given_or_kept(None, &root.path().join(file)).unwrap();
        let (first, again, other) = (of("a"), of("a"), of("b"));
        assert_eq!(first.as_str(), again.as_str());
        assert_ne!(first.as_str(), other.as_str());
        assert!(first.as_str().len() > 48);
        assert!(!format!("{first:?}").contains(first.as_str()));
        let mode = std::fs::metadata(root.path().join("a")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_file_without_a_key_is_named() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("key");
        for text in ["", "  \n", "two words", "\u{fc}"] {
            std::fs::write(&file, text).unwrap();
            let error = Key::given_or_kept(None, &file).unwrap_err();
            assert!(error.to_string().contains(file.to_str().unwrap()), "{error}");
        }
        let given = Key::given_or_kept(Some("mine".to_owned()), &file).unwrap();
        assert_eq!(given.as_str(), "mine");
    }
}

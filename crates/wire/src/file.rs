use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{AppPath, InvalidInput};

/// The path of a file or directory in a sandbox: absolute, or relative to the sandbox's working directory.
///
/// ```
/// use reveille_wire::FilePath;
/// assert_eq!(FilePath::new("/a b/c")?.as_url_path("/filesystem"), "/filesystem/%2Fa%20b%2Fc");
/// assert_eq!(FilePath::new("notes#1")?.as_url_path("/filesystem"), "/filesystem/notes%231");
/// # Ok::<(), reveille_wire::InvalidInput>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FilePath(Vec<u8>);

impl FilePath {
    /// Checks a path; it may hold any bytes but zero. `.` is the working directory.
    ///
    /// # Errors
    /// When it is empty, longer than 4,096 bytes (what Linux opens), holds a zero byte, or climbs (`..`) without being
    /// absolute: no URL can say that.
    pub fn new(path: impl AsRef<[u8]>) -> Result<Self, InvalidInput> {
        let path = path.as_ref();
        let refused = |rule| InvalidInput::new("path", String::from_utf8_lossy(path), rule);
        if path.is_empty() {
            return Err(refused("it is empty; `.` is the working directory"));
        }
        if path.len() > 4096 {
            return Err(refused("it is longer than 4,096 bytes"));
        }
        if path.contains(&0) {
            return Err(refused("it holds a zero byte"));
        }
        if path.starts_with(b"/") {
            return Ok(Self(path.to_vec()));
        }
        let segments: Vec<&[u8]> =
            path.split(|byte| *byte == b'/').filter(|segment| *segment != b".").collect();
        if segments.contains(&b"..".as_slice()) {
            return Err(refused("it climbs above the working directory; begin it with /"));
        }
        Ok(Self(segments.join(&b'/')))
    }

    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it does not depend on the working directory.
    #[must_use]
    pub fn is_absolute(&self) -> bool {
        self.0.starts_with(b"/")
    }

    /// The path of `name` below this one.
    #[must_use]
    pub fn join(&self, name: impl AsRef<[u8]>) -> Self {
        let mut joined = self.0.clone();
        if !joined.is_empty() && !joined.ends_with(b"/") {
            joined.push(b'/');
        }
        joined.extend_from_slice(name.as_ref());
        Self(joined)
    }

    /// The last segment: the name in its directory. Nothing for `/`, `.` and `..`.
    #[must_use]
    pub fn name(&self) -> Option<&[u8]> {
        let end = self.0.iter().rposition(|byte| *byte != b'/')? + 1;
        let start = self.0[..end].iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        match &self.0[start..end] {
            b"." | b".." => None,
            name => Some(name),
        }
    }

    /// The path as it stands in a URL below `endpoint`.
    ///
    /// The slashes of an absolute one are encoded: servers know it by them, and nothing on the way takes a part of
    /// it for a part of the URL's own.
    #[must_use]
    pub fn as_url_path(&self, endpoint: &str) -> String {
        let encoded = AppPath::of_file(&self.0);
        if self.is_absolute() {
            return format!("{endpoint}/{}", encoded.as_str().replace('/', "%2F"));
        }
        format!("{endpoint}/{encoded}")
    }
}

impl AsRef<[u8]> for FilePath {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [] => f.write_str("."),
            path => f.write_str(&String::from_utf8_lossy(path)),
        }
    }
}

/// What a server tells of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct File {
    /// Where it is.
    pub path: String,
    /// Its name in its directory.
    pub name: String,
    /// Its mode, in octal: `644`.
    pub permissions: String,
    /// Its size, in bytes.
    pub size: u64,
    /// When its content changed (RFC 3339).
    pub last_modified: String,
    /// Whose it is, by name, or by number where there is no name.
    pub owner: String,
    /// Its group, likewise.
    pub group: String,
    /// Its path percent-encoded, where it is not text and `path` cannot say it. Only our own agent tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded_path: Option<String>,
    /// What is in it, as text; bytes that are none are replaced. Only where it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// What a server tells of a directory.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Directory {
    /// Where it is.
    pub path: String,
    /// Its name.
    pub name: String,
    /// The files in it, in the order of their names; in a recursive tree all files below it.
    #[serde(deserialize_with = "null_is_empty")]
    pub files: Vec<File>,
    /// The directories in it, likewise.
    #[serde(deserialize_with = "null_is_empty")]
    pub subdirectories: Vec<Subdirectory>,
    /// Whether everything below it is told, and not only what is in it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub recursive: bool,
}

/// A directory in a [`Directory`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Subdirectory {
    /// Where it is.
    pub path: String,
    /// Its name.
    pub name: String,
    /// Its path percent-encoded, where it is not text. Only our own agent tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoded_path: Option<String>,
}

/// The answer to a `GET` of a path: one or the other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// A directory.
    Directory(Directory),
    /// A file, with its content.
    File(File),
}

/// The body of `PUT /filesystem/{path}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct FileRequest {
    /// What is to be in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether a directory is to be made instead.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_directory: bool,
    /// The mode of what is made, in octal; 0644 for a file and 0755 for a directory when missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
}

impl FileRequest {
    /// Writes `content`.
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: Some(content.into()), ..Self::default() }
    }

    /// Makes a directory.
    #[must_use]
    pub fn directory() -> Self {
        Self { is_directory: true, ..Self::default() }
    }
}

/// The body of `PUT /filesystem/tree/{path}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TreeRequest {
    /// What is to be in each file, by its path below the directory.
    pub files: BTreeMap<String, String>,
}

/// An answer that has nothing to tell but that it was done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// What it was done to.
    #[serde(default)]
    pub path: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
}

impl Done {
    /// Says what was done to `path`.
    pub fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

/// The body of `POST /filesystem-copy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CopyRequest {
    /// What is copied, with all that is below it.
    pub source: String,
    /// Where to; into it when it is a directory.
    pub destination: String,
    /// Whether it fails when something is there already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub no_overwrite: bool,
}

impl CopyRequest {
    /// Copies `source` to `destination`.
    pub fn new(source: impl Into<String>, destination: impl Into<String>) -> Self {
        Self { source: source.into(), destination: destination.into(), no_overwrite: false }
    }
}

/// The answer of `POST /filesystem-copy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyOutcome {
    /// What was copied.
    pub source: String,
    /// Where to.
    pub destination: String,
    /// A sentence.
    #[serde(default)]
    pub message: String,
}

pub(crate) fn null_is_empty<'de, T, D>(from: D) -> Result<Vec<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(path: &str) -> String {
        FilePath::new(path).unwrap().as_url_path("/filesystem")
    }

    #[test]
    fn every_letter_of_a_path_stands_for_itself_in_a_url() {
        assert_eq!(url("/a%2Fb?c#d"), "/filesystem/%2Fa%252Fb%3Fc%23d");
        assert_eq!(url("/a/../b"), "/filesystem/%2Fa%2F..%2Fb");
        assert_eq!(url("a\nb"), "/filesystem/a%0Ab");
        assert_eq!(FilePath::new(b"/a\xff").unwrap().as_url_path("/f"), "/f/%2Fa%FF");
    }

    #[test]
    fn the_working_directory_is_a_dot() {
        assert_eq!(url("."), "/filesystem/");
        assert_eq!(url("./a/./b"), "/filesystem/a/b");
        assert_eq!(FilePath::new(".").unwrap().to_string(), ".");
        assert_eq!(FilePath::new(".").unwrap().join("a").to_string(), "a");
    }

    #[test]
    fn what_no_url_can_say_is_refused() {
        for bad in ["", "../a", "a/../b", "a\0b", &"a".repeat(4097)] {
            assert!(FilePath::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_name_is_the_last_segment() {
        let name = |path: &str| {
            FilePath::new(path).unwrap().name().map(|name| String::from_utf8_lossy(name).into_owned())
        };
        assert_eq!(name("/a/b").as_deref(), Some("b"));
        assert_eq!(name("/a/b//").as_deref(), Some("b"));
        assert_eq!(name("b").as_deref(), Some("b"));
        assert_eq!((name("/"), name("/a/.."), name(".")), (None, None, None));
    }

    #[test]
    fn a_directory_may_say_null_for_nothing() {
        let json = r#"{"path":"/d","name":"d","files":null,"subdirectories":null}"#;
        assert!(
            matches!(serde_json::from_str(json).unwrap(), Entry::Directory(read) if read.files.is_empty())
        );
    }
}

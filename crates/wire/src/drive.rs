use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AppPath, InvalidInput, page};

/// The name of a drive: letters, digits, `_` and `-`, at most 128, a letter or digit first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriveName(String);

impl DriveName {
    /// Checks a name.
    ///
    /// # Errors
    /// When it is no name (`^[a-zA-Z0-9][a-zA-Z0-9_-]*$`, at most 128).
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidInput> {
        let name = name.into();
        let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        let head = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
        if !letters || !head || name.len() > 128 {
            let rule = "use 1 to 128 letters, digits, hyphens and underscores, a letter or digit first";
            return Err(InvalidInput::new("drive name", name, rule));
        }
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DriveName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a sandbox cannot live without.
const RESERVED: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// Where a drive is mounted: an absolute path of at most 512 bytes without `..`, and not the root.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MountPath(String);

impl MountPath {
    /// Checks a path; one without a leading `/` gets one, and trailing slashes go.
    ///
    /// # Errors
    /// When it is empty, the root, too long, or climbs.
    pub fn new(path: &str) -> Result<Self, InvalidInput> {
        let refused = |rule| InvalidInput::new("mount path", path, rule);
        if path.len() > 512 {
            return Err(refused("it is longer than 512 bytes"));
        }
        if path.contains('\0') {
            return Err(refused("it holds a zero byte"));
        }
        if path.contains("..") {
            return Err(refused("it must not hold \"..\""));
        }
        let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty() && *s != ".").collect();
        if segments.is_empty() {
            return Err(refused("name a directory below /"));
        }
        Ok(Self(format!("/{}", segments.join("/"))))
    }

    /// The absolute path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What of a sandbox lies there that it cannot live without, so that nothing can be mounted over it.
    ///
    /// ```
    /// # use reveille_wire::MountPath;
    /// assert_eq!(MountPath::new("/proc/1")?.reserved(), Some("/proc"));
    /// assert_eq!(MountPath::new("/mnt/data")?.reserved(), None);
    /// # Ok::<(), reveille_wire::InvalidInput>(())
    /// ```
    #[must_use]
    pub fn reserved(&self) -> Option<&'static str> {
        let holds = |reserved: &&str| {
            self.0.strip_prefix(reserved).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        RESERVED.into_iter().find(holds)
    }

    /// The path as it stands in a URL below `endpoint`: each of its bytes stands for itself.
    ///
    /// ```
    /// # use reveille_wire::MountPath;
    /// let path = MountPath::new("/mnt/100%")?;
    /// assert_eq!(path.as_url_path("/drives/mount"), "/drives/mount/mnt/100%25");
    /// # Ok::<(), reveille_wire::InvalidInput>(())
    /// ```
    #[must_use]
    pub fn as_url_path(&self, endpoint: &str) -> String {
        format!("{endpoint}{}", AppPath::of_file(self.0.as_bytes()))
    }
}

impl fmt::Display for MountPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A drive that is mounted in a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DriveMount {
    /// The drive's name.
    #[serde(rename = "driveName")]
    pub drive: String,
    /// Where in the sandbox it is mounted.
    #[serde(rename = "mountPath")]
    pub path: String,
    /// Which directory of the drive is mounted there; `/` is all of it.
    #[serde(rename = "drivePath", default = "root")]
    pub drive_path: String,
    /// Whether it can only be read.
    #[serde(rename = "readOnly", default)]
    pub read_only: bool,
    /// How user ids are mapped.
    #[serde(rename = "uidMap", default, skip_serializing_if = "Option::is_none")]
    pub uid_map: Option<String>,
    /// How group ids are mapped.
    #[serde(rename = "gidMap", default, skip_serializing_if = "Option::is_none")]
    pub gid_map: Option<String>,
}

fn root() -> String {
    "/".to_owned()
}

impl DriveMount {
    /// A mount of the whole drive, for reading and writing.
    pub fn new(drive: impl Into<String>, path: impl Into<String>) -> Self {
        Self { drive: drive.into(), path: path.into(), drive_path: root(), ..Self::default() }
    }
}

/// The answer of `GET /drives/mount`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriveMounts {
    /// What is mounted; a server that has nothing may say null.
    #[serde(default, deserialize_with = "page::every")]
    pub mounts: Vec<DriveMount>,
}

/// The body of `POST /drives/mount`. It says the same as the [`DriveMount`] that it asks for.
pub type MountRequest = DriveMount;

/// The answer of `POST /drives/mount`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MountOutcome {
    /// Whether it is mounted now.
    pub success: bool,
    /// A sentence.
    #[serde(default)]
    pub message: String,
    /// What is mounted.
    #[serde(flatten)]
    pub mount: DriveMount,
}

impl MountOutcome {
    /// Says that `mount` is in place.
    pub fn mounted(mount: DriveMount, message: impl Into<String>) -> Self {
        Self { success: true, message: message.into(), mount }
    }
}

/// The answer of `DELETE /drives/mount/{path}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UnmountOutcome {
    /// Whether it is gone now.
    pub success: bool,
    /// A sentence.
    #[serde(default)]
    pub message: String,
    /// What was unmounted.
    #[serde(rename = "mountPath")]
    pub path: String,
}

impl UnmountOutcome {
    /// Says that nothing is mounted at `path` any more.
    pub fn unmounted(path: &MountPath) -> Self {
        Self {
            success: true,
            message: format!("nothing is mounted at {path} any more"),
            path: path.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_path_is_absolute_and_clean() {
        assert_eq!(MountPath::new("mnt/a//b/").unwrap().as_str(), "/mnt/a/b");
        for bad in ["", "/", "//", "/mnt/../etc", &format!("/{}", "a".repeat(512))] {
            assert!(MountPath::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_a_sandbox_needs_is_reserved_with_all_below_it() {
        let reserved = |path| MountPath::new(path).unwrap().reserved();
        for (path, by) in
            [("/proc", "/proc"), ("proc/./1", "/proc"), ("/dev/shm", "/dev"), ("//run/x/", "/run")]
        {
            assert_eq!(reserved(path), Some(by), "{path}");
        }
        for path in ["/process", "/mnt/proc", "/running"] {
            assert_eq!(reserved(path), None, "{path}");
        }
    }

    #[test]
    fn a_drive_name_starts_with_a_letter_or_digit() {
        assert!(DriveName::new("a-b_C9").is_ok());
        for bad in ["", "-a", "_a", "a b", "a/b", &"a".repeat(129)] {
            assert!(DriveName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn mounts_are_the_platforms_json() {
        let mounts: DriveMounts =
            serde_json::from_str(r#"{"mounts":[{"driveName":"d","mountPath":"/m","extra":1}]}"#).unwrap();
        assert_eq!(mounts.mounts, [DriveMount::new("d", "/m")]);
        assert_eq!(
            serde_json::from_str::<DriveMounts>(r#"{"mounts":null}"#).unwrap(),
            DriveMounts::default()
        );
        let json = serde_json::to_value(MountOutcome::mounted(DriveMount::new("d", "/m"), "ok")).unwrap();
        assert_eq!(json["driveName"], "d");
        assert_eq!(json["success"], true);
    }
}

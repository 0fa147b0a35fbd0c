use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{AppPath, InvalidInput, MountPath};

/// The name of a sandbox: lower case letters, digits and hyphens, at most 49, no hyphen at an end.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SandboxName(String);

impl SandboxName {
    /// The longest name there is.
    pub const MAX: usize = 49;

    /// Checks a name.
    ///
    /// # Errors
    /// When it holds anything else, or too much.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidInput> {
        let name = name.into();
        if !Self::is_one(&name) {
            let rule = "use 1 to 49 lower case letters, digits and hyphens, with no hyphen at an end";
            return Err(InvalidInput::new("sandbox name", name, rule));
        }
        Ok(Self(name))
    }

    pub(crate) fn is_one(name: &str) -> bool {
        let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        !name.is_empty()
            && name.len() <= Self::MAX
            && letters
            && !name.starts_with('-')
            && !name.ends_with('-')
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SandboxName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SandboxName {
    type Err = InvalidInput;
    fn from_str(s: &str) -> Result<Self, InvalidInput> {
        Self::new(s)
    }
}

impl TryFrom<String> for SandboxName {
    type Error = InvalidInput;
    fn try_from(s: String) -> Result<Self, InvalidInput> {
        Self::new(s)
    }
}

impl From<SandboxName> for String {
    fn from(name: SandboxName) -> Self {
        name.0
    }
}

/// A port inside a sandbox, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Port(NonZeroU16);

impl Port {
    /// Checks a port of any integer type.
    ///
    /// # Errors
    /// When it is not within 1 to 65535.
    pub fn new<N>(port: N) -> Result<Self, InvalidInput>
    where
        N: TryInto<u16> + fmt::Display + Copy,
    {
        let number: Option<u16> = port.try_into().ok();
        match number.and_then(NonZeroU16::new) {
            Some(number) => Ok(Self(number)),
            None => Err(InvalidInput::new("port", port.to_string(), "use a number from 1 to 65535")),
        }
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u16 {
        self.0.get()
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Port {
    type Err = InvalidInput;
    fn from_str(s: &str) -> Result<Self, InvalidInput> {
        // One port has one name: no sign, no zeros before it.
        let plain = s.bytes().all(|b| b.is_ascii_digit()) && !s.starts_with('0');
        match s.parse::<u16>() {
            Ok(number) if plain => Self::new(number),
            _ => Err(InvalidInput::new("port", s, "use a number from 1 to 65535")),
        }
    }
}

/// Where a sandbox answers: its data plane hangs below this URL.
///
/// It has no trailing slash, no query and no fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct SandboxUrl(String);

impl SandboxUrl {
    /// Takes a URL as it is, as from a forced URL or a sandbox record.
    ///
    /// # Errors
    /// When it is no absolute `http` or `https` URL, or carries a user name or a password.
    pub fn new(url: &str) -> Result<Self, InvalidInput> {
        let refused = |rule| InvalidInput::new("sandbox URL", redacted(url), rule);
        let parsed = Url::parse(url.trim()).map_err(|_| refused("use http://host or https://host"))?;
        if !matches!(parsed.scheme(), "http" | "https") || parsed.host_str().is_none_or(str::is_empty) {
            return Err(refused("use http://host or https://host"));
        }
        if !parsed.username().is_empty() || parsed.password().is_some() {
            return Err(refused("it must not carry a user name or a password"));
        }
        if parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(refused("it must not carry a query or a fragment"));
        }
        Ok(Self(parsed.as_str().trim_end_matches('/').to_owned()))
    }

    /// `{run}/{workspace}/sandboxes/{name}`, where the platform serves it.
    ///
    /// # Errors
    /// When `run` is no URL or the workspace is no path segment.
    pub fn on_platform(run: &str, workspace: &str, name: &SandboxName) -> Result<Self, InvalidInput> {
        Self::new(run)?.sandbox(workspace, name)
    }

    /// The same below a base that has been checked.
    ///
    /// # Errors
    /// When the workspace is no path segment.
    ///
    /// ```
    /// use reveille_wire::{SandboxName, SandboxUrl};
    ///
    /// let run = SandboxUrl::new("https://run.blaxel.ai")?;
    /// let url = run.sandbox("acme", &SandboxName::new("box")?)?;
    /// assert_eq!(url.as_str(), "https://run.blaxel.ai/acme/sandboxes/box");
    /// # Ok::<(), reveille_wire::InvalidInput>(())
    /// ```
    pub fn sandbox(&self, workspace: &str, name: &SandboxName) -> Result<Self, InvalidInput> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if workspace.is_empty() || workspace.starts_with('.') || !workspace.bytes().all(plain) {
            let rule = "use letters, digits, hyphens, underscores and dots";
            return Err(InvalidInput::new("workspace", workspace, rule));
        }
        Ok(Self([&*self.0, "/", workspace, "/sandboxes/", name.as_str()].concat()))
    }

    /// The base itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of an endpoint, for example `/drives/mount`.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The URL of an HTTP server on `port` inside the sandbox.
    #[must_use]
    pub fn port(&self, port: Port, path: &AppPath) -> String {
        format!("{}/port/{port}{path}", self.0)
    }

    /// The URL that unmounts what is at `path`.
    #[must_use]
    pub fn unmount(&self, path: &MountPath) -> String {
        self.endpoint(&path.as_url_path("/drives/mount"))
    }
}

impl From<SandboxUrl> for String {
    fn from(url: SandboxUrl) -> Self {
        url.0
    }
}

impl fmt::Display for SandboxUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for SandboxUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SandboxUrl({})", self.0)
    }
}

/// A URL without what may be secret in it: user, password, query, fragment.
fn redacted(url: &str) -> String {
    let plain = url.split(['?', '#']).next().unwrap_or_default();
    match (plain.find("://"), plain.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}{}", &plain[..scheme + 3], &plain[at + 1..]),
        _ => plain.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_out_of_range_says_so() {
        assert_eq!(
            Port::new(70000).unwrap_err().to_string(),
            "\"70000\" is not a port: use a number from 1 to 65535"
        );
        assert!(Port::new(0).is_err() && Port::new(-1).is_err() && Port::new(65536).is_err());
        assert_eq!(Port::new(65535).unwrap().get(), 65535);
    }

    #[test]
    fn a_port_is_written_in_one_way() {
        assert_eq!("80".parse::<Port>().unwrap().get(), 80);
        for bad in ["", "+80", "080", "0", "65536", "-1", "8 0", "0x50", "٨٠", "80.0", "99999999999999999999"]
        {
            assert!(bad.parse::<Port>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_name_is_a_dns_like_label() {
        for good in ["a", "box", "my-box-2", &"x".repeat(49)] {
            assert_eq!(SandboxName::new(good).unwrap().as_str(), good);
        }
        for bad in ["", "Box", "a_b", "-a", "a-", "a/b", "..", "ä", &"x".repeat(50)] {
            assert!(SandboxName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_forced_url_is_kept_but_for_its_trailing_slash() {
        assert_eq!(SandboxUrl::new("http://127.0.0.1:8080/").unwrap().as_str(), "http://127.0.0.1:8080");
        assert_eq!(SandboxUrl::new("https://h/a/b/").unwrap().as_str(), "https://h/a/b");
    }

    #[test]
    fn a_refused_url_does_not_repeat_its_secrets() {
        for bad in ["ftp://u:secret@h", "http://u:secret@h/", "http://h?token=secret", "no url"] {
            let said = SandboxUrl::new(bad).unwrap_err().to_string();
            assert!(!said.contains("secret"), "{said}");
        }
    }

    #[test]
    fn a_workspace_cannot_climb() {
        let name = SandboxName::new("box").unwrap();
        assert!(SandboxUrl::on_platform("http://h", "..", &name).is_err());
        assert!(SandboxUrl::on_platform("http://h", "a/b", &name).is_err());
    }
}

use std::path::PathBuf;

use crate::report::Failure;

/// Something in a sandbox, as it is typed: `SANDBOX:PATH`. A sandbox may be a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remote {
    /// A name, or a URL.
    pub(crate) sandbox: String,
    /// Absolute, or relative to its working directory.
    pub(crate) path: String,
}

/// Where something is that is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Standard input or output.
    Stream,
    Here(PathBuf),
    There(Remote),
}

impl Remote {
    /// Reads `SANDBOX:PATH`, or `SANDBOX` with a path of its own behind it.
    pub(crate) fn read(typed: &str, path: Option<&str>) -> Result<Self, Failure> {
        match (split(typed), path) {
            (Some(_), Some(path)) => Err(Failure::usage(format!("{path:?} is a second path"))),
            (Some((sandbox, path)), None) => Ok(Self::new(sandbox, path)),
            (None, path) => Ok(Self::new(typed, path.unwrap_or_default())),
        }
    }

    fn new(sandbox: &str, path: &str) -> Self {
        let path = if path.is_empty() { "." } else { path };
        Self { sandbox: sandbox.to_owned(), path: path.to_owned() }
    }

    /// The path of `name` in it.
    pub(crate) fn join(&self, name: &str) -> Self {
        let path = match self.path.trim_end_matches('/') {
            "." => name.to_owned(),
            path => format!("{path}/{name}"),
        };
        Self { sandbox: self.sandbox.clone(), path }
    }

    /// Its own name, where it has one.
    pub(crate) fn name(&self) -> Option<&str> {
        let name = self.path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        (!matches!(name, "" | "." | "..")).then_some(name)
    }
}

impl std::fmt::Display for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.sandbox, self.path)
    }
}

impl Place {
    /// Reads a place as scp does: what has a colon before any slash is in a sandbox, and `-` is a stream.
    pub(crate) fn read(typed: &str) -> Self {
        match split(typed) {
            _ if typed == "-" => Self::Stream,
            Some((sandbox, path)) => Self::There(Remote::new(sandbox, path)),
            None => Self::Here(PathBuf::from(typed)),
        }
    }
}

/// The sandbox and the path of `SANDBOX:PATH`.
fn split(typed: &str) -> Option<(&str, &str)> {
    if let Some(scheme) = typed.find("://") {
        let at = typed.rfind(":/").filter(|at| *at > scheme)?;
        return Some((&typed[..at], &typed[at + 1..]));
    }
    let (sandbox, path) = typed.split_once(':')?;
    (!sandbox.is_empty() && !sandbox.contains('/')).then_some((sandbox, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn there(sandbox: &str, path: &str) -> Place {
        Place::There(Remote { sandbox: sandbox.to_owned(), path: path.to_owned() })
    }

    #[test]
    fn a_place_is_read_as_scp_reads_it() {
        assert_eq!(Place::read("box:/a:b"), there("box", "/a:b"));
        assert_eq!(Place::read("box:a"), there("box", "a"));
        assert_eq!(Place::read("box:"), there("box", "."));
        assert_eq!(Place::read("http://h:80/x:/a"), there("http://h:80/x", "/a"));
        assert_eq!(Place::read("-"), Place::Stream);
        for here in ["a", "./a:b", "/a:b", ":a"] {
            assert_eq!(Place::read(here), Place::Here(here.into()));
        }
    }

    #[test]
    fn a_path_stands_behind_the_sandbox_in_either_way() {
        let read = |typed, path| Remote::read(typed, path).ok().map(|remote| remote.to_string());
        assert_eq!(read("box:/a", None).as_deref(), Some("box:/a"));
        assert_eq!(read("box", Some("/a")).as_deref(), Some("box:/a"));
        assert_eq!(read("box", None).as_deref(), Some("box:."));
        assert_eq!(read("http://h:80", Some("/a")).as_deref(), Some("http://h:80:/a"));
        assert_eq!(read("box:/a", Some("/b")), None);
    }
}

use serde::{Deserialize, Serialize};

/// One line of `GET /watch/filesystem/{path}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WatchEvent {
    /// What happened: a [`WatchOp`] by its name, or several joined by `|`.
    pub op: String,
    /// The name of what it happened to, in its directory.
    #[serde(default)]
    pub name: String,
    /// The directory.
    #[serde(default)]
    pub path: String,
    /// What went wrong, where something did.
    #[serde(default)]
    pub error: Option<String>,
}

/// What happened to a file or directory that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WatchOp {
    /// It is there now, also under another name than before.
    Create,
    /// Its content changed.
    Write,
    /// It is gone.
    Remove,
    /// It is not under this name any more.
    Rename,
    /// Its mode or owner changed.
    Chmod,
    /// More happened at once than the system keeps: events were lost. Only our own agent tells.
    Overflow,
    /// One that this crate does not know.
    Other,
}

impl WatchOp {
    /// Its name in the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Write => "WRITE",
            Self::Remove => "REMOVE",
            Self::Rename => "RENAME",
            Self::Chmod => "CHMOD",
            Self::Overflow => "OVERFLOW",
            Self::Other => "OTHER",
        }
    }

    fn parse(name: &str) -> Self {
        let known = [Self::Create, Self::Write, Self::Remove, Self::Rename, Self::Chmod, Self::Overflow];
        known.into_iter().find(|op| op.as_str() == name).unwrap_or(Self::Other)
    }
}

impl WatchEvent {
    /// Says that `op` happened to `name` in the directory `path`.
    pub fn new(op: WatchOp, path: impl Into<String>, name: impl Into<String>) -> Self {
        Self { op: op.as_str().to_owned(), name: name.into(), path: path.into(), error: None }
    }

    /// Says that something went wrong with the directory `path`.
    pub fn failed(op: WatchOp, path: impl Into<String>, error: impl Into<String>) -> Self {
        Self { error: Some(error.into()), ..Self::new(op, path, "") }
    }

    /// All that happened, in the order in which it is named.
    pub fn ops(&self) -> impl Iterator<Item = WatchOp> + '_ {
        self.op.split('|').map(str::trim).filter(|name| !name.is_empty()).map(WatchOp::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_at_once_are_taken_apart_and_an_unknown_one_stays_one() {
        let event: WatchEvent = serde_json::from_str(r#"{"op":"CREATE|WRITE|FLY","error":null}"#).unwrap();
        assert_eq!(event.ops().collect::<Vec<_>>(), [WatchOp::Create, WatchOp::Write, WatchOp::Other]);
    }
}

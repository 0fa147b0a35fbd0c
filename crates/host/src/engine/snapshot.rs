use std::fmt;

use super::id;

const KIND: &str = "snap";

/// What a snapshot is called between a host and its engine.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SnapshotId(String);

impl SnapshotId {
    /// A new one.
    #[must_use]
    pub fn random() -> Self {
        Self(id::random(KIND))
    }

    /// One that was made before; `None` where it cannot be one.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        id::is_one(KIND, text).then(|| Self(text.to_owned()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_is_read() {
        let made = SnapshotId::random();
        assert_eq!(SnapshotId::read(made.as_str()), Some(made));
        for text in ["", "snap-", "snap-../../etc/passwd0", "snap-0123456789abcdeF", "snap-0123456789abcdef0"]
        {
            assert_eq!(SnapshotId::read(text), None, "{text}");
        }
    }
}

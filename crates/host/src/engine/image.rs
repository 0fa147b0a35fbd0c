use std::fmt;

use serde::{Deserialize, Serialize};

use super::id;

const KIND: &str = "image";

/// What an image is called between a host and its engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct ImageId(String);

impl ImageId {
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

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<ImageId> for String {
    fn from(id: ImageId) -> Self {
        id.0
    }
}

impl TryFrom<String> for ImageId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text).ok_or_else(|| format!("{text:?} is no id of an image"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_made_is_read() {
        let made = ImageId::random();
        assert_eq!(ImageId::read(made.as_str()), Some(made));
        for text in
            ["", "image-", "image-../../etc/passwd0", "image-0123456789abcdeF", "image-0123456789abcdef0"]
        {
            assert_eq!(ImageId::read(text), None, "{text}");
        }
    }
}

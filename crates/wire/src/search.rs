use serde::{Deserialize, Serialize};

use crate::file::null_is_empty;

/// What a search found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FoundKind {
    /// A file, or anything that is no directory.
    #[default]
    File,
    /// A directory.
    Directory,
    /// One that this crate does not know.
    #[serde(other)]
    Other,
}

/// Something that `GET /filesystem-find/{path}` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindMatch {
    /// Where it is below the directory that was searched.
    pub path: String,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FoundKind,
}

impl FindMatch {
    /// Says that there is a `kind` at `path`.
    pub fn new(path: impl Into<String>, kind: FoundKind) -> Self {
        Self { path: path.into(), kind }
    }
}

/// The answer of `GET /filesystem-find/{path}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindMatches {
    /// What was found.
    #[serde(deserialize_with = "null_is_empty")]
    pub matches: Vec<FindMatch>,
    /// How many that are.
    pub total: usize,
}

impl FindMatches {
    /// Tells of `matches`.
    #[must_use]
    pub fn new(matches: Vec<FindMatch>) -> Self {
        Self { total: matches.len(), matches }
    }
}

/// Something that `GET /filesystem-search/{path}` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FuzzyMatch {
    /// Where it is below the directory that was searched.
    pub path: String,
    /// How well it fits: the more the better, on no scale.
    pub score: u32,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: FoundKind,
}

impl FuzzyMatch {
    /// Says that there is a `kind` at `path`, which fits so well.
    pub fn new(path: impl Into<String>, score: u32, kind: FoundKind) -> Self {
        Self { path: path.into(), score, kind }
    }
}

/// The answer of `GET /filesystem-search/{path}`, the best first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FuzzyMatches {
    /// What was found.
    #[serde(deserialize_with = "null_is_empty")]
    pub matches: Vec<FuzzyMatch>,
    /// How many that are.
    pub total: usize,
}

impl FuzzyMatches {
    /// Tells of `matches`.
    #[must_use]
    pub fn new(matches: Vec<FuzzyMatch>) -> Self {
        Self { total: matches.len(), matches }
    }
}

/// A line that `GET /filesystem-content-search/{path}` found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContentMatch {
    /// The file, below the directory that was searched.
    pub path: String,
    /// The line, counted from 1.
    pub line: usize,
    /// Where in the line the text begins, in bytes, counted from 1.
    pub column: usize,
    /// The line; of a long one the part around the text.
    pub text: String,
    /// The line with those around it, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
}

impl ContentMatch {
    /// Says that `text` holds what was searched for, and where it stands.
    pub fn new(path: impl Into<String>, line: usize, column: usize, text: impl Into<String>) -> Self {
        Self { path: path.into(), line, column, text: text.into(), context: None }
    }
}

/// The answer of `GET /filesystem-content-search/{path}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ContentMatches {
    /// What was searched for.
    pub query: String,
    /// What was found.
    #[serde(deserialize_with = "null_is_empty")]
    pub matches: Vec<ContentMatch>,
    /// How many that are.
    pub total: usize,
}

impl ContentMatches {
    /// Tells of `matches` for `query`.
    #[must_use]
    pub fn new(query: String, matches: Vec<ContentMatch>) -> Self {
        Self { query, total: matches.len(), matches }
    }
}

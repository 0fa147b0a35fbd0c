use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::file::null_is_empty;

/// The body of `POST /filesystem-multipart/initiate/{path}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct UploadRequest {
    /// The mode of the file, in octal; 0644 when missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<String>,
}

/// An upload in parts that has begun.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UploadBegun {
    /// What the other calls name it by.
    pub upload_id: String,
    /// What it will be.
    #[serde(default)]
    pub path: String,
}

impl UploadBegun {
    /// Says that `upload_id` will be `path`.
    pub fn new(upload_id: impl Into<String>, path: impl Into<String>) -> Self {
        Self { upload_id: upload_id.into(), path: path.into() }
    }
}

/// A part that has been uploaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UploadedPart {
    /// Its place among the parts, 1 to 10,000.
    pub part_number: u32,
    /// The MD5 of its bytes, in hexadecimal.
    pub etag: String,
    /// How many bytes.
    #[serde(default)]
    pub size: u64,
    /// When (RFC 3339), where a list is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uploaded_at: Option<String>,
}

impl UploadedPart {
    /// Tells of a part.
    pub fn new(part_number: u32, etag: impl Into<String>, size: u64) -> Self {
        Self { part_number, etag: etag.into(), size, uploaded_at: None }
    }
}

/// A part as the end of an upload names it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartName {
    /// Its place among the parts.
    pub part_number: u32,
    /// What the server said of it.
    #[serde(default)]
    pub etag: String,
}

/// The body of `POST /filesystem-multipart/{id}/complete`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadEnd {
    /// All parts of the file, in any order.
    #[serde(default)]
    pub parts: Vec<PartName>,
}

/// The answer of `GET /filesystem-multipart/{id}/parts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UploadedParts {
    /// The upload.
    pub upload_id: String,
    /// Its parts so far, in order.
    #[serde(deserialize_with = "null_is_empty")]
    pub parts: Vec<UploadedPart>,
}

/// An upload that has not ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Upload {
    /// What the other calls name it by.
    pub upload_id: String,
    /// What it will be.
    pub path: String,
    /// The mode that it will have, as a number.
    pub permissions: u32,
    /// When it began (RFC 3339).
    pub initiated_at: String,
    /// Its parts so far, by their numbers.
    pub parts: BTreeMap<u32, UploadedPart>,
}

/// The answer of `GET /filesystem-multipart`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uploads {
    /// What has not ended.
    #[serde(deserialize_with = "null_is_empty")]
    pub uploads: Vec<Upload>,
}

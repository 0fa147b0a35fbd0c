//! Drives, volumes and images as records of the control plane.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::{Metadata, PageMeta};

/// A volume: files with a life of their own, in one sandbox at a time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Volume {
    /// Who it is.
    pub metadata: Metadata,
    /// What it should be.
    pub spec: VolumeSpec,
    /// What is true of it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<VolumeState>,
    /// Where it stands, in the words of a sandbox's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a volume should be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct VolumeSpec {
    /// Where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// MB. It can grow and not shrink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What it begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What is true of a volume now.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct VolumeState {
    /// What has it, `sandbox:NAME`; empty when nothing has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attached_to: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A drive of the workspace, which sandboxes mount while they run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Drive {
    /// Who it is.
    pub metadata: Metadata,
    /// What it should be: `region`, `permissions`.
    pub spec: Map<String, Value>,
    /// Where it stands, in the words of a sandbox's status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// An image that sandboxes are made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct Image {
    /// Who it is.
    pub metadata: Metadata,
    /// What is known of it: `size`, `tagCount`.
    pub spec: Map<String, Value>,
    /// Where it stands: `BUILT`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// A page of a list; a bare list from servers of an older version is one page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it.
    pub data: Vec<T>,
    /// Where the next page is.
    pub meta: PageMeta,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Page<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ReadPage(PhantomData))
    }
}

struct ReadPage<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ReadPage<T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of a list, or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Page<T>, A::Error> {
        let mut page = Page { data: Vec::new(), meta: PageMeta::default() };
        while let Some(record) = from.next_element()? {
            page.data.push(record);
        }
        Ok(page)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Page<T>, A::Error> {
        let (mut data, mut meta) = (None, PageMeta::default());
        while let Some(key) = from.next_key::<String>()? {
            match key.as_str() {
                "data" => data = Some(from.next_value::<Option<Vec<T>>>()?.unwrap_or_default()),
                "meta" => meta = from.next_value::<Option<PageMeta>>()?.unwrap_or_default(),
                _ => drop(from.next_value::<serde::de::IgnoredAny>()?),
            }
        }
        // An object without it is another answer, and no empty list.
        let data = data.ok_or_else(|| serde::de::Error::missing_field("data"))?;
        Ok(Page { data, meta })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_comes_in_either_form_and_another_answer_is_none() {
        let bare: Page<Volume> = serde_json::from_str(r#"[{"metadata":{"name":"v"}}]"#).unwrap();
        let text = r#"{"data":[{"metadata":{"name":"v"}}],"meta":{"hasMore":true,"nextCursor":"x"}}"#;
        let paged: Page<Volume> = serde_json::from_str(text).unwrap();
        assert_eq!(bare.data, paged.data);
        assert_eq!(paged.meta.next_cursor.as_deref(), Some("x"));
        assert_eq!(serde_json::from_str::<Page<Volume>>(r#"{"data":null}"#).unwrap().data, []);
        assert!(serde_json::from_str::<Page<Volume>>(r#"{"error":"x"}"#).is_err());
    }

    #[test]
    fn a_record_keeps_what_it_does_not_know() {
        let text =
            r#"{"metadata":{"name":"v"},"spec":{"size":5,"new":1},"state":{"attachedTo":""},"events":[]}"#;
        let volume: Volume = serde_json::from_str(text).unwrap();
        assert_eq!(volume.spec.size, Some(5));
        let again = serde_json::to_value(&volume).unwrap();
        assert_eq!(again, serde_json::from_str::<Value>(text).unwrap());
    }
}

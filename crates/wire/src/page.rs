//! Lists, which are read with bounded memory: the server that writes one may be a sandbox that nobody trusts.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// A page of a list of the control plane; a bare list, from servers of an older version, is one page.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// What is on it; of a longer page the first [`MOST`](Self::MOST).
    pub data: Vec<T>,
    /// Where the next page is.
    pub meta: PageMeta,
    /// How many more the page held than were read.
    #[serde(skip)]
    pub left_out: u64,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl<T> Page<T> {
    /// The most records that are read of one page. The platform's pages hold 50, and 200 at the most.
    pub const MOST: usize = 10_000;
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { data: Vec::new(), meta: PageMeta::default(), left_out: 0, other: Map::new() }
    }
}

/// Where the next page of a list is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PageMeta {
    /// Whether there is one.
    pub has_more: bool,
    /// What asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// How many there are in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Page<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(ReadPage(PhantomData))
    }
}

/// Reads a page record by record, so that nothing is held twice.
struct ReadPage<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ReadPage<T> {
    type Value = Page<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page of a list, or a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, from: A) -> Result<Page<T>, A::Error> {
        let First { records, left_out } = First::read(from)?;
        Ok(Page { data: records, left_out, ..Page::default() })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Page<T>, A::Error> {
        let mut page = Page::default();
        let mut listed = None;
        while let Some(key) = from.next_key::<String>()? {
            match key.as_str() {
                "data" => listed = Some(from.next_value::<Option<First<T>>>()?.unwrap_or_default()),
                "meta" => page.meta = from.next_value::<Option<PageMeta>>()?.unwrap_or_default(),
                _ => drop(page.other.insert(key, from.next_value()?)),
            }
        }
        // An object without it is another answer, and no empty list.
        let First { records, left_out } = listed.ok_or_else(|| A::Error::missing_field("data"))?;
        Ok(Page { data: records, left_out, ..page })
    }
}

/// The first records of a list, and how many more there were.
struct First<T> {
    records: Vec<T>,
    left_out: u64,
}

impl<T> Default for First<T> {
    fn default() -> Self {
        Self { records: Vec::new(), left_out: 0 }
    }
}

impl<T> First<T> {
    fn read<'de, A>(mut from: A) -> Result<Self, A::Error>
    where
        A: SeqAccess<'de>,
        T: Deserialize<'de>,
    {
        let mut first = Self::default();
        while first.records.len() < Page::<T>::MOST {
            match from.next_element()? {
                Some(record) => first.records.push(record),
                None => return Ok(first),
            }
        }
        while from.next_element::<IgnoredAny>()?.is_some() {
            first.left_out += 1;
        }
        Ok(first)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for First<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = First<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, from: A) -> Result<First<T>, A::Error> {
                First::read(from)
            }
        }
        from.deserialize_seq(Read(PhantomData))
    }
}

/// A list without pages, which is read whole or refused: it has no place to say that there was more.
///
/// ```
/// use reveille_wire::{Every, ProcessResponse};
///
/// let Every(processes) = serde_json::from_str::<Every<ProcessResponse>>(r#"[{"pid":"7"}]"#)?;
/// assert_eq!(processes.len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Every<T>(pub Vec<T>);

impl<T> Every<T> {
    /// The most entries that are read.
    pub const MOST: usize = 100_000;
}

impl<T> Default for Every<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Every<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Read<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Read<T> {
            type Value = Every<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of {} entries at the most", Every::<T>::MOST)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Every<T>, A::Error> {
                let mut every = Vec::new();
                while let Some(entry) = from.next_element()? {
                    if every.len() == Every::<T>::MOST {
                        return Err(A::Error::invalid_length(every.len() + 1, &self));
                    }
                    every.push(entry);
                }
                Ok(Every(every))
            }
        }
        from.deserialize_seq(Read(PhantomData))
    }
}

/// The entries of a list within an answer, as [`Every`] reads them. A server that has nothing may say null.
pub(crate) fn every<'de, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Every<T>>::deserialize(from)?.unwrap_or_default().0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DriveMounts, Sandbox, Volume};

    #[test]
    fn a_list_comes_in_either_form_and_another_answer_is_none() {
        let bare: Page<Volume> = serde_json::from_str(r#"[{"metadata":{"name":"v"}}]"#).unwrap();
        let text =
            r#"{"data":[{"metadata":{"name":"v"}}],"meta":{"hasMore":true,"nextCursor":"x","n":1},"y":2}"#;
        let paged: Page<Volume> = serde_json::from_str(text).unwrap();
        assert_eq!(bare.data, paged.data);
        assert_eq!((bare.meta.has_more, paged.meta.has_more), (false, true));
        assert_eq!(paged.meta.next_cursor.as_deref(), Some("x"));
        assert_eq!((&paged.meta.other["n"], &paged.other["y"]), (&1.into(), &2.into()));
        assert_eq!(serde_json::to_value(&paged).unwrap()["meta"]["n"], 1);
        let empty: Page<Sandbox> = serde_json::from_str(r#"{"data":null,"meta":null}"#).unwrap();
        assert_eq!(empty, Page::default());
        for other in [r#"{"error":"x"}"#, "{}", "null", r#"{"data":{}}"#, r#"{"data":[{}"#] {
            assert!(serde_json::from_str::<Page<Sandbox>>(other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_page_that_is_longer_than_is_read_says_so() {
        let json = format!("[{}{{}}]", "{},".repeat(Page::<Sandbox>::MOST + 6));
        let list: Page<Sandbox> = serde_json::from_str(&json).unwrap();
        assert_eq!((list.data.len(), list.left_out), (Page::<Sandbox>::MOST, 7));
        let list: Page<Volume> = serde_json::from_str(&format!(r#"{{"data":{json}}}"#)).unwrap();
        assert_eq!((list.data.len(), list.left_out), (Page::<Volume>::MOST, 7));
    }

    #[test]
    fn a_list_that_cannot_say_that_there_was_more_is_read_whole_or_refused() {
        let of = |entries: usize| format!("[{}{{}}]", "{},".repeat(entries - 1));
        let most = Every::<Volume>::MOST;
        assert_eq!(serde_json::from_str::<Every<Volume>>(&of(most)).unwrap().0.len(), most);
        let error = serde_json::from_str::<Every<Volume>>(&of(most + 1)).unwrap_err().to_string();
        assert!(error.contains("100000 entries at the most"), "{error}");
        let mount = r#"{"driveName":"d","mountPath":"/m"}"#;
        let json = format!(r#"{{"mounts":[{}{mount}]}}"#, format!("{mount},").repeat(most));
        assert!(serde_json::from_str::<DriveMounts>(&json).is_err());
    }
}

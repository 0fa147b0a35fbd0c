//! Lists in pages, or whole for clients of an older version. Whatever its length, one item at a time is in memory
//! as JSON.

use std::cmp::Ordering;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, BoxStream, StreamExt as _};
use http::{HeaderMap, HeaderValue, header::CONTENT_TYPE};
use reveille_wire::{PageMeta, header};
use serde::{Deserialize, Serialize};

use super::answer::Failure;

/// How many are on a page unless told otherwise, and at the most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1000;

/// From this version of the control plane on a list comes in pages.
const PAGED_SINCE: &str = "2026-04-28";

/// Which page of a list is asked for, and in which order.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Paging {
    cursor: Option<String>,
    limit: Option<i64>,
    sort: Sort,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
enum Sort {
    #[serde(rename = "createdAt:asc")]
    OldestFirst,
    #[default]
    #[serde(rename = "createdAt:desc")]
    NewestFirst,
    #[serde(rename = "name:asc")]
    Name,
    #[serde(rename = "name:desc")]
    NameBackwards,
}

/// What an item is sorted by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) created: String,
    pub(super) name: String,
}

/// What is on a page.
#[derive(Debug)]
pub(super) struct Page<T> {
    items: Vec<T>,
    meta: PageMeta,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Paged,
    Bare,
}

impl Paging {
    /// Takes the page out of all that there is.
    pub(super) fn page<T>(
        &self,
        headers: &HeaderMap,
        mut all: Vec<T>,
        key: impl Fn(&T) -> Key,
    ) -> Result<Page<T>, Failure> {
        all.sort_by_cached_key(&key);
        if matches!(self.sort, Sort::Name | Sort::NameBackwards) {
            all.sort_by_cached_key(|item| key(item).name);
        }
        if matches!(self.sort, Sort::NewestFirst | Sort::NameBackwards) {
            all.reverse();
        }
        let total = u64::try_from(all.len()).ok();
        let form = form(headers);
        if let Some(cursor) = &self.cursor {
            let after = Key::read(cursor)?;
            all.retain(|item| self.sort.order(&key(item), &after) == Ordering::Greater);
        }
        let limit = match (self.limit, form) {
            (None, Form::Bare) if self.cursor.is_none() => usize::MAX,
            (limit, _) => limit.map_or(PAGE, |limit| usize::try_from(limit).unwrap_or(1).clamp(1, MAX_PAGE)),
        };
        let has_more = all.len() > limit;
        all.truncate(limit);
        let next_cursor = all.last().filter(|_| has_more).map(|last| key(last).write());
        Ok(Page { items: all, meta: PageMeta { has_more, next_cursor, total, ..PageMeta::default() }, form })
    }
}

/// Clients that do not say a version get the newest.
fn form(headers: &HeaderMap) -> Form {
    let version = headers.get(header::VERSION).and_then(|version| version.to_str().ok());
    // Versions are dates, which sort as text.
    if version.is_none_or(|version| version >= PAGED_SINCE) { Form::Paged } else { Form::Bare }
}

impl Key {
    fn write(&self) -> String {
        format!("{}~{}", self.created, self.name)
    }

    fn read(cursor: &str) -> Result<Self, Failure> {
        let (created, name) = cursor.split_once('~').ok_or_else(|| {
            Failure::bad_request("cursor is none that this control plane gave: start over without")
        })?;
        Ok(Self { created: created.to_owned(), name: name.to_owned() })
    }
}

impl Sort {
    fn order(self, a: &Key, b: &Key) -> Ordering {
        match self {
            Self::OldestFirst => a.cmp(b),
            Self::NewestFirst => b.cmp(a),
            Self::Name => a.name.cmp(&b.name),
            Self::NameBackwards => b.name.cmp(&a.name),
        }
    }
}

impl<T: Send + 'static> Page<T> {
    /// The answer, with each item as `show` makes it.
    pub(super) fn answer<S, F>(self, show: impl Fn(T) -> F + Send + 'static) -> Response
    where
        S: Serialize + Send + 'static,
        F: Future<Output = S> + Send + 'static,
    {
        let (start, end) = match self.form {
            Form::Bare => ("[".to_owned(), "]".to_owned()),
            // The order of the two keys is the platform's.
            Form::Paged => {
                let meta = serde_json::to_string(&self.meta).unwrap_or_else(|_| "{}".to_owned());
                ("{\"data\":[".to_owned(), format!("],\"meta\":{meta}}}"))
            }
        };
        let items =
            stream::iter(self.items).then(show).enumerate().map(|(number, item)| written(number, &item));
        let start = stream::iter([Ok(Bytes::from(start))]);
        let end = stream::iter([Ok(Bytes::from(end))]);
        let all: BoxStream<'static, serde_json::Result<Bytes>> = start.chain(items).chain(end).boxed();
        let json = HeaderValue::from_static("application/json");
        ([(CONTENT_TYPE, json)], Body::from_stream(all)).into_response()
    }
}

fn written(number: usize, item: &impl Serialize) -> serde_json::Result<Bytes> {
    let mut json = if number == 0 { Vec::new() } else { b",".to_vec() };
    serde_json::to_writer(&mut json, item)?;
    Ok(json.into())
}

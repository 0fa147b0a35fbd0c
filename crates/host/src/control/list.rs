use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use reveille_wire::{PageMeta, Sandbox, header};
use serde::{Deserialize, Serialize};

use super::answer::Failure;
use super::secrets::Hidden;
use super::state::Control;
use crate::sandbox::Resident;

/// How many are on a page unless told otherwise, and at the most.
const PAGE: usize = 50;
const MAX_PAGE: usize = 1000;

/// From this version of the control plane on a list comes in pages.
const PAGED_SINCE: &str = "2026-04-28";

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Listing {
    cursor: Option<String>,
    limit: Option<usize>,
    q: Option<String>,
    sort: Sort,
    status: Option<String>,
    external_id: Option<String>,
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

/// One page, or the whole list for clients of an older version.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Listed {
    Page { data: Vec<Hidden>, meta: PageMeta },
    All(Vec<Hidden>),
}

pub(super) async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Query(listing): Query<Listing>,
) -> Result<Response, Failure> {
    let mut found: Vec<(Sandbox, Arc<Resident>)> =
        control.residents.all().into_iter().map(|resident| (resident.record(), resident)).collect();
    found.retain(|(record, _)| listing.wants(record));
    found.sort_by(|(a, _), (b, _)| listing.sort.order(&key(a), &key(b)));
    let total = found.len();
    if !is_paged(&headers) && listing.cursor.is_none() && listing.limit.is_none() {
        return Ok(Json(Listed::All(shown(&control, found).await)).into_response());
    }
    if let Some(cursor) = &listing.cursor {
        let after = read_cursor(cursor)?;
        found.retain(|(record, _)| listing.sort.order(&key(record), &after) == Ordering::Greater);
    }
    let limit = listing.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found.last().filter(|_| has_more).map(|(record, _)| write_cursor(&key(record)));
    let meta = PageMeta { has_more, next_cursor, total: u64::try_from(total).ok(), ..PageMeta::default() };
    let data = shown(&control, found).await;
    if is_paged(&headers) {
        return Ok(Json(Listed::Page { data, meta }).into_response());
    }
    Ok(Json(Listed::All(data)).into_response())
}

async fn shown(control: &Control, found: Vec<(Sandbox, Arc<Resident>)>) -> Vec<Hidden> {
    let mut shown = Vec::with_capacity(found.len());
    for (_, resident) in found {
        shown.push(control.shown(&resident).await);
    }
    shown
}

/// Clients that do not say a version get the newest.
fn is_paged(headers: &HeaderMap) -> bool {
    let version = headers.get(header::VERSION).and_then(|version| version.to_str().ok());
    // Versions are dates, which sort as text.
    version.is_none_or(|version| version >= PAGED_SINCE)
}

impl Listing {
    fn wants(&self, record: &Sandbox) -> bool {
        let metadata = &record.metadata;
        let named = self.q.as_ref().is_none_or(|q| {
            let q = q.to_lowercase();
            let names = [Some(&metadata.name), metadata.display_name.as_ref()];
            names.into_iter().flatten().any(|name| name.to_lowercase().contains(&q))
        });
        named
            && self.external_id.as_ref().is_none_or(|id| metadata.external_id.as_ref() == Some(id))
            && self.status.as_ref().is_none_or(|wanted| has_status(record, wanted))
    }
}

fn has_status(record: &Sandbox, wanted: &str) -> bool {
    let wanted: BTreeSet<String> = wanted.split(',').map(|one| one.trim().to_ascii_uppercase()).collect();
    let status = serde_json::to_value(record.status).unwrap_or_default();
    status.as_str().is_some_and(|status| wanted.contains(status))
}

/// What a record is sorted by: when it was made, and its name.
type Key = (String, String);

fn key(record: &Sandbox) -> Key {
    (record.metadata.created_at.clone().unwrap_or_default(), record.metadata.name.clone())
}

fn write_cursor((created, name): &Key) -> String {
    format!("{created}~{name}")
}

fn read_cursor(cursor: &str) -> Result<Key, Failure> {
    let (created, name) = cursor.split_once('~').ok_or_else(|| {
        Failure::bad_request("cursor is none that this control plane gave: start over without")
    })?;
    Ok((created.to_owned(), name.to_owned()))
}

impl Sort {
    fn order(self, a: &Key, b: &Key) -> Ordering {
        match self {
            Self::OldestFirst => a.cmp(b),
            Self::NewestFirst => b.cmp(a),
            Self::Name => a.1.cmp(&b.1),
            Self::NameBackwards => b.1.cmp(&a.1),
        }
    }
}

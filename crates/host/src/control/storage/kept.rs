//! What drives and volumes have in common.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::Response;
use reveille_wire::Metadata;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::answer::Failure;
use super::super::paging::{Key, Paging};
use super::super::spec::is_external_id;
use super::super::state::Control;
use crate::store::{Document, Shelf, Turn};

/// A record as the platform shapes it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Resource {
    pub(super) metadata: Metadata,
    pub(super) spec: Map<String, Value>,
}

/// One kind of them.
pub(super) trait Kept: Document + Clone + From<Resource> {
    /// What it is called, and the code of its absence.
    const WORD: &'static str;
    const NOT_FOUND: &'static str;
    const EXISTS: &'static str;

    fn resource(&self) -> &Resource;
    fn shelf(control: &Control) -> &Arc<Shelf<Self>>;

    /// Fills in what nobody said, and refuses what cannot be.
    fn check(spec: &mut Map<String, Value>, before: Option<&Map<String, Value>>) -> Result<(), Failure>;

    /// What is true of it now, beside its record.
    fn state(&self, control: &Control) -> Value;

    /// What this host knows of it and the platform has no place for.
    fn facts(&self, control: &Control) -> Option<Value>;
}

/// A drive, which sandboxes mount while they run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Drive(pub(super) Resource);

/// A volume.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Volume(pub(super) Resource);

impl Document for Drive {
    const KIND: &'static str = "drive";
}

impl Document for Volume {
    const KIND: &'static str = "volume";
}

impl From<Resource> for Drive {
    fn from(resource: Resource) -> Self {
        Self(resource)
    }
}

impl From<Resource> for Volume {
    fn from(resource: Resource) -> Self {
        Self(resource)
    }
}

/// What a list of them is narrowed to.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    q: Option<String>,
    external_id: Option<String>,
}

const MAX_NAME: usize = 49;
const MAX_DISPLAY_NAME: usize = 63;
const MAX_LABELS: usize = 256;

pub(super) fn find<K: Kept>(control: &Control, name: &str) -> Result<Arc<K>, Failure> {
    K::shelf(control).read(name).ok_or_else(|| no_such::<K>(name))
}

/// The right to change one that is there.
pub(super) async fn turn<K: Kept>(control: &Control, name: &str) -> Result<(Turn<K>, Arc<K>), Failure> {
    find::<K>(control, name)?;
    let turn = K::shelf(control).turn(name).await;
    match turn.read() {
        Some(record) => Ok((turn, record)),
        None => Err(no_such::<K>(name)),
    }
}

pub(super) fn by_external_id<K: Kept>(control: &Control, id: &str) -> Result<Arc<K>, Failure> {
    let mut all = K::shelf(control).all().into_iter();
    let found = all.find(|it| it.resource().metadata.external_id.as_deref() == Some(id));
    found.ok_or_else(|| {
        Failure::coded_not_found(K::NOT_FOUND, format!("there is no {} with the external id {id:?}", K::WORD))
    })
}

/// Takes the name of a new one, and makes its record. It is not written yet.
pub(super) async fn begin<K: Kept>(control: &Control, mut draft: Resource) -> Result<(Turn<K>, K), Failure> {
    if draft.metadata.name.is_empty() {
        draft.metadata.name = format!("{}-{:08x}", K::WORD, fastrand::u32(..));
    }
    check_metadata(&draft.metadata)?;
    let name = draft.metadata.name.clone();
    let shelf = K::shelf(control);
    let turn = shelf.turn(&name).await;
    if turn.read().is_some() || shelf.is_damaged(&name) {
        let message = format!("there is a {} called {name} already", K::WORD);
        return Err(Failure::exists(K::EXISTS, message));
    }
    K::check(&mut draft.spec, None)?;
    draft.metadata.created_at = Some(control.clock.stamp());
    draft.metadata.updated_at.clone_from(&draft.metadata.created_at);
    draft.metadata.workspace = None;
    Ok((turn, K::from(draft)))
}

/// What an update makes of a record: what it does not name stays.
pub(super) fn updated<K: Kept>(control: &Control, before: &K, asked: Resource) -> Result<K, Failure> {
    let mut next = before.resource().clone();
    if !asked.metadata.name.is_empty() && asked.metadata.name != next.metadata.name {
        return Err(Failure::bad_request(format!("a {} cannot be renamed", K::WORD)));
    }
    next.spec.extend(asked.spec);
    K::check(&mut next.spec, Some(&before.resource().spec))?;
    if asked.metadata.display_name.is_some() {
        next.metadata.display_name = asked.metadata.display_name;
    }
    if asked.metadata.external_id.is_some() {
        next.metadata.external_id = asked.metadata.external_id;
    }
    if !asked.metadata.labels.is_empty() {
        next.metadata.labels = asked.metadata.labels;
    }
    next.metadata.updated_at = Some(control.clock.stamp());
    check_metadata(&next.metadata)?;
    Ok(K::from(next))
}

pub(super) fn list<K: Kept>(
    control: &Arc<Control>,
    headers: &HeaderMap,
    filter: &Filter,
    paging: &Paging,
) -> Result<Response, Failure> {
    let mut found = K::shelf(control).all();
    found.retain(|record| filter.wants(record.resource()));
    let page = paging.page(headers, found, |record| {
        let metadata = &record.resource().metadata;
        Key { created: metadata.created_at.clone().unwrap_or_default(), name: metadata.name.clone() }
    })?;
    let control = Arc::clone(control);
    Ok(page.answer(move |record| {
        let shown = shown(&control, &*record);
        async move { shown }
    }))
}

/// A record with what is true of it now.
pub(super) fn shown<K: Kept>(control: &Control, record: &K) -> Value {
    let mut resource = record.resource().clone();
    resource.metadata.workspace = Some(control.workspace.clone());
    let Resource { metadata, spec } = resource;
    let state = record.state(control);
    let mut shown =
        json!({ "metadata": metadata, "spec": spec, "state": state, "status": "DEPLOYED", "events": [] });
    if let Some(facts) = record.facts(control) {
        shown["reveille"] = facts;
    }
    shown
}

fn check_metadata(metadata: &Metadata) -> Result<(), Failure> {
    let wrong = |message: &str| Err(Failure::bad_request(message));
    let name = &metadata.name;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let ends = |at: Option<u8>| at.is_some_and(|byte| byte != b'-');
    let is_name = name.len() <= MAX_NAME && name.bytes().all(plain);
    if !is_name || !ends(name.bytes().next()) || !ends(name.bytes().last()) || name == "by-external-id" {
        return wrong("metadata.name must be lower case letters, digits and hyphens, at most 49 of them");
    }
    if metadata.external_id.as_ref().is_some_and(|id| !is_external_id(id)) {
        return wrong("metadata.externalId must be letters, digits and hyphens, 1 to 64 of them");
    }
    if metadata.display_name.as_ref().is_some_and(|name| name.chars().count() > MAX_DISPLAY_NAME) {
        return wrong("metadata.displayName is longer than 63 characters");
    }
    if metadata.labels.len() > MAX_LABELS {
        return wrong("metadata.labels holds more than 256");
    }
    Ok(())
}

/// Begins with the platform's own words, which its clients' tests look for.
fn no_such<K: Kept>(name: &str) -> Failure {
    let mut word = K::WORD.to_owned();
    if let Some(first) = word.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Failure::coded_not_found(K::NOT_FOUND, format!("{word} not found: there is none called {name:?}"))
}

impl Filter {
    fn wants(&self, resource: &Resource) -> bool {
        let metadata = &resource.metadata;
        let named = self.q.as_ref().is_none_or(|q| metadata.name.contains(&q.to_lowercase()));
        named && self.external_id.as_ref().is_none_or(|id| metadata.external_id.as_ref() == Some(id))
    }
}

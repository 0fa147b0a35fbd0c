use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use reveille_wire::{Sandbox, Status};
use serde::Deserialize;

use super::super::answer::Failure;
use super::super::asked::Query;
use super::super::paging::{Key, Paging};
use super::super::record::Record;
use super::super::state::Control;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Filter {
    q: Option<String>,
    status: Option<String>,
    external_id: Option<String>,
    show_terminated: bool,
}

pub(super) async fn list(
    State(control): State<Arc<Control>>,
    headers: HeaderMap,
    Query(filter): Query<Filter>,
    Query(paging): Query<Paging>,
) -> Result<Response, Failure> {
    let mut found = control.records.all();
    found.retain(|record| filter.wants(record));
    let page = paging.page(&headers, found, |record| key(&record.sandbox))?;
    Ok(page.answer(move |record| {
        let control = Arc::clone(&control);
        async move { control.shown(&record).await }
    }))
}

fn key(sandbox: &Sandbox) -> Key {
    let metadata = &sandbox.metadata;
    Key { created: metadata.created_at.clone().unwrap_or_default(), name: metadata.name.clone() }
}

impl Filter {
    fn wants(&self, record: &Record) -> bool {
        let metadata = &record.sandbox.metadata;
        let named = self.q.as_ref().is_none_or(|q| {
            let q = q.to_lowercase();
            let names = [Some(&metadata.name), metadata.display_name.as_ref()];
            names.into_iter().flatten().any(|name| name.to_lowercase().contains(&q))
        });
        let shown = match &self.status {
            // Who asks for a status by its name gets it.
            Some(wanted) => has_status(record, wanted),
            None => self.show_terminated || record.status() != Status::Terminated,
        };
        let external = self.external_id.as_ref();
        named && shown && external.is_none_or(|id| metadata.external_id.as_ref() == Some(id))
    }
}

fn has_status(record: &Record, wanted: &str) -> bool {
    let wanted: BTreeSet<String> = wanted.split(',').map(|one| one.trim().to_ascii_uppercase()).collect();
    let status = serde_json::to_value(record.status()).unwrap_or_default();
    status.as_str().is_some_and(|status| wanted.contains(status))
}

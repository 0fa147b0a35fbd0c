//! Previews: doors to single ports of sandboxes, by URLs of their own, for people and programs without the API key.
//!
//! A preview answers below `/preview/{id}/` of the host, and at `http://{id}.preview.localhost:PORT/`, which
//! browsers and curl take to this machine. A private one wants a token.

mod door;
mod place;
mod record;

use std::sync::Arc;

use axum::body::Body;
use http::{HeaderMap, Request, Response, Uri};

use crate::auth::{Credentials, Keys};
use crate::clock::Clock;
use crate::store::Shelf;
pub(crate) use place::Urls;
pub(crate) use record::{API, Record, has_expired};

pub(crate) use door::Closed;
use door::Entry;
use place::Named;

/// Whether a request is to a preview, be it one that is none, and to nothing else of the host.
pub(crate) fn is_door(uri: &Uri, headers: &HeaderMap) -> bool {
    Named::by(uri, headers).is_some()
}

/// All previews of a host, as those who visit them meet them.
#[derive(Debug)]
pub(crate) struct Previews {
    pub(crate) shelf: Arc<Shelf<Record>>,
    pub(crate) clock: Clock,
    pub(crate) workspace: String,
    pub(crate) keys: Arc<Keys>,
}

/// What a preview does to the answer of its app.
#[derive(Debug)]
pub(crate) struct Visit {
    record: Arc<Record>,
    entry: Entry,
}

impl Previews {
    /// Whether a request is to one of these, open or not.
    pub(crate) fn knows<B>(&self, request: &Request<B>) -> bool {
        let named = Named::by(request.uri(), request.headers());
        named.is_some_and(|named| self.shelf.read(&named.id).is_some())
    }

    /// What a request to a preview becomes: one to the sandbox behind it. `None`: it is to no preview.
    pub(crate) fn visit<B>(&self, request: &mut Request<B>) -> Option<Result<Visit, Closed>> {
        let named = Named::by(request.uri(), request.headers())?;
        Some(self.enter(request, &named))
    }

    fn enter<B>(&self, request: &mut Request<B>, named: &Named) -> Result<Visit, Closed> {
        let now = self.clock.now();
        let record = self.shelf.read(&named.id).filter(|record| record.is_open(now));
        let record = record.ok_or_else(|| Closed::Unknown(named.id.clone()))?;
        let has_key = matches!(self.keys.check(request.headers()), Credentials::Right(_));
        let entry = door::enter(request, &record, named, has_key, now)?;
        record.dress_request(request.headers_mut());
        *request.uri_mut() = named.behind(&record, &self.workspace, request.uri())?;
        Ok(Visit { record, entry })
    }
}

impl Visit {
    /// What the app answered, as the preview shows it.
    pub(crate) fn answer(&self, response: &mut Response<Body>) {
        self.record.dress_response(response.headers_mut());
        self.entry.remember(response.headers_mut());
    }
}

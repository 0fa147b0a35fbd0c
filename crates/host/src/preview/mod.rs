//! Previews: doors to single ports of sandboxes, by URLs of their own, for people and programs without the API key.
//!
//! A preview answers below `/preview/{id}/` of the host, and at `http://{id}.preview.localhost:PORT/`, which
//! browsers and curl take to this machine. A private one wants a token.

mod cors;
mod door;
mod moving;
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

/// What becomes of a request to a preview.
#[derive(Debug)]
pub(crate) enum Met {
    /// It goes on to the app, whose answer the visit is shown.
    Enters(Visit),
    /// It is answered here: a browser asks what a page of another origin may send, and has no token then, or it opens
    /// a page, and goes on to the preview's own name.
    Answered(Response<Body>),
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
    pub(crate) fn visit<B>(&self, request: &mut Request<B>) -> Option<Result<Met, Closed>> {
        let named = Named::by(request.uri(), request.headers())?;
        Some(self.enter(request, &named))
    }

    fn enter<B>(&self, request: &mut Request<B>, named: &Named) -> Result<Met, Closed> {
        let now = self.clock.now();
        let record = self.shelf.read(&named.id).filter(|record| record.is_open(now));
        let record = record.ok_or_else(|| Closed::Unknown(named.id.clone()))?;
        if cors::is_preflight(request) {
            return Ok(Met::Answered(cors::preflight(record.response_headers())));
        }
        let has_key = matches!(self.keys.check(request.headers()), Credentials::Right(_));
        let entry = door::enter(request, &record, named, has_key, now)?;
        // A visitor who comes by a cookie has none for the other name.
        if (record.is_public() || entry != Entry::Plain)
            && let Some(mut response) = moving::by_name(request, named)
        {
            entry.remember(response.headers_mut());
            return Ok(Met::Answered(response));
        }
        record.dress_request(request.headers_mut());
        *request.uri_mut() = named.behind(&record, &self.workspace, request.uri())?;
        Ok(Met::Enters(Visit { record, entry }))
    }
}

/// What is added to the answer to those who do not get in, so that a page of another origin can read why.
pub(crate) fn turned_away(response: &mut Response<Body>) {
    cors::complete(response.headers_mut());
}

impl Visit {
    /// What the app answered, as the preview shows it.
    pub(crate) fn answer(&self, response: &mut Response<Body>) {
        cors::dress(response.headers_mut(), self.record.response_headers());
        cors::complete(response.headers_mut());
        self.entry.remember(response.headers_mut());
    }
}

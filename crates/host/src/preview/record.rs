//! What the store keeps of a preview.

use std::collections::BTreeMap;
use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use reveille_wire::{Preview, PreviewToken, SandboxName};
use serde::{Deserialize, Serialize};

use crate::auth::same;
use crate::clock;
use crate::store::Document;

/// The port that stands for the sandbox's own API.
pub(crate) const API: i64 = 443;

/// A preview and what opens it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What its URL holds; it is the key in the store, too.
    pub(crate) id: String,
    pub(crate) sandbox: SandboxName,
    pub(crate) preview: Preview,
    #[serde(default)]
    pub(crate) tokens: Vec<PreviewToken>,
    /// Until when it is open, of what its spec says.
    #[serde(default)]
    pub(crate) closes: Option<String>,
}

/// What is behind a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opened {
    /// The sandbox's own API.
    Api,
    Port(u16),
}

impl Document for Record {
    const KIND: &'static str = "preview";
}

impl Record {
    pub(crate) fn opened(&self) -> Opened {
        match self.preview.spec.port {
            None | Some(API) => Opened::Api,
            Some(port) => u16::try_from(port).map_or(Opened::Api, Opened::Port),
        }
    }

    pub(crate) fn is_public(&self) -> bool {
        self.preview.spec.public == Some(true)
    }

    /// Whether its time has not come yet.
    pub(crate) fn is_open(&self, now: SystemTime) -> bool {
        self.closes.as_deref().and_then(clock::read).is_none_or(|closes| now < closes)
    }

    /// Whether something is one of its tokens, and opens still.
    pub(super) fn opens_to(&self, given: &str, now: SystemTime) -> bool {
        let tokens = self.tokens.iter().filter(|token| !has_expired(token, now));
        let mut is_one = false;
        for token in tokens.filter_map(|token| token.spec.token.as_deref()) {
            // All are compared, so that the time says nothing.
            is_one |= same(given.as_bytes(), token.as_bytes());
        }
        is_one
    }

    pub(super) fn dress_request(&self, headers: &mut HeaderMap) {
        headers.extend(laid(self.preview.spec.request_headers.as_ref()));
    }

    /// What it lays over answers.
    pub(super) fn response_headers(&self) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
        laid(self.preview.spec.response_headers.as_ref())
    }
}

/// Whether a token opens no more.
pub(crate) fn has_expired(token: &PreviewToken, now: SystemTime) -> bool {
    token.spec.expires_at.as_deref().and_then(clock::read).is_some_and(|at| at <= now)
}

/// The headers that a preview lays over others. What cannot be one was refused when the preview was made.
fn laid(over: Option<&BTreeMap<String, String>>) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let pairs = over.into_iter().flatten();
    pairs.filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
    })
}

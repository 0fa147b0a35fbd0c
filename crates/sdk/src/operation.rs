//! What is to be sent, and what a repeat of it would do.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reveille_retry::{Attempt, Replay, RetryPolicy};
use reveille_wire::{InvalidInput, SandboxUrl};
use serde::Serialize;

use crate::body::Body;
use crate::client::Client;
use crate::error::Error;

/// One logical request, before it is sent.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) replay: Replay,
    pub(crate) identity: Identity,
    pub(crate) patience: Patience,
    invalid: Option<Error>,
}

/// Where it goes.
#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// A path of the control plane, query included.
    Control(String),
    /// An endpoint of a sandbox that the platform serves; the path with its query.
    Endpoint(SandboxUrl, String),
    /// An app behind a port, which could forge whatever the platform says.
    App(SandboxUrl, String),
}

/// Whose name it is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The client's; without credentials there is nothing to send.
    Client,
    /// The client's where it has one: the address was forced by the environment.
    ClientIfAny,
    /// Nobody's.
    Nobody,
}

/// How long silence is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The client's read time-out.
    Usual,
    /// The server answers when something that it waits for has happened.
    Waiting,
}

/// What a caller changed for one call.
#[derive(Clone, Default)]
pub(crate) struct Tuning {
    pub(crate) policy: Option<RetryPolicy>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) on_attempt: Option<OnAttempt>,
}

/// What a caller wants to have done after each attempt.
pub(crate) type OnAttempt = Arc<dyn Fn(&Attempt) + Send + Sync>;

impl Operation {
    /// An operation with a side effect, until told otherwise.
    pub(crate) fn new(method: Method, target: Target) -> Self {
        Self {
            method,
            target,
            headers: HeaderMap::new(),
            body: Body::empty(),
            replay: Replay::Never,
            identity: Identity::Client,
            patience: Patience::Usual,
            invalid: None,
        }
    }

    /// An operation that cannot be sent, and why.
    pub(crate) fn invalid(method: Method, error: impl Into<Error>) -> Self {
        let mut operation = Self::new(method, Target::Control(String::new()));
        operation.refuse(error);
        operation
    }

    pub(crate) fn replay(mut self, replay: Replay) -> Self {
        self.replay = replay;
        self
    }

    pub(crate) fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    pub(crate) fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    pub(crate) fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        match serde_json::to_vec(value) {
            Ok(bytes) => {
                self.body = Body::from(bytes);
                let json = HeaderValue::from_static("application/json");
                self.headers.entry(http::header::CONTENT_TYPE).or_insert(json);
            }
            Err(error) => self.refuse(Error::input(format!("the body cannot be written as JSON: {error}"))),
        }
        self
    }

    /// Says that the answer is to be JSON.
    pub(crate) fn accept_json(&mut self) {
        let json = HeaderValue::from_static("application/json");
        self.headers.entry(http::header::ACCEPT).or_insert(json);
    }

    /// Notes why it cannot be sent. The first reason counts.
    pub(crate) fn refuse(&mut self, error: impl Into<Error>) {
        if self.invalid.is_none() {
            self.invalid = Some(error.into());
        }
    }

    /// The reason why it cannot be sent, if there is one.
    pub(crate) fn take_invalid(&mut self) -> Option<Error> {
        self.invalid.take()
    }

    /// Adds a pair to the query.
    pub(crate) fn query(&mut self, name: &str, value: &str) {
        let (Target::Control(path) | Target::Endpoint(_, path) | Target::App(_, path)) = &mut self.target;
        add_pair(path, name, value);
    }
}

/// What a fetch with this method would do if repeated. Methods are told apart by their exact letters
/// (RFC 9110, section 9.1).
pub(crate) fn replay_of(method: &Method) -> Replay {
    if [Method::GET, Method::HEAD, Method::OPTIONS].contains(method) { Replay::Read } else { Replay::Never }
}

/// Every letter but the unreserved ones (RFC 3986, section 2.3) stands for itself only when it is escaped.
const DATA: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A value as one segment of a path; `what` names it should it be none.
pub(crate) fn segment(what: &'static str, value: &str) -> Result<String, InvalidInput> {
    if matches!(value, "" | "." | "..") {
        return Err(InvalidInput::new(what, value, "it must not be empty or made of dots"));
    }
    Ok(utf8_percent_encode(value, DATA).to_string())
}

/// Adds `name=value`, both encoded as data, to a path.
fn add_pair(path: &mut String, name: &str, value: &str) {
    path.push(if path.contains('?') { '&' } else { '?' });
    path.extend(utf8_percent_encode(name, DATA));
    path.push('=');
    path.extend(utf8_percent_encode(value, DATA));
}

impl Target {
    pub(crate) fn uri(&self, client: &Client) -> Result<Uri, Error> {
        let url = match self {
            Self::Control(path) => format!("{}{path}", client.api_url()),
            Self::Endpoint(url, path) | Self::App(url, path) => url.endpoint(path),
        };
        let refused = |_| Error::input(format!("{:?} is no URL that a request can be sent to", self.shown()));
        Uri::try_from(url).map_err(refused)
    }

    /// The path as it stands in errors, spans and logs: without its query, which may hold secrets.
    pub(crate) fn shown(&self) -> &str {
        let (Self::Control(path) | Self::Endpoint(_, path) | Self::App(_, path)) = self;
        path.split('?').next().unwrap_or_default()
    }

    /// Whether what the answer says of the platform is the platform's own word.
    pub(crate) fn is_platforms(&self) -> bool {
        !matches!(self, Self::App(..))
    }
}

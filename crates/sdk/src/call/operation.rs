//! What is to be sent, and what a repeat of it would do.

use std::sync::Arc;
use std::time::Duration;

use http::header::{AUTHORIZATION, USER_AGENT, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reveille_retry::{Attempt, History, Replay, RetryPolicy};
use reveille_wire::{InvalidInput, header, hop, websocket};
use serde::Serialize;

use crate::core::Body;
use crate::core::transport::{Bounds, OnInformational, Wanted};
use crate::error::Error;
use crate::record::{Record, Site, Step};

/// One logical request, before it is sent.
pub(crate) struct Operation {
    pub(crate) method: Method,
    pub(crate) target: Target,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    declared: Option<Replay>,
    pub(crate) identity: Identity,
    pub(crate) patience: Patience,
    pub(crate) readiness: Readiness,
    invalid: Option<Error>,
}

/// Where it goes.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// A URL without a trailing slash.
    base: String,
    /// What follows it, query included.
    path: String,
    site: Site,
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
    /// That of whom the request is handed on for, as its headers say it: nothing is added.
    Theirs,
    /// The client's, in place of the one that a request came with that is handed on.
    InTheirPlace,
}

/// How long silence is borne.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// The client's read time-out.
    Usual,
    /// The server gives a sign of life at least every 30 s, as streams of output do.
    Signs,
    /// The server answers when something that it waits for has happened.
    Waiting,
}

/// What it has to do with the readiness of a sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// Nothing: it goes by itself.
    OfNothing,
    /// It goes to the sandbox itself.
    OfTarget,
    /// It puts the sandbox at this URL to sleep, or ends it.
    Ends(String),
}

/// What a caller changed for one call.
#[derive(Clone, Default)]
pub(crate) struct Tuning {
    pub(crate) probe: Probe,
    /// Boxed, as few have one.
    pub(crate) policy: Option<Box<RetryPolicy>>,
    pub(crate) deadline: Option<Duration>,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) bounds: Bounds,
    pub(crate) read_timeout: Option<Duration>,
    pub(crate) on_attempt: Option<OnAttempt>,
    pub(crate) on_informational: Option<OnInformational>,
}

/// Whether a call may wait for, or ask for, the word of its sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Probe {
    /// As the client says.
    #[default]
    Usual,
    Never,
}

/// What a caller wants to have done after each attempt.
pub(crate) type OnAttempt = Arc<dyn Fn(&Attempt) + Send + Sync>;

impl Operation {
    /// An operation of which a repeat does what one of its method does, until told otherwise.
    pub(crate) fn new(method: Method, target: Target) -> Self {
        Self {
            method,
            target,
            headers: HeaderMap::new(),
            body: Body::empty(),
            declared: None,
            identity: Identity::Client,
            patience: Patience::Usual,
            readiness: Readiness::OfNothing,
            invalid: None,
        }
    }

    /// An operation that cannot be sent, and why.
    pub(crate) fn invalid(method: Method, error: impl Into<Error>) -> Self {
        let mut operation = Self::new(method, Target::new("", "", Site::ControlPlane));
        operation.refuse(error);
        operation
    }

    /// Says what a repeat would do, whatever the method.
    pub(crate) fn declare(mut self, replay: Replay) -> Self {
        self.declared = Some(replay);
        self
    }

    /// What a repeat would do: what was declared, else what its method says. A read that is vouched for stays one.
    pub(crate) fn replay(&self) -> Replay {
        match (self.declared, replay_of(&self.method)) {
            (Some(Replay::Vouched), Replay::Read) => Replay::Read,
            (Some(declared), _) => declared,
            (None, by_method) => by_method,
        }
    }

    pub(crate) fn identity(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    pub(crate) fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    pub(crate) fn readiness(mut self, readiness: Readiness) -> Self {
        self.readiness = readiness;
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

    /// The same once more, without its body.
    pub(crate) fn again(&self) -> Self {
        Self {
            headers: self.headers.clone(),
            declared: self.declared,
            identity: self.identity,
            patience: self.patience,
            readiness: self.readiness.clone(),
            ..Self::new(self.method.clone(), self.target.clone())
        }
    }

    /// What a probe says of who asks, where the request itself says it.
    pub(crate) fn asker(&self) -> HeaderMap {
        let mut asker = HeaderMap::new();
        if matches!(self.identity, Identity::Theirs | Identity::InTheirPlace) {
            for name in ASKER {
                for value in self.headers.get_all(&name) {
                    asker.append(&name, value.clone());
                }
            }
        }
        asker
    }

    /// Which connections will do for it.
    pub(crate) fn wanted(&self) -> Wanted {
        match hop::upgrade(&self.headers) {
            Some(protocol) if protocol.as_bytes().eq_ignore_ascii_case(websocket::PROTOCOL.as_bytes()) => {
                Wanted::WebSocket
            }
            Some(_) => Wanted::Upgradable,
            None => Wanted::Any,
        }
    }

    /// What it is, before anything was done.
    pub(crate) fn record(&self) -> Record {
        Record {
            method: self.method.clone(),
            path: self.target.shown().to_owned(),
            site: self.target.site(),
            replay: self.replay(),
            history: History::default(),
            stop: None,
            ended: Step::Attempt,
        }
    }

    /// The same of one that is over.
    pub(crate) fn into_record(self) -> Record {
        let (site, replay) = (self.target.site(), self.replay());
        let shown = self.target.shown().len();
        let mut path = self.target.path;
        path.truncate(shown);
        let history = History::default();
        Record { method: self.method, path, site, replay, history, stop: None, ended: Step::Attempt }
    }

    /// Adds a pair to the query.
    pub(crate) fn query(&mut self, name: &str, value: &str) {
        add_pair(&mut self.target.path, name, value);
    }
}

/// Who asks, and by way of whom.
const ASKER: [HeaderName; 6] =
    [AUTHORIZATION, USER_AGENT, VIA, header::AUTHORIZATION, header::VERSION, header::WORKSPACE];

/// What a request with this method would do if repeated. Methods are told apart by their exact letters
/// (RFC 9110, section 9.1).
fn replay_of(method: &Method) -> Replay {
    if hop::is_read(method) { Replay::Read } else { Replay::Never }
}

/// Every letter but the unreserved ones (RFC 3986, section 2.3) stands for itself only when it is escaped.
const DATA: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// How much of a path that cannot be sent is quoted, in characters.
const QUOTED: usize = 80;

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
    pub(crate) fn new(base: impl Into<String>, path: impl Into<String>, site: Site) -> Self {
        Self { base: base.into(), path: path.into(), site }
    }

    pub(crate) fn uri(&self) -> Result<Uri, Error> {
        Uri::try_from([&*self.base, &*self.path].concat()).map_err(|why| {
            let begin: String = self.shown().chars().take(QUOTED).collect();
            Error::input(format!("{begin:?} is no URL that a request can be sent to: {why}"))
        })
    }

    /// The path as it stands in errors, spans and logs: without its query, which may hold secrets.
    pub(crate) fn shown(&self) -> &str {
        self.path.split('?').next().unwrap_or_default()
    }

    /// The URL of whom it goes to, which names it.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn site(&self) -> Site {
        self.site
    }
}

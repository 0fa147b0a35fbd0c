//! Requests to switch to another protocol: of a connection of HTTP/1.1 to any, of a stream of HTTP/2 to WebSocket.

use axum::body::Body;
use http::{HeaderValue, Request, Response, StatusCode, Version, request};
use reveille_http2::Change;
use reveille_wire::websocket::{self, Extended};
use reveille_wire::{Refusal, hop};

use super::crossing::Crossing;
use super::{refusal, tunnel};
use crate::agent::Answer;

/// What is said where a server opens no WebSocket, and yet says something that would open one to the client.
pub(super) const UNOPENED: &str =
    "the server in the sandbox was asked for a WebSocket and answered with something else";

/// A request to switch.
pub(super) struct Upgrade {
    protocol: HeaderValue,
    client: Change,
    /// Set where it is a stream of the client's that switches.
    extended: Option<Extended>,
}

impl Upgrade {
    /// The one that a request is, if it is one. Its head becomes one of HTTP/1.1, in which the sandbox is asked.
    ///
    /// # Errors
    /// When its stream is to switch to a protocol that HTTP/1.1 has no way to ask for.
    pub(super) fn of<B>(mut request: Request<B>) -> Result<(request::Parts, B, Option<Self>), Refusal> {
        if let Some(protocol) = reveille_http2::protocol(&request) {
            if !websocket::is_named(protocol) {
                return Err(refusal::unknown_protocol());
            }
            let client = Change::of(&mut request);
            let (mut head, body) = request.into_parts();
            let extended = Some(Extended::write(&mut head, fastrand::u128(..).to_be_bytes()));
            let protocol = HeaderValue::from_static(websocket::PROTOCOL);
            return Ok((head, body, Some(Self { protocol, client, extended })));
        }
        let protocol = hop::upgrade(request.headers()).filter(|_| request.version() == Version::HTTP_11);
        let upgrade =
            protocol.map(|protocol| Self { protocol, client: Change::of(&mut request), extended: None });
        let (head, body) = request.into_parts();
        Ok((head, body, upgrade))
    }

    pub(super) fn protocol(&self) -> &HeaderValue {
        &self.protocol
    }

    /// Whether an answer that switches to nothing would be taken by the client for one that does: over HTTP/2 any success
    /// is.
    pub(super) fn is_opened_by(&self, status: StatusCode) -> bool {
        self.extended.is_some() && status.is_success()
    }

    /// Joins the client with the sandbox, which has switched to what was `agreed`.
    ///
    /// # Errors
    /// What is wrong with the answer.
    pub(super) fn switch(
        self,
        response: Response<Answer>,
        agreed: Option<HeaderValue>,
        crossing: &Crossing,
    ) -> Result<Response<Body>, &'static str> {
        let Self { protocol, client, extended } = self;
        if extended.as_ref().is_some_and(|extended| !extended.is_accepted(response.headers())) {
            return Err(UNOPENED);
        }
        let mut response = tunnel::open(response, client, crossing.clone());
        match extended {
            Some(_) => Extended::write_answer(&mut response),
            None => hop::write_upgrade(response.headers_mut(), agreed.unwrap_or(protocol)),
        }
        Ok(response)
    }
}

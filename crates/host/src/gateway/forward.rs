//! One request to an agent and its answer back.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;

use super::answer::Refused;
use super::body::{Download, Upload};
use super::{headers, tunnel};
use crate::agent::{Connection, NotAnswered};
use crate::observer::Passage;
use crate::sandbox::{Answer, Lease};

/// How long a request that could not reach its agent waits before each next waking, in milliseconds; then it
/// gives up.
pub(super) const PAUSES: [u64; 8] = [0, 5, 10, 20, 50, 100, 300, 500];
/// How many connections of one waking are tried for a request of which nothing was written.
const MAX_CONNECTIONS: usize = 3;

/// A request on its way to an agent.
pub(super) struct Forward {
    head: http::request::Parts,
    body: Option<Incoming>,
    upgrade: Option<Upgrade>,
    kind: Kind,
    /// The request as it was handed to a connection that did not write it.
    unsent: Option<Request<Body>>,
}

/// The agent of this waking is not there any more, and has not seen the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unreachable;

/// A request to switch to another protocol.
struct Upgrade {
    protocol: HeaderValue,
    client: OnUpgrade,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Usual,
    /// The agent will re-execute itself and close its idle connections.
    AgentUpgrade,
}

impl Forward {
    pub(super) fn new(mut request: Request<Incoming>, target: PathAndQuery, client: SocketAddr) -> Self {
        let is_upgrade = request.method() == Method::POST && target.path() == "/upgrade";
        let kind = if is_upgrade { Kind::AgentUpgrade } else { Kind::Usual };
        let version = request.version();
        let protocol = headers::upgrade(request.headers()).filter(|_| version == Version::HTTP_11);
        let upgrade = protocol.map(|protocol| Upgrade { protocol, client: hyper::upgrade::on(&mut request) });
        let (mut head, body) = request.into_parts();
        headers::to_agent(&mut head.headers, &head.uri, client);
        head.uri = Uri::from(target);
        head.version = Version::HTTP_11;
        // What is left there belongs to the client's connection.
        head.extensions.clear();
        Self { head, body: Some(body), upgrade, kind, unsent: None }
    }

    /// Sends it, and answers what the client is to see.
    ///
    /// # Errors
    /// When nothing of it was written because the agent is not there any more; it can be sent again.
    pub(super) async fn send(
        &mut self,
        mut connection: Connection,
        lease: &Arc<Lease>,
        passage: &Arc<Passage>,
    ) -> Result<Response<Body>, Unreachable> {
        if self.kind == Kind::AgentUpgrade {
            connection.agent().renew();
        }
        let mut request = self.request(lease, passage);
        for _ in 0..MAX_CONNECTIONS {
            request = match connection.send(request).await {
                Ok(response) => return Ok(self.answer(response, connection, lease, passage)),
                Err(NotAnswered::Broken(error)) => {
                    passage.forwarded();
                    return Ok(broken(&error));
                }
                Err(NotAnswered::NeverWritten(again)) => *again,
            };
            match connection.agent().connect_anew().await {
                Ok(another) => connection = another,
                Err(_) => break,
            }
        }
        self.unsent = Some(request);
        Err(Unreachable)
    }

    fn request(&mut self, lease: &Arc<Lease>, passage: &Arc<Passage>) -> Request<Body> {
        if let Some(request) = self.unsent.take() {
            return request;
        }
        let body = match self.body.take() {
            Some(body) => Body::new(Upload::new(body, Arc::clone(lease), Arc::clone(passage))),
            None => Body::empty(),
        };
        let mut request = Request::new(body);
        *request.method_mut() = self.head.method.clone();
        *request.uri_mut() = self.head.uri.clone();
        *request.headers_mut() = std::mem::take(&mut self.head.headers);
        request
    }

    fn answer(
        &mut self,
        mut response: Response<Incoming>,
        connection: Connection,
        lease: &Arc<Lease>,
        passage: &Arc<Passage>,
    ) -> Response<Body> {
        let whole = response.body().size_hint().exact().is_some();
        lease.answered(if whole { Answer::Whole } else { Answer::Stream });
        passage.answered(response.status());
        if self.kind == Kind::AgentUpgrade {
            connection.agent().renew();
        }
        headers::to_client(response.headers_mut());
        *response.version_mut() = Version::HTTP_11;
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return match self.upgrade.take() {
                Some(Upgrade { protocol, client }) => {
                    tunnel::open(response, protocol, client, (Arc::clone(lease), Arc::clone(passage)))
                }
                None => broken(&"it switched to a protocol that nobody asked for"),
            };
        }
        let (head, body) = response.into_parts();
        Response::from_parts(
            head,
            Body::new(Download::new(body, Arc::clone(lease), Arc::clone(passage), connection)),
        )
    }
}

fn broken(error: &dyn std::fmt::Display) -> Response<Body> {
    tracing::debug!(%error, "a connection to an agent broke before it answered");
    Refused::broken("the sandbox broke off before it answered; the request may have been carried out")
        .into_response()
}

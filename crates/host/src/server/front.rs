//! What every request passes first: its id, its credentials, its workspace.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use hyper::body::Incoming;
use reveille_wire::{GatewayCode, Refusal, header};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tower_service::Service as _;

use super::crowd::Seat;
use super::received::{Answering, Exchange, Received};
use crate::auth::{Credentials, Key};
use crate::control::Failure;
use crate::gateway::refusal::{self, respond};
use crate::gateway::{Gateway, Served};
use crate::preview::{Closed, Previews, Visit};

/// The longest id of a request that is taken over.
const MAX_ID: usize = 128;

/// The way in.
pub(crate) struct Front {
    pub(crate) key: Arc<Key>,
    pub(crate) workspace: String,
    pub(crate) gateway: Gateway,
    pub(crate) control: Router,
    pub(crate) previews: Previews,
    /// The host stops: what comes now is refused.
    pub(crate) stop: CancellationToken,
}

/// Which room answers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Control,
    Gateway,
}

/// Why a request does not get in.
struct NoEntry {
    code: GatewayCode,
    message: String,
}

/// What the access log tells of a request.
struct Entry {
    at: Instant,
    method: Method,
    path: String,
    version: Version,
    id: HeaderValue,
}

impl Front {
    /// Answers a request; `None`: its connection is to be reset.
    pub(super) async fn serve(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
        seat: &Arc<Seat>,
    ) -> Option<Response<Body>> {
        let serving = seat.serve();
        let entry = Entry::of(&request);
        let (request, exchange) = Exchange::begin(request);
        let is_stopping = self.stop.is_cancelled();
        let served = if is_stopping {
            Some(respond(refusal::unavailable("the host is stopping")))
        } else {
            self.answer(request, client, &entry.id, seat).await
        };
        entry.log(client, served.as_ref().map(Response::status));
        let mut response = served?;
        exchange.answer(&mut response);
        if is_stopping {
            exchange.end(&mut response);
        }
        Some(response.map(|body| Body::new(Answering::new(body, serving))))
    }

    async fn answer(
        &self,
        mut request: Request<Received>,
        client: SocketAddr,
        id: &HeaderValue,
        seat: &Seat,
    ) -> Option<Response<Body>> {
        if let Some(visit) = self.previews.visit(&mut request) {
            if visit.is_ok() {
                seat.known();
            }
            return self.visit(visit, request, client, id).await;
        }
        let path = request.uri().path();
        let is_control =
            path.strip_prefix("/v0").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        let room = if is_control { Room::Control } else { Room::Gateway };
        let entry = self.let_in(&request);
        if entry.is_ok() {
            seat.known();
        }
        let mut response = match (entry, room) {
            (Err(no_entry), room) => no_entry.into_response(room),
            (Ok(()), Room::Control) => self.control(request).await,
            (Ok(()), Room::Gateway) => match self.gateway.serve(request, client).await {
                Served::Answer(response) => response,
                Served::Reset => return None,
            },
        };
        if room == Room::Control || response.headers().contains_key(&header::SOURCE) {
            response.headers_mut().insert(header::REQUEST_ID, id.clone());
        }
        Some(response)
    }

    /// Answers a request to a preview, which has its own door.
    async fn visit(
        &self,
        visit: Result<Visit, Closed>,
        request: Request<Received>,
        client: SocketAddr,
        id: &HeaderValue,
    ) -> Option<Response<Body>> {
        let mut response = match visit {
            Err(closed) => respond(closed.into()),
            Ok(visit) => match self.gateway.serve(request, client).await {
                Served::Reset => return None,
                Served::Answer(mut response) => {
                    visit.answer(&mut response);
                    response
                }
            },
        };
        if response.headers().contains_key(&header::SOURCE) {
            response.headers_mut().insert(header::REQUEST_ID, id.clone());
        }
        Some(response)
    }

    async fn control(&self, request: Request<Received>) -> Response<Body> {
        match self.control.clone().call(request.map(Body::new)).await {
            Ok(response) => response,
            Err(never) => match never as Infallible {},
        }
    }

    fn let_in<B>(&self, request: &Request<B>) -> Result<(), NoEntry> {
        let no_entry = |code, message: &str| Err(NoEntry { code, message: message.to_owned() });
        match self.key.check(request.headers()) {
            Credentials::Right => {}
            Credentials::Wrong => {
                return no_entry(GatewayCode::AuthenticationFailed, "this is not the API key of this host");
            }
            Credentials::Missing => {
                let message = "send the host's API key as X-Blaxel-Authorization: Bearer KEY";
                return no_entry(GatewayCode::AuthenticationRequired, message);
            }
        }
        match request.headers().get(&header::WORKSPACE) {
            Some(workspace) if workspace.as_bytes() != self.workspace.as_bytes() => {
                let message = format!("this key is for the workspace {:?} only", self.workspace);
                no_entry(GatewayCode::Forbidden, &message)
            }
            _ => Ok(()),
        }
    }
}

impl NoEntry {
    fn into_response(self, room: Room) -> Response<Body> {
        match room {
            Room::Control => {
                Failure::new(self.code.status(), self.code.as_str(), self.message).into_response()
            }
            Room::Gateway => respond(Refusal::new(self.code, self.message)),
        }
    }
}

impl Entry {
    fn of(request: &Request<Incoming>) -> Self {
        let given = request.headers().get(&header::REQUEST_ID);
        let id = given.filter(|id| id.len() <= MAX_ID && id.as_bytes().iter().all(u8::is_ascii_graphic));
        Self {
            at: Instant::now(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            version: request.version(),
            id: id.cloned().unwrap_or_else(new_id),
        }
    }

    fn log(&self, client: SocketAddr, status: Option<StatusCode>) {
        let Self { at, method, path, version, id } = self;
        let took = at.elapsed();
        let id = id.to_str().unwrap_or_default();
        let status = status.as_ref().map_or("reset", StatusCode::as_str);
        tracing::info!(target: "reveille_host::access", %client, %method, path, ?version, status, ?took, id);
    }
}

fn new_id() -> HeaderValue {
    let id = format!("{:016x}", fastrand::u64(..));
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
}

//! What every request passes first: its id, its credentials, its workspace.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming;
use reveille_wire::{GatewayCode, Refusal, header};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tower_service::Service as _;

use super::access::AccessLog;
use super::crowd::Seat;
use super::entry::{Entry, Id};
use super::received::{Answering, Exchange, Received};
use crate::auth::{Credentials, Holder, Keys};
use crate::control::Failure;
use crate::gateway::refusal::{self, respond};
use crate::gateway::{Gateway, Served, Visitor};
use crate::observer::{Hub, Now, Room};
use crate::preview::{Closed, Previews, Visit};
use crate::sandbox::Queue;

/// The form of metrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The way in.
pub(crate) struct Front {
    pub(crate) keys: Arc<Keys>,
    pub(crate) workspace: String,
    pub(crate) gateway: Gateway,
    pub(crate) control: Router,
    pub(crate) previews: Previews,
    pub(crate) hub: Arc<Hub>,
    pub(crate) queue: Arc<Queue>,
    pub(crate) access: Option<Arc<AccessLog>>,
    /// The runtime of the host, on which the control plane works.
    pub(crate) runtime: Handle,
    /// The host stops: what comes now is refused.
    pub(crate) is_stopping: AtomicBool,
}

/// Why a request does not get in.
struct NoEntry {
    code: GatewayCode,
    message: String,
}

impl Front {
    /// Answers a request; `None`: its connection is to be reset.
    pub(super) async fn serve(
        &self,
        request: Request<Incoming>,
        visitor: &Visitor,
        seat: &Arc<Seat>,
    ) -> Option<Response<Answering>> {
        let serving = seat.serve();
        let (request, exchange) = Exchange::begin(request);
        let mut entry = Entry::of(&request, visitor.address(), exchange.progress(), self.access.as_ref());
        let room = self.room(&request);
        let is_stopping = self.is_stopping.load(Ordering::Acquire);
        let served = if is_stopping {
            Some(respond(refusal::unavailable("the host is stopping")))
        } else {
            self.answer(request, visitor, room, entry.id(), seat).await
        };
        let status = served.as_ref().map(Response::status);
        self.hub.served(room, status);
        entry.answered(status);
        let mut response = served?;
        exchange.answer(&mut response);
        if is_stopping {
            exchange.end(&mut response);
        }
        Some(response.map(|body| Answering::new(body, entry, serving)))
    }

    /// Which room a request is for.
    fn room<B>(&self, request: &Request<B>) -> Room {
        let path = request.uri().path();
        if self.previews.is_for(request) {
            Room::Preview
        } else if path.strip_prefix("/v0").is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            Room::Control
        } else if path == "/metrics" {
            Room::Metrics
        } else {
            Room::Gateway
        }
    }

    async fn answer(
        &self,
        mut request: Request<Received>,
        visitor: &Visitor,
        room: Room,
        id: &Id,
        seat: &Seat,
    ) -> Option<Response<Body>> {
        if room == Room::Preview
            && let Some(visit) = self.previews.visit(&mut request)
        {
            if visit.is_ok() {
                seat.known();
            }
            return self.visit(visit, request, visitor, id).await;
        }
        let entry = self.let_in(&request);
        if entry.is_ok() {
            seat.known();
        }
        let mut response = match (entry, room) {
            (Err(no_entry), room) => no_entry.into_response(room),
            (Ok(holder), Room::Control) => {
                request.extensions_mut().insert(holder);
                self.control(request).await
            }
            (Ok(_), Room::Metrics) => self.metrics(seat),
            (Ok(_), Room::Gateway | Room::Preview) => match self.gateway.serve(request, visitor).await {
                Served::Answer(response) => response,
                Served::Reset => return None,
            },
        };
        if room == Room::Control || response.headers().contains_key(&header::SOURCE) {
            response.headers_mut().insert(header::REQUEST_ID, id.value());
        }
        Some(response)
    }

    /// Answers a request to a preview, which has its own door.
    async fn visit(
        &self,
        visit: Result<Visit, Closed>,
        request: Request<Received>,
        visitor: &Visitor,
        id: &Id,
    ) -> Option<Response<Body>> {
        let mut response = match visit {
            Err(closed) => respond(closed.into()),
            Ok(visit) => match self.gateway.serve(request, visitor).await {
                Served::Reset => return None,
                Served::Answer(mut response) => {
                    visit.answer(&mut response);
                    response
                }
            },
        };
        if response.headers().contains_key(&header::SOURCE) {
            response.headers_mut().insert(header::REQUEST_ID, id.value());
        }
        Some(response)
    }

    /// What is counted, for Prometheus.
    fn metrics(&self, seat: &Seat) -> Response<Body> {
        let load = self.queue.load();
        let now = Now { held: load.requests, held_bytes: load.bytes, connections: seat.all() };
        let mut response = Response::new(Body::from(self.hub.metrics(now)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
        response
    }

    async fn control(&self, request: Request<Received>) -> Response<Body> {
        let answering = self.control.clone().call(request.map(Body::new));
        match AbortOnDropHandle::new(self.runtime.spawn(answering)).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never as Infallible {},
            Err(error) => {
                tracing::error!(%error, "the control plane broke off");
                let status = StatusCode::INTERNAL_SERVER_ERROR;
                Failure::new(status, "INTERNAL_SERVER_ERROR", "the control plane broke off").into_response()
            }
        }
    }

    /// Refuses what comes from now on.
    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
    }

    fn let_in<B>(&self, request: &Request<B>) -> Result<Holder, NoEntry> {
        let no_entry = |code, message: &str| Err(NoEntry { code, message: message.to_owned() });
        let holder = match self.keys.check(request.headers()) {
            Credentials::Right(holder) => holder,
            Credentials::Wrong => {
                return no_entry(GatewayCode::AuthenticationFailed, "this is not the API key of this host");
            }
            Credentials::Missing => {
                let message = "send the host's API key as X-Blaxel-Authorization: Bearer KEY";
                return no_entry(GatewayCode::AuthenticationRequired, message);
            }
        };
        match request.headers().get(&header::WORKSPACE) {
            Some(workspace) if workspace.as_bytes() != self.workspace.as_bytes() => {
                let message = format!("this key is for the workspace {:?} only", self.workspace);
                no_entry(GatewayCode::Forbidden, &message)
            }
            _ => Ok(holder),
        }
    }
}

impl NoEntry {
    fn into_response(self, room: Room) -> Response<Body> {
        match room {
            Room::Control => {
                Failure::new(self.code.status(), self.code.as_str(), self.message).into_response()
            }
            Room::Gateway | Room::Preview | Room::Metrics => respond(Refusal::new(self.code, self.message)),
        }
    }
}

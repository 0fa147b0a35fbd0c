//! What every request passes first: its id, its credentials, its workspace.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::response::IntoResponse as _;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use reveille_wire::{GatewayCode, Refusal, header, hop};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tower_service::Service as _;

use super::access::AccessLog;
use super::crowd::Seat;
use super::entry::{Entry, Id};
use super::mounting;
use super::received::{Answering, Exchange, Received};
use crate::auth::{Credentials, Holder, in_url};
use crate::control::Failure;
use crate::gateway::refusal::{self, respond};
use crate::gateway::{Served, Visitor};
use crate::observer::{Now, Room};
use crate::preview::{self, Closed, Met};
use crate::sandbox::Queue;
use crate::workspace::Workspace;

/// The form of metrics.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The way in.
pub(crate) struct Front {
    /// The first is the one that clients find who name none. What is counted of the host as a whole is counted there.
    pub(crate) workspaces: Arc<[Workspace]>,
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
        (mut request, exchange): (Request<Received>, Exchange),
        visitor: &Visitor,
        seat: &Arc<Seat>,
    ) -> Option<Response<Answering>> {
        let serving = seat.serve();
        in_url::moved(&mut request);
        let mut entry = Entry::of(&request, visitor.address(), exchange.progress(), self.access.as_ref());
        let room = self.room(&request);
        let is_stopping = self.is_stopping.load(Ordering::Acquire);
        let served = if is_stopping {
            Some(respond(refusal::unavailable("the host is stopping")))
        } else {
            self.answer(request, visitor, room, entry.id(), seat).await
        };
        let status = served.as_ref().map(Response::status);
        self.workspaces[0].hub.served(room, status);
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
        if preview::is_door(request.uri(), request.headers()) {
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
        // What is whole has been looked at as it was read.
        if !request.body().is_whole() {
            if hop::names_two_hosts(request.headers()) {
                return Some(respond(refusal::two_hosts()));
            }
            // The library's bound is on what it reads at a time, and a head that comes at once may be longer.
            if hop::head_length(&request) > hop::MAX_HEAD {
                return Some(respond(refusal::large_head()));
            }
        }
        if room == Room::Preview
            && let Some(workspace) = self.workspace_of_preview(&request)
            && let Some(visit) = workspace.previews.visit(&mut request)
        {
            if matches!(visit, Ok(Met::Enters(_))) {
                seat.known();
            }
            return Box::pin(visited(workspace, visit, request, visitor, id)).await;
        }
        let entry = self.let_in(&request, room);
        if entry.is_ok() {
            seat.known();
        }
        let mut response = match (entry, room) {
            (Err(no_entry), room) => no_entry.into_response(room),
            (Ok((workspace, holder)), Room::Control) => {
                request.extensions_mut().insert(holder);
                Box::pin(self.control(workspace, request)).await
            }
            (Ok((workspace, _)), Room::Metrics) => self.metrics(workspace, seat),
            (Ok((workspace, _)), Room::Gateway | Room::Preview) => {
                match through(workspace, request, visitor).await {
                    Served::Answer(response) => response,
                    Served::Reset => return None,
                }
            }
        };
        if room == Room::Control || response.headers().keys().any(|name| name == header::SOURCE) {
            response.headers_mut().insert(header::REQUEST_ID, id.value());
        }
        Some(response)
    }

    /// The workspace of the preview that a request is to. What is no preview is none of the first one's.
    fn workspace_of_preview<B>(&self, request: &Request<B>) -> Option<&Workspace> {
        let known = self.workspaces.iter().find(|workspace| workspace.previews.knows(request));
        known.or(self.workspaces.first())
    }

    /// What is counted, for Prometheus.
    fn metrics(&self, workspace: &Workspace, seat: &Seat) -> Response<Body> {
        let load = self.queue.load();
        let now = Now { held: load.requests, held_bytes: load.bytes, connections: seat.all() };
        let mut response = Response::new(Body::from(workspace.hub.metrics(now)));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPEN_METRICS));
        response
    }

    async fn control(&self, workspace: &Workspace, request: Request<Received>) -> Response<Body> {
        let answering = workspace.routes.clone().call(request.map(Body::new));
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

    /// Who asks, and in which workspace: the one that the request names, else the one that its key is for. The control
    /// plane is told it in the query, too.
    fn let_in<B>(&self, request: &Request<B>, room: Room) -> Result<(&Workspace, Holder), NoEntry> {
        let headers = request.headers();
        // Few names are gone over faster than one is looked up.
        let by_header = headers.iter().find(|(name, _)| **name == header::WORKSPACE);
        let by_header = by_header.map(|(_, name)| name.as_bytes());
        let (said, by_path) = match room {
            Room::Gateway => (by_header, Some(first_part(request.uri().path()).as_bytes())),
            Room::Control => (by_header.or_else(|| in_query(request.uri().query()?)), None),
            Room::Preview | Room::Metrics => (by_header, None),
        };
        let named = said.or(by_path);
        let meant = self.workspaces.iter().find(|workspace| Some(workspace.name.as_bytes()) == named);
        // Whoever has no key for what is named is told of the workspace that it has one for, and of no other.
        let mut credentials = Credentials::Missing;
        for workspace in meant.into_iter().chain(self.workspaces.iter()) {
            credentials = workspace.keys.check(headers);
            let Credentials::Right(holder) = credentials else { continue };
            if said.is_none_or(|named| named == workspace.name.as_bytes()) {
                return Ok((workspace, holder));
            }
            let message = format!("this key is for the workspace {:?} only", workspace.name);
            return Err(NoEntry { code: GatewayCode::Forbidden, message });
        }
        Err(NoEntry::without_key(credentials))
    }
}

/// Takes a request to its sandbox.
async fn through(workspace: &Workspace, mut request: Request<Received>, visitor: &Visitor) -> Served {
    if mounting::is_mounting(&request) {
        request = match Box::pin(mounting::permitted(&workspace.control, request)).await {
            Ok(request) => request,
            Err(refused) => return Served::Answer(refused),
        };
    }
    workspace.gateway.serve(request, visitor).await
}

/// Answers a request to a preview, which has its own door.
async fn visited(
    workspace: &Workspace,
    visit: Result<Met, Closed>,
    request: Request<Received>,
    visitor: &Visitor,
    id: &Id,
) -> Option<Response<Body>> {
    let mut response = match visit {
        Err(closed) => {
            let mut response = respond(closed.into());
            preview::turned_away(&mut response);
            response
        }
        Ok(Met::Answered(response)) => response,
        Ok(Met::Enters(visit)) => match through(workspace, request, visitor).await {
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

/// The workspace that a query names. Names of workspaces need no escapes.
fn in_query(query: &str) -> Option<&[u8]> {
    query.split('&').find_map(|pair| pair.strip_prefix("workspace=")).map(str::as_bytes)
}

/// The first part of a path.
fn first_part(path: &str) -> &str {
    path.strip_prefix('/').and_then(|path| path.split('/').next()).unwrap_or_default()
}

impl NoEntry {
    fn without_key(credentials: Credentials) -> Self {
        let (code, message) = match credentials {
            Credentials::Missing => (
                GatewayCode::AuthenticationRequired,
                "send the host's API key as X-Blaxel-Authorization: Bearer KEY",
            ),
            _ => (GatewayCode::AuthenticationFailed, "this is not the API key of this host"),
        };
        Self { code, message: message.to_owned() }
    }

    fn into_response(self, room: Room) -> Response<Body> {
        match room {
            Room::Control => {
                Failure::new(self.code.status(), self.code.as_str(), self.message).into_response()
            }
            Room::Gateway | Room::Preview | Room::Metrics => respond(Refusal::new(self.code, self.message)),
        }
    }
}

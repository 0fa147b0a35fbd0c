//! What the gateway answers by itself.

use std::time::Duration;

use axum::body::Body;
use http::{Method, Response, StatusCode};
use reveille_wire::{GatewayCode, Port, Refusal, SandboxName, hop};

use super::route::NoRoute;

/// When to come back where nobody knows how long it takes.
const SOON: Duration = Duration::from_secs(1);

/// The answer that a refusal is.
pub(crate) fn respond(refusal: Refusal) -> Response<Body> {
    refusal.into_response(crate::clock::now()).map(Body::from)
}

/// 503: it resumes, for so long at least.
pub(super) fn resuming(left: Duration) -> Refusal {
    let code = GatewayCode::WorkloadUnavailable.as_str();
    Refusal::coded(StatusCode::SERVICE_UNAVAILABLE, code, "the sandbox is resuming")
        .retryable()
        .retry_after(left)
}

/// The same as the documented 404.
pub(super) fn resuming_as_documented(left: Duration) -> Refusal {
    Refusal::new(GatewayCode::WorkloadUnavailable, "the sandbox is resuming").retryable().retry_after(left)
}

/// Nothing serves it, and the request was not handed on.
pub(crate) fn unavailable(why: &str) -> Refusal {
    let message = format!("the sandbox is not available: {why}");
    Refusal::new(GatewayCode::WorkloadUnavailable, message).not_dispatched().retry_after(SOON)
}

pub(super) fn no_such_sandbox(name: &SandboxName) -> Refusal {
    Refusal::new(GatewayCode::WorkloadNotFound, format!("there is no sandbox called {name}"))
        .action("create it first, or list the sandboxes to see their names")
}

pub(super) fn no_route(no_route: &NoRoute) -> Refusal {
    match no_route {
        NoRoute::Elsewhere => Refusal::new(GatewayCode::RouteNotFound, "the URL names nothing")
            .action("use /{workspace}/sandboxes/{name}/..., or /v0/... for the control plane"),
        NoRoute::Workspace(name) => {
            Refusal::new(GatewayCode::WorkspaceNotFound, format!("there is no workspace {name:?} here"))
        }
        NoRoute::Sandbox(name) => {
            Refusal::new(GatewayCode::WorkloadNotFound, format!("there is no sandbox called {name:?}"))
        }
        NoRoute::Port(given) => Refusal::new(
            GatewayCode::BadRequest,
            format!("{given:?} is not a port: use a number from 1 to 65535"),
        ),
        NoRoute::Climbs => {
            Refusal::new(GatewayCode::BadRequest, "the path leads out of the sandbox: take .. out of it")
        }
    }
}

/// 502: nothing listens on the port, so that nobody has seen the request.
pub(super) fn not_listening(port: Port) -> Refusal {
    Refusal::new(GatewayCode::PortNotListening, format!("nothing listens on port {port} in this sandbox"))
        .not_dispatched()
        .retry_after(SOON)
        .action(format!(
            "start a server on port {port}, on 127.0.0.1 or all addresses, or wait until it listens"
        ))
}

/// 502: what listens on the port takes no connections, so that nobody has seen the request.
pub(super) fn not_accepting(port: Port) -> Refusal {
    Refusal::new(GatewayCode::PortNotAccepting, format!("the server on port {port} takes no connections"))
        .not_dispatched()
        .retry_after(SOON)
}

/// 502: the sandbox had the request, and its connection broke before an answer came.
pub(super) fn broken(method: &Method, what: &str) -> Refusal {
    let refusal = Refusal::new(GatewayCode::BadGateway, what).retryable();
    if hop::is_read(method) {
        return refusal.retry_after(SOON);
    }
    refusal
        .not_to_be_repeated()
        .do_not("repeat a request that must not run twice: the sandbox may have carried it out")
}

/// 400: the client did not send the body that it announced.
pub(super) fn body_broken() -> Refusal {
    Refusal::new(GatewayCode::BadRequest, "the body of the request is malformed, or breaks off")
        .action("send the body as its head announces it, and to its end")
}

/// 400: whose it is, is left to whoever reads it.
pub(crate) fn two_hosts() -> Refusal {
    Refusal::new(GatewayCode::BadRequest, "the request names two hosts").action("send one Host")
}

/// 431: more than an agent takes.
pub(crate) fn large_head() -> Refusal {
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    let message = format!("the head of the request is longer than {} bytes", hop::MAX_HEAD);
    Refusal::coded(status, "REQUEST_HEADER_FIELDS_TOO_LARGE", message)
}

/// 501: a protocol on a stream of HTTP/2 that is no WebSocket.
pub(super) fn unknown_protocol() -> Refusal {
    let message = "of the protocols on a stream of HTTP/2 only WebSockets go through";
    Refusal::coded(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
        .action("ask for this one over HTTP/1.1, by Upgrade")
}

/// 501: the client's body has a transfer coding that would have to be undone.
pub(super) fn coded_body() -> Refusal {
    let message = "the body of the request has a transfer coding other than chunked";
    Refusal::coded(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
        .action("send it with a Content-Length, or chunked and nothing else")
}

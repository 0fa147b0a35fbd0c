//! What the relay answers by itself, in the words of the platform's gateway.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body_util::Full;
use reveille::{Dispatch, Error, ErrorKind, FaultKind, History, Seen};
use reveille_wire::{GatewayCode, Refusal, hop};

/// When to come back where nobody said.
const SOON: Duration = Duration::from_secs(1);

/// The answer that a refusal is.
pub(crate) fn respond(refusal: Refusal) -> Response<Full<Bytes>> {
    refusal.into_response(now()).map(|body| Full::new(Bytes::from(body)))
}

/// The whole of a refusal as it goes over the wire, after which its connection closes.
pub(crate) fn written_out(refusal: Refusal) -> Vec<u8> {
    reveille_http1::written_out(&refusal.into_response(now()))
}

fn now() -> String {
    humantime::format_rfc3339_micros(SystemTime::now()).to_string()
}

/// What becomes of a request that brought no answer.
pub(crate) fn of_error(error: &Error, method: &Method) -> Refusal {
    let said = format!("the relay: {error}");
    let wait = error.retry_after().unwrap_or(SOON);
    let last = error.last_fault().map(|fault| fault.kind);
    match (error.kind(), last) {
        (_, Some(FaultKind::RequestBody)) => body_broken(),
        (ErrorKind::Input, _) => Refusal::new(GatewayCode::BadRequest, said),
        (ErrorKind::Settings | ErrorKind::Denied, _) => {
            Refusal::coded(StatusCode::BAD_GATEWAY, GatewayCode::BadGateway.as_str(), said)
                .action("see to the credentials of the relay's settings")
        }
        (ErrorKind::Unavailable, _) if nothing_left(error.history()) => {
            let code = GatewayCode::WorkloadUnavailable.as_str();
            Refusal::coded(StatusCode::SERVICE_UNAVAILABLE, code, said).not_dispatched().retry_after(wait)
        }
        (kind, last) => {
            let status = if is_late(last) { StatusCode::GATEWAY_TIMEOUT } else { StatusCode::BAD_GATEWAY };
            let refusal = Refusal::coded(status, GatewayCode::BadGateway.as_str(), said);
            if error.may_have_run() {
                return refusal
                    .not_to_be_repeated()
                    .do_not("repeat a request that must not run twice: the sandbox may have carried it out");
            }
            match kind {
                ErrorKind::Unavailable | ErrorKind::Interrupted if hop::is_read(method) => {
                    refusal.retryable().retry_after(wait)
                }
                _ => refusal,
            }
        }
    }
}

/// Whether nothing of the request can have reached anybody.
fn nothing_left(history: Option<&History>) -> bool {
    let unsent = |history: &History| {
        history.iter().all(|attempt| {
            matches!((attempt.dispatch, attempt.seen), (Dispatch::NotDispatched(_), Seen::Fault(_)))
        })
    };
    history.is_none_or(unsent)
}

fn is_late(last: Option<FaultKind>) -> bool {
    matches!(last, Some(FaultKind::ReadTimeout | FaultKind::AttemptTimeout | FaultKind::Deadline))
}

/// 400: the client did not send the body that it announced.
pub(crate) fn body_broken() -> Refusal {
    Refusal::new(GatewayCode::BadRequest, "the relay: the body of the request is malformed, or breaks off")
        .action("send the body as its head announces it, and to its end")
}

/// 400: whose it is, is left to whoever reads it (RFC 9112, section 3.2).
pub(crate) fn two_hosts() -> Refusal {
    Refusal::new(GatewayCode::BadRequest, "the relay: the request names two hosts").action("send one Host")
}

/// 400: `OPTIONS *`, which is to a server as a whole and to no sandbox.
pub(crate) fn no_path() -> Refusal {
    Refusal::new(GatewayCode::BadRequest, "the relay: it passes requests to a path, and * is none")
        .action("ask for the path of a sandbox")
}

/// 501: a transfer coding that would have to be undone (RFC 9112, section 6.1).
pub(crate) fn coded_body() -> Refusal {
    let message = "the relay: the body of the request has a transfer coding other than chunked";
    Refusal::coded(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
        .action("send it with a Content-Length, or chunked and nothing else")
}

/// 508: the request has been here before.
pub(crate) fn loops() -> Refusal {
    let message =
        "the relay: the request has been here before, so the platform that it leads to is the relay itself";
    Refusal::coded(StatusCode::LOOP_DETECTED, "LOOP_DETECTED", message)
        .action("start the relay with --to, or without BL_API_URL and BL_RUN_URL in its environment")
}

/// 503: there is no room for it, and nobody has seen it.
pub(crate) fn full() -> Refusal {
    let code = GatewayCode::WorkloadUnavailable.as_str();
    let message = "the relay: as many requests are under way as there may be";
    Refusal::coded(StatusCode::SERVICE_UNAVAILABLE, code, message).not_dispatched().retry_after(SOON)
}

/// 503: it stops, and nobody has seen the request.
pub(crate) fn stopping() -> Refusal {
    let code = GatewayCode::WorkloadUnavailable.as_str();
    Refusal::coded(StatusCode::SERVICE_UNAVAILABLE, code, "the relay: it is stopping")
        .not_dispatched()
        .retry_after(SOON)
}

/// 403: a page in a browser gets nobody's credentials.
pub(crate) fn page() -> Refusal {
    let message =
        "the relay: with credentials of its own it serves no browser, and only under a name of this machine";
    Refusal::new(GatewayCode::Forbidden, message).action("start the relay without --auth")
}

/// 501: a protocol on a stream of HTTP/2 that is no WebSocket.
pub(crate) fn unknown_protocol() -> Refusal {
    let message = "the relay: of the protocols on a stream of HTTP/2 it passes WebSockets";
    Refusal::coded(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
        .action("ask for this one over HTTP/1.1, by Upgrade")
}

/// 502: what was to open a WebSocket does not.
pub(crate) fn unopened() -> Refusal {
    let message = "the relay: the platform was asked for a WebSocket and answered with something else";
    Refusal::coded(StatusCode::BAD_GATEWAY, GatewayCode::BadGateway.as_str(), message).not_to_be_repeated()
}

/// 502: the answer changes over to a protocol that nobody asked for.
pub(crate) fn unasked_protocol() -> Refusal {
    let message = "the relay: the platform switched to a protocol that nobody asked for";
    Refusal::coded(StatusCode::BAD_GATEWAY, GatewayCode::BadGateway.as_str(), message)
}

//! Exchanges on connections that the host ends itself: where a route leads, and at the host's own previews.

mod body;
mod request;
mod room;
mod upstream;

use std::sync::Arc;
use std::time::SystemTime;

use http::header::UPGRADE;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use reveille_wire::hop;
use tokio_util::sync::CancellationToken;

use super::outside::{Outside, Place, reachable};
use super::refused::{Answer, Refused, blocked, refused};
use super::routing::Made;
use super::{Policy, Rules};
use request::{addressed, routed};
use room::Room;
pub(super) use upstream::Upstream;

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What says, to both sides, that an exchange went through a proxy that carries out routes.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-blaxel-request-id");

/// What an exchange has to go by.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) outside: Arc<Outside>,
    pub(super) rules: Rules,
    pub(super) end: CancellationToken,
    /// Room for bodies that are held.
    room: Room,
}

impl Terms {
    pub(super) fn new(outside: Arc<Outside>, rules: Rules, end: CancellationToken) -> Self {
        Self { outside, rules, end, room: Room::default() }
    }

    pub(super) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.rules.borrow())
    }
}

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Came {
    Plain,
    Secured,
}

/// Answers one request on a connection to a target.
pub(super) async fn answer(
    request: Request<Incoming>,
    upstream: &Upstream,
    came: Came,
    terms: &Terms,
) -> Result<Answer, Refused> {
    let target = upstream.target();
    let mut request = addressed(request, target)?;
    let policy = terms.policy();
    permitted(&policy, &target.name, &request)?;
    if upstream.place() == Place::Doors {
        if !terms.outside.is_door(request.uri(), request.headers()) {
            return Err(refused(StatusCode::FORBIDDEN, "of this host a sandbox reaches previews only"));
        }
        let proto = if came == Came::Secured { "https" } else { "http" };
        request.headers_mut().insert(FORWARDED_PROTO, HeaderValue::from_static(proto));
    }
    let client = hop::upgrade(request.headers()).map(|_| hyper::upgrade::on(&mut request));
    let routes = policy.routing().map(|routing| routing.to(&target.name)).unwrap_or_default();
    let mut made = Made::at(SystemTime::now());
    let (mut request, _room) = routed(request, &routes, &terms.room, &mut made).await?;
    let id = policy.routing().map(|_| new_id());
    if let Some(id) = &id {
        request.headers_mut().insert(REQUEST_ID, id.clone());
    }
    let answer = upstream.send(request, &terms.outside, &terms.rules).await?;
    let mut answer = passed_back(answer, client, &terms.end)?;
    made.tell(answer.headers_mut());
    if let Some(id) = id {
        answer.headers_mut().insert(REQUEST_ID, id);
    }
    Ok(answer)
}

/// Refuses a request that is not among what a sandbox may ask.
pub(super) fn permitted<B>(policy: &Policy, name: &str, request: &Request<B>) -> Result<(), Refused> {
    reachable(policy, name)?;
    let domains = policy.domains();
    if !domains.depend_on_requests(name) {
        return Ok(());
    }
    let (method, path) = (request.method(), request.uri().path());
    if !domains.allow_request(name, method, path) {
        return Err(blocked(format!("{method} {path} is not among what this sandbox may ask of {name}")));
    }
    // What is said in another protocol is not read. A WebSocket has no requests.
    if hop::upgrade(request.headers()).is_some_and(|to| !to.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Err(blocked(format!(
            "what this sandbox asks of {name} stays HTTP/1.1, or becomes a WebSocket"
        )));
    }
    Ok(())
}

/// The answer as the client gets it. Where both sides change over to another protocol they are joined.
fn passed_back(
    mut answer: Response<Incoming>,
    client: Option<hyper::upgrade::OnUpgrade>,
    end: &CancellationToken,
) -> Result<Answer, Refused> {
    let switched = (answer.status() == StatusCode::SWITCHING_PROTOCOLS)
        .then(|| answer.headers().get(UPGRADE).cloned().zip(client))
        .flatten();
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS && switched.is_none() {
        return Err(refused(StatusCode::BAD_GATEWAY, "the answer changes over to what nobody asked for"));
    }
    let upstream = switched.is_some().then(|| hyper::upgrade::on(&mut answer));
    hop::strip(answer.headers_mut()).map_err(|_| {
        refused(StatusCode::BAD_GATEWAY, "the answer has a transfer coding that is not known")
    })?;
    if let (Some((protocol, client)), Some(upstream)) = (switched, upstream) {
        hop::write_upgrade(answer.headers_mut(), protocol);
        tokio::spawn(end.clone().run_until_cancelled_owned(async move {
            if let Ok((client, upstream)) = tokio::try_join!(client, upstream) {
                let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
                // Either side may break off when it likes.
                tokio::io::copy_bidirectional(&mut client, &mut upstream).await.ok();
            }
        }));
    }
    Ok(answer.map(BodyExt::boxed))
}

fn new_id() -> HeaderValue {
    let id = format!("{:016x}", fastrand::u64(..));
    HeaderValue::from_str(&id).unwrap_or(HeaderValue::from_static("-"))
}

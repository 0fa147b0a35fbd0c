//! Requests of somebody else's, handed on by the rules of a proxy.

use std::sync::Arc;

use http::header::{EXPECT, HOST, PROXY_AUTHORIZATION};
use http::{HeaderMap, HeaderValue, Method, Request, Version};
use reveille_retry::Replay;
use reveille_wire::hop::{self, UnknownCoding};
use reveille_wire::{AppPath, InvalidInput, Port, SandboxName, SandboxPath, header};

use crate::answer::{Forwarded, Reading};
use crate::call::{Call, Identity, Operation, Readiness, Target, like_a_call};
use crate::core::{Body, Core};
use crate::error::Error;
use crate::record::Site;

use super::Sandbox;

/// Which of the platform's two addresses a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Plane {
    /// The control plane, below [`Client::api_url`](crate::Client::api_url).
    Control,
    /// What runs on the platform, below [`Client::run_url`](crate::Client::run_url).
    Data,
}

/// A request of another client's on its way; made by [`Client::forward`](crate::Client::forward).
///
/// It is sent as it came: its path and query byte by byte, its headers without those that belong to the connection it
/// came on (RFC 9110, section 7.6.1), its body and trailers. Nobody's credentials are added; a probe that precedes it
/// shows those that it carries. What a repeat would do, its method says; a request to change over to another protocol
/// counts as a mutation.
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Forward {
    call: Call<Forwarded>,
}

impl Forward {
    pub(crate) fn new(core: Arc<Core>, plane: Plane, request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let mut operation = aimed(&core, plane, head.method, path, &head.headers);
        operation.headers = head.headers;
        operation.body = body;
        Self::handed_on(core, operation, head.version)
    }

    /// One to the server on a port of a sandbox, in the name of the client.
    pub(super) fn to_app(
        sandbox: &Sandbox,
        port: Result<Port, InvalidInput>,
        request: Request<Body>,
    ) -> Self {
        let (head, body) = request.into_parts();
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        let place = port.and_then(|port| Ok(format!("/port/{port}{}", AppPath::new(path)?)));
        let mut operation = sandbox.app(head.method, place);
        operation.headers = head.headers;
        operation.body = body;
        Self::handed_on(sandbox.core(), operation, head.version)
    }

    fn handed_on(core: Arc<Core>, mut operation: Operation, version: Version) -> Self {
        match for_next_hop(&mut operation.headers, version) {
            Ok(None) => {}
            Ok(Some(_)) => operation = operation.declare(Replay::Never),
            Err(unknown) => operation.refuse(Error::input(unknown.to_string())),
        }
        Self { call: Call::new(core, operation, Reading::Stream(Box::new(Forwarded::of))) }
    }

    /// Sends it in the client's name: its credentials stand in place of those that came along, its workspace where
    /// none did.
    pub fn authorized(mut self) -> Self {
        self.call.operation = self.call.operation.identity(Identity::InTheirPlace);
        self
    }

    /// A read gets a short answer whole or not at all, so that one that breaks off is asked for again.
    fn into_call(self) -> Call<Forwarded> {
        match self.call.operation.replay() {
            Replay::Read => self.call.read_as(Reading::Short(Box::new(Forwarded::of))),
            _ => self.call,
        }
    }
}

like_a_call!(Forward => Forwarded);

/// Where a request goes, and what that has to do with the readiness of a sandbox.
fn aimed(core: &Core, plane: Plane, method: Method, path: &str, headers: &HeaderMap) -> Operation {
    let (target, readiness) = match (plane, SandboxPath::of(path)) {
        (Plane::Control, _) => {
            let readiness = ended(core, &method, path, headers).map_or(Readiness::OfNothing, Readiness::Ends);
            (Target::new(core.settings.api_url.as_str(), path, Site::ControlPlane), readiness)
        }
        (Plane::Data, Some(named)) => {
            let base = format!("{}{}", core.settings.run_url, named.sandbox);
            let site = if named.may_lead_to_app() { Site::App } else { Site::Agent };
            (Target::new(base, named.below, site), Readiness::OfTarget)
        }
        (Plane::Data, None) => {
            (Target::new(core.settings.run_url.as_str(), path, Site::App), Readiness::OfNothing)
        }
    };
    Operation::new(method, target).identity(Identity::Theirs).readiness(readiness)
}

/// The sandbox that is put to sleep or ended by a request to the control plane.
fn ended(core: &Core, method: &Method, path: &str, headers: &HeaderMap) -> Option<String> {
    let named = path.split('?').next()?.strip_prefix("/sandboxes/")?;
    let name = match *method {
        Method::DELETE => named,
        Method::POST => named.strip_suffix("/standby")?,
        _ => return None,
    };
    let name = SandboxName::new(name).ok()?;
    match headers.get(&header::WORKSPACE).and_then(|workspace| workspace.to_str().ok()) {
        Some(workspace) => Some(format!("{}/{workspace}/sandboxes/{name}", core.settings.run_url)),
        None => core.sandbox_url(&name).ok().map(|url| url.as_str().to_owned()),
    }
}

/// Makes headers those of the next hop, and gives the protocol that is to be changed over to.
fn for_next_hop(headers: &mut HeaderMap, version: Version) -> Result<Option<HeaderValue>, UnknownCoding> {
    let protocol = hop::upgrade(headers).filter(|_| version == Version::HTTP_11);
    hop::strip(headers)?;
    for name in [HOST, EXPECT, PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
    hop::join_cookies(headers);
    if let Some(protocol) = &protocol {
        hop::write_upgrade(headers, protocol.clone());
    }
    Ok(protocol)
}

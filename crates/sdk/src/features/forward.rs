//! Requests of somebody else's, handed on by the rules of a proxy.

use std::sync::Arc;

use http::header::{EXPECT, HOST, PROXY_AUTHORIZATION};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, Version};
use reveille_retry::Replay;
use reveille_wire::hop::{self, UnknownCoding};
use reveille_wire::{AppPath, InvalidInput, Port, SandboxName, SandboxPath, header};

use crate::answer::{Forwarded, Reading};
use crate::call::{Call, Identity, Operation, Readiness, Target, like_a_call};
use crate::core::transport::HOST_TO_COME;
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

/// A request of another client's on its way; made by [`Client::forward`](crate::Client::forward)
/// and [`Client::send`](crate::Client::send).
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
        let path = path_of(&head.uri);
        let operation = aimed(&core, plane, head.method.clone(), path, &head.headers);
        Self { call: handed_on(core, operation, head, body) }
    }

    /// One to the server on a port of a sandbox, in the name of the client.
    pub(super) fn to_app(
        sandbox: &Sandbox,
        port: Result<Port, InvalidInput>,
        request: Request<Body>,
    ) -> Self {
        let (head, body) = request.into_parts();
        let path = path_of(&head.uri);
        let place = port.and_then(|port| Ok(format!("/port/{port}{}", AppPath::new(path)?)));
        let operation = sandbox.app(head.method.clone(), place);
        Self { call: handed_on(sandbox.core(), operation, head, body) }
    }

    /// A request to wherever its own URL leads.
    pub(crate) fn to_url(core: Arc<Core>, request: Request<Body>) -> Self {
        let (head, body) = request.into_parts();
        let url = head.uri.to_string();
        let known = [(Plane::Data, &core.settings.run_url), (Plane::Control, &core.settings.api_url)];
        let below = known.into_iter().filter_map(|(plane, base)| Some((plane, below(&url, base)?)));
        // One base may be below the other, as on a local host: the longer one is meant.
        let below = below.min_by_key(|(_, path)| path.len());
        let call = if let Some((plane, path)) = below {
            let operation = aimed(&core, plane, head.method.clone(), path, &head.headers);
            handed_on(core, operation, head, body)
        } else if let Some((base, path, readiness)) = at_sandbox(&core, &head.uri, &url) {
            let operation = to_sandbox(head.method.clone(), base, path).readiness(readiness);
            handed_on(core, operation, head, body)
        } else {
            let path = path_of(&head.uri);
            let base = url.strip_suffix(path).unwrap_or_default();
            let target = Target::new(base, path, Site::App);
            let mut operation = Operation::new(head.method.clone(), target).identity(Identity::Theirs);
            if let Some(flaw) = flaw_of(&head.uri) {
                operation.refuse(Error::input(flaw));
            }
            handed_on(core, operation, head, body).no_retry().read_as(streamed())
        };
        Self { call }
    }

    /// Sends it in the client's name: its credentials stand in place of those that came along, its workspace where
    /// none did.
    pub fn authorized(mut self) -> Self {
        self.call.operation = self.call.operation.identity(Identity::InTheirPlace);
        self
    }

    /// Calls `hook` with each informational answer (1xx but 100, which is for whoever sent the body, and 101, which is
    /// final) when it comes, before the final one and never after the call is over; a proxy hands them on (RFC 9110,
    /// section 15.2). Its headers are without those that belong to the connection.
    ///
    /// An attempt that is tried again may have brought some already, so that the final answer need not be what they
    /// were a hint of, and the same may come twice; both are allowed of hints (RFC 8297, section 2). Of more than
    /// come while the call cannot be polled 16 are kept. The hook runs where the call is polled, and should not block.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Step};
    /// # let hint = [("link", "</style.css>; rel=preload")];
    /// # let server = FaultServer::start(Step::ok("page").informational_with(103, hint))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// use reveille::{Body, Plane};
    ///
    /// let (told, hints) = std::sync::mpsc::channel();
    /// let request = http::Request::get("/acme/sandboxes/box/port/3000/").body(Body::empty())?;
    /// let call = client.forward(Plane::Data, request).on_informational(move |hint| {
    ///     let _ = told.send((hint.status(), hint.headers().clone()));
    /// });
    /// assert_eq!(call.wait()?.status(), 200);
    /// let (status, headers) = hints.recv()?;
    /// assert_eq!((status.as_u16(), &headers["link"]), (103, &"</style.css>; rel=preload".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_informational(mut self, hook: impl Fn(&Response<()>) + Send + Sync + 'static) -> Self {
        self.call = self.call.on_informational(Arc::new(hook));
        self
    }

    fn into_call(self) -> Call<Forwarded> {
        self.call
    }
}

like_a_call!(Forward => Forwarded);

/// The call that hands a request on. A read gets a short answer whole or not at all, so that one that breaks off is
/// asked for again.
fn handed_on(core: Arc<Core>, mut operation: Operation, head: Parts, body: Body) -> Call<Forwarded> {
    operation.headers = head.headers;
    let body_is_whole = body.is_whole();
    operation.body = body;
    // Who holds its body has no need to be asked for it.
    let waits = !body_is_whole && hop::expects_continue(&operation.headers);
    match for_next_hop(&mut operation.headers, head.version) {
        Ok(None) => {}
        Ok(Some(_)) => operation = operation.declare(Replay::Never),
        Err(unknown) => operation.refuse(Error::input(unknown.to_string())),
    }
    if waits {
        operation.headers.insert(EXPECT, HeaderValue::from_static("100-continue"));
    }
    let reading = match operation.replay() {
        Replay::Read => Reading::Short(Box::new(Forwarded::of)),
        _ => streamed(),
    };
    Call::new(core, operation, reading)
}

fn streamed() -> Reading<Forwarded> {
    Reading::Stream(Box::new(Forwarded::of))
}

fn path_of(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

/// What is wrong with whom a URL names, where something is.
fn flaw_of(uri: &Uri) -> Option<&'static str> {
    let authority = uri.authority()?.as_str();
    if authority.contains('@') {
        // It has no place in a request (RFC 9110, section 7.2), and nobody would be asked who it is.
        return Some("a URL must not carry a user name or a password");
    }
    let port = authority.strip_prefix(uri.host()?)?.strip_prefix(':')?;
    // Else it would be taken for one without a port.
    (!port.is_empty() && uri.port().is_none()).then_some("the port of a URL is a number from 0 to 65535")
}

/// What of a URL follows a base.
fn below<'a>(url: &'a str, base: &str) -> Option<&'a str> {
    url.strip_prefix(base).filter(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
}

/// The sandbox that a URL leads to by an address of its own: one that the environment forces, which is asked nothing
/// but what is sent there, or the platform's (`https://sbx-{id}-{workspace}.{region}.bl.run`).
fn at_sandbox<'a>(core: &Core, uri: &Uri, url: &'a str) -> Option<(String, &'a str, Readiness)> {
    let forced = core.settings.forced.values().map(|base| base.trim_end_matches('/'));
    let mut forced = forced.filter_map(|base| Some((base.to_owned(), below(url, base)?)));
    if let Some((base, path)) = forced.next() {
        return Some((base, path, Readiness::OfNothing));
    }
    let host = uri.host().filter(|host| host.starts_with("sbx-") && host.ends_with(".bl.run"))?;
    let base = format!("https://{host}");
    let path = below(url, &base)?;
    Some((base, path, Readiness::OfTarget))
}

/// A request to the sandbox at `base`, or to an app behind one of its ports.
fn to_sandbox(method: Method, base: String, below: &str) -> Operation {
    let may_be_app = SandboxPath { sandbox: "", below }.may_lead_to_app();
    let site = if may_be_app { Site::App } else { Site::Agent };
    Operation::new(method, Target::new(base, below, site)).identity(Identity::Theirs)
}

/// Where a request goes, and what that has to do with the readiness of a sandbox.
fn aimed(core: &Core, plane: Plane, method: Method, path: &str, headers: &HeaderMap) -> Operation {
    let (target, readiness) = match (plane, SandboxPath::of(path)) {
        (Plane::Control, _) => {
            let readiness = ended(core, &method, path, headers).map_or(Readiness::OfNothing, Readiness::Ends);
            (Target::new(core.settings.api_url.as_str(), path, Site::ControlPlane), readiness)
        }
        (Plane::Data, Some(named)) => {
            let base = [&*core.settings.run_url, named.sandbox].concat();
            return to_sandbox(method, base, named.below).readiness(Readiness::OfTarget);
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
    headers.insert(HOST, HOST_TO_COME);
    for name in [EXPECT, PROXY_AUTHORIZATION] {
        // Few names are gone over faster than one is looked up.
        if headers.keys().any(|other| *other == name) {
            headers.remove(name);
        }
    }
    hop::join_cookies(headers);
    if let Some(protocol) = &protocol {
        hop::write_upgrade(headers, protocol.clone());
    }
    Ok(protocol)
}

//! The gateway: authenticated requests to the agents of sandboxes, awake or not.

pub(crate) mod answer;
mod body;
mod forward;
mod headers;
mod route;
mod tunnel;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use http::{Method, Request, Response};
use hyper::body::Incoming;
use reveille_wire::{GatewayCode, SandboxName};

use crate::auth::Key;
use crate::observer::{Observer, Passage, Passed};
use crate::sandbox::Patience;
use crate::sandbox::{Lease, Refusal, Registry, Resident};
use crate::settings::{HostSettings, Refuse, WhileWaking};
use answer::Refused;
use route::{NoRoute, Route};

/// Serves `/{workspace}/sandboxes/{name}/...`.
#[derive(Clone)]
pub(crate) struct Gateway {
    residents: Arc<Registry>,
    key: Arc<Key>,
    workspace: String,
    while_waking: WhileWaking,
    observer: Option<Observer>,
}

/// What the gateway does with a request.
pub(crate) enum Served {
    Answer(Response<Body>),
    /// The connection is to be reset without an answer.
    Reset,
}

impl From<Refused> for Served {
    fn from(refused: Refused) -> Self {
        Self::Answer(refused.into_response())
    }
}

/// What is told of a request once it is decided what becomes of it.
struct Witness<'a> {
    observer: Option<&'a Observer>,
    sandbox: &'a SandboxName,
    method: Method,
    path: &'a str,
    told: AtomicBool,
}

impl Witness<'_> {
    fn tell(&self, what: Passed) {
        let Some(observer) = self.observer else { return };
        if self.told.swap(true, Ordering::Relaxed) {
            return;
        }
        observer(&Passage {
            at: Instant::now(),
            sandbox: self.sandbox.clone(),
            method: self.method.clone(),
            path: self.path.to_owned(),
            what,
        });
    }
}

impl Gateway {
    pub(crate) fn new(residents: Arc<Registry>, key: Arc<Key>, settings: &HostSettings) -> Self {
        Self {
            residents,
            key,
            workspace: settings.workspace.clone(),
            while_waking: settings.while_waking,
            observer: settings.observer.clone(),
        }
    }

    /// Serves a request whose credentials are right.
    pub(crate) async fn serve(&self, request: Request<Incoming>, client: SocketAddr) -> Served {
        let route = match Route::of(request.uri(), &self.workspace) {
            Ok(route) => route,
            Err(no_route) => return refused_route(&no_route).into(),
        };
        let Some(resident) = self.residents.find(&route.sandbox) else {
            return no_such_sandbox(&route.sandbox).into();
        };
        let witness = Witness {
            observer: self.observer.as_ref(),
            sandbox: &route.sandbox,
            method: request.method().clone(),
            path: route.target.path(),
            told: AtomicBool::new(false),
        };
        let lease = match resident.admit(self.patience()).await {
            Ok(lease) => lease,
            Err(refusal) => return self.refuse(&refusal, &witness),
        };
        self.forward(&resident, lease, request, &route, client, &witness).await
    }

    async fn forward(
        &self,
        resident: &Arc<Resident>,
        lease: Lease,
        mut request: Request<Incoming>,
        route: &Route,
        client: SocketAddr,
        witness: &Witness<'_>,
    ) -> Served {
        self.key.strip(request.headers_mut());
        let mut forward = forward::Forward::new(request, route.target.clone(), client);
        let mut lease = Arc::new(lease);
        for pause in forward::PAUSES {
            if let Ok(connection) = lease.agent().connect().await {
                witness.tell(Passed::Forwarded);
                if let Ok(response) = forward.send(connection, &lease).await {
                    return Served::Answer(response);
                }
            }
            tracing::debug!(sandbox = %route.sandbox, "the agent of this waking is gone");
            lease.lost();
            // The engine may take a moment to see that an agent has ended.
            tokio::time::sleep(Duration::from_millis(pause)).await;
            lease = match resident.admit(self.patience()).await {
                Ok(lease) => Arc::new(lease),
                Err(refusal) => return self.refuse(&refusal, witness),
            };
        }
        self.refuse(&Refusal::Failed("its agent cannot be reached".into()), witness)
    }

    fn patience(&self) -> Patience {
        match self.while_waking {
            WhileWaking::Hold => Patience::Wait,
            WhileWaking::Reject(_) | WhileWaking::Reset => Patience::Leave,
        }
    }

    fn refuse(&self, refusal: &Refusal, witness: &Witness<'_>) -> Served {
        let sandbox = witness.sandbox;
        let refused = match refusal {
            Refusal::Gone => no_such_sandbox(sandbox),
            Refusal::Full => unavailable("too many requests wait for it to wake"),
            Refusal::Late => unavailable("it did not wake in the time that a request may wait"),
            Refusal::Failed(reason) => unavailable(&format!("it did not wake: {reason}")),
            Refusal::Waking { left } => match self.while_waking {
                WhileWaking::Reset => {
                    witness.tell(Passed::Reset);
                    return Served::Reset;
                }
                WhileWaking::Reject(Refuse::Status503) => Refused::resuming(*left),
                WhileWaking::Reject(Refuse::Status404) => {
                    Refused::new(GatewayCode::WorkloadUnavailable, "the sandbox is resuming").retryable()
                }
                WhileWaking::Reject(Refuse::Status404NotDispatched) | WhileWaking::Hold => {
                    unavailable("it is resuming")
                }
            },
        };
        witness.tell(Passed::Rejected(refused.status()));
        refused.into()
    }
}

/// Nothing serves it, and the request was not handed on.
fn unavailable(why: &str) -> Refused {
    let message = format!("the sandbox is not available: {why}");
    Refused::new(GatewayCode::WorkloadUnavailable, message).retryable().not_dispatched()
}

fn no_such_sandbox(name: &SandboxName) -> Refused {
    Refused::new(GatewayCode::WorkloadNotFound, format!("there is no sandbox called {name}"))
        .action("create it first, or list the sandboxes to see their names")
}

fn refused_route(no_route: &NoRoute) -> Refused {
    match no_route {
        NoRoute::Elsewhere => Refused::new(GatewayCode::RouteNotFound, "the URL names nothing")
            .action("use /{workspace}/sandboxes/{name}/..., or /v0/... for the control plane"),
        NoRoute::Workspace(name) => {
            Refused::new(GatewayCode::WorkspaceNotFound, format!("there is no workspace {name:?} here"))
        }
        NoRoute::Sandbox(name) => {
            Refused::new(GatewayCode::WorkloadNotFound, format!("there is no sandbox called {name:?}"))
        }
        NoRoute::Climbs => {
            Refused::new(GatewayCode::BadRequest, "the path leads out of the sandbox: take .. out of it")
        }
    }
}

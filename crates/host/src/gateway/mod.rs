//! The gateway: authenticated requests to the agents of sandboxes, awake or not.

pub(crate) mod answer;
mod body;
mod forward;
mod headers;
mod route;
mod tunnel;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Request, Response};
use hyper::body::Incoming;
use reveille_wire::{GatewayCode, SandboxName};

use crate::auth::Key;
use crate::observer::{Hub, Passage};
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
    hub: Arc<Hub>,
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

impl Gateway {
    pub(crate) fn new(
        residents: Arc<Registry>,
        key: Arc<Key>,
        hub: Arc<Hub>,
        settings: &HostSettings,
    ) -> Self {
        Self {
            residents,
            key,
            workspace: settings.workspace.clone(),
            while_waking: settings.while_waking,
            hub,
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
        let passage = self.hub.request(&route.sandbox, request.method(), route.target.path());
        let passage = Arc::new(passage);
        let lease = match resident.admit(self.patience()).await {
            Ok(lease) => lease,
            Err(refusal) => return self.refuse(&refusal, &passage),
        };
        self.forward(&resident, lease, request, &route, client, &passage).await
    }

    async fn forward(
        &self,
        resident: &Arc<Resident>,
        lease: Lease,
        mut request: Request<Incoming>,
        route: &Route,
        client: SocketAddr,
        passage: &Arc<Passage>,
    ) -> Served {
        self.key.strip(request.headers_mut());
        let mut forward = forward::Forward::new(request, route.target.clone(), client);
        let mut lease = Arc::new(lease);
        for pause in forward::PAUSES {
            if let Ok(connection) = lease.agent().connect().await
                && let Ok(response) = forward.send(connection, &lease, passage).await
            {
                return Served::Answer(response);
            }
            tracing::debug!(sandbox = %route.sandbox, "the agent of this waking is gone");
            lease.lost();
            // The engine may take a moment to see that an agent has ended.
            tokio::time::sleep(Duration::from_millis(pause)).await;
            lease = match resident.admit(self.patience()).await {
                Ok(lease) => Arc::new(lease),
                Err(refusal) => return self.refuse(&refusal, passage),
            };
        }
        self.refuse(&Refusal::Failed("its agent cannot be reached".into()), passage)
    }

    fn patience(&self) -> Patience {
        match self.while_waking {
            WhileWaking::Hold => Patience::Wait,
            WhileWaking::Reject(_) | WhileWaking::Reset => Patience::Leave,
        }
    }

    fn refuse(&self, refusal: &Refusal, passage: &Arc<Passage>) -> Served {
        let sandbox = passage.sandbox();
        let refused = match refusal {
            Refusal::Gone => no_such_sandbox(sandbox),
            Refusal::Full => unavailable("too many requests wait for it to wake"),
            Refusal::Late => unavailable("it did not wake in the time that a request may wait"),
            Refusal::Failed(reason) => unavailable(&format!("it did not wake: {reason}")),
            Refusal::Waking { left } => match self.while_waking {
                WhileWaking::Reset => {
                    passage.reset();
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
        passage.refused(refused.status());
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

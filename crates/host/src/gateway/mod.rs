//! The gateway: authenticated requests to the agents of sandboxes, awake or not.

mod body;
mod crossing;
mod forward;
mod headers;
mod interim;
pub(crate) mod refusal;
mod route;
mod tunnel;
mod upgrade;
mod visitor;
mod weight;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http::{Request, Response};

use crate::agent::BodyError;
use crate::auth::Keys;
use crate::observer::{Hub, Passage};
use crate::sandbox::Patience;
use crate::sandbox::{Lease, Refusal as NotAdmitted, Registry, Resident};
use crate::settings::{Refuse, WhileWaking};
use crossing::Crossing;
use forward::Forward;
use refusal::respond;
use route::Route;
pub(crate) use route::climbs;
pub(crate) use visitor::Visitor;
pub(crate) use weight::H2_WINDOW;
use weight::weight;

/// Serves `/{workspace}/sandboxes/{name}/...`.
#[derive(Clone)]
pub(crate) struct Gateway {
    residents: Arc<Registry>,
    keys: Arc<Keys>,
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

impl From<reveille_wire::Refusal> for Served {
    fn from(refusal: reveille_wire::Refusal) -> Self {
        Self::Answer(respond(refusal))
    }
}

impl Gateway {
    pub(crate) fn new(
        residents: Arc<Registry>,
        keys: Arc<Keys>,
        hub: Arc<Hub>,
        workspace: &str,
        while_waking: WhileWaking,
    ) -> Self {
        Self { residents, keys, workspace: workspace.to_owned(), while_waking, hub }
    }

    /// Serves a request whose credentials are right.
    pub(crate) async fn serve<B>(&self, request: Request<B>, visitor: &Visitor) -> Served
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    {
        let route = match Route::of(request.uri(), &self.workspace) {
            Ok(route) => route,
            Err(no_route) => return refusal::no_route(&no_route).into(),
        };
        let Some(resident) = self.residents.find(&route.sandbox) else {
            return refusal::no_such_sandbox(&route.sandbox).into();
        };
        let passage = Arc::new(self.hub.request(&route.sandbox, request.method(), route.target.path()));
        let lease = match resident.admit(self.patience(), weight(&request)).await {
            Ok(lease) => lease,
            Err(why) => return self.refuse(&why, &passage),
        };
        self.forward(&resident, lease, request, &route, visitor, &passage).await
    }

    async fn forward<B>(
        &self,
        resident: &Arc<Resident>,
        lease: Lease,
        mut request: Request<B>,
        route: &Route,
        visitor: &Visitor,
        passage: &Arc<Passage>,
    ) -> Served
    where
        B: http_body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
    {
        self.keys.strip(request.headers_mut());
        let mut forward = match Forward::new(request, route, visitor) {
            Ok(forward) => forward,
            Err(refused) => {
                passage.refused(refused.status());
                return refused.into();
            }
        };
        if forward.is_upgrade_of_the_agent() {
            Box::pin(resident.renew_agent()).await;
        }
        let mut crossing = Crossing::new(lease, passage);
        for pause in forward::PAUSES {
            if let Ok(response) = forward.send(&crossing).await {
                return Served::Answer(response);
            }
            tracing::debug!(sandbox = %route.sandbox, "the agent of this waking is gone");
            crossing.lost();
            // The engine may take a moment to see that an agent has ended.
            Box::pin(tokio::time::sleep(Duration::from_millis(pause))).await;
            crossing = match resident.admit(self.patience(), forward.weight()).await {
                Ok(lease) => Crossing::new(lease, passage),
                Err(why) => return self.refuse(&why, passage),
            };
        }
        self.refuse(&NotAdmitted::Failed("its agent cannot be reached".into()), passage)
    }

    fn patience(&self) -> Patience {
        match self.while_waking {
            WhileWaking::Hold => Patience::Wait,
            WhileWaking::Reject(_) | WhileWaking::Reset => Patience::Leave,
        }
    }

    fn refuse(&self, why: &NotAdmitted, passage: &Arc<Passage>) -> Served {
        let sandbox = passage.sandbox();
        let refused = match why {
            NotAdmitted::Gone => refusal::no_such_sandbox(sandbox),
            NotAdmitted::Full => refusal::unavailable("too many requests wait for it to wake"),
            NotAdmitted::Late => refusal::unavailable("it did not wake in the time that a request may wait"),
            NotAdmitted::Failed(reason) | NotAdmitted::Unfit(reason) => {
                refusal::unavailable(&format!("it did not wake: {reason}"))
            }
            NotAdmitted::Waking { left } => match self.while_waking {
                WhileWaking::Reset => {
                    passage.reset();
                    return Served::Reset;
                }
                WhileWaking::Reject(Refuse::Status503) => refusal::resuming(*left),
                WhileWaking::Reject(Refuse::Status404) => refusal::resuming_as_documented(*left),
                WhileWaking::Reject(Refuse::Status404NotDispatched) | WhileWaking::Hold => {
                    refusal::unavailable("it is resuming").retry_after(*left)
                }
            },
        };
        passage.refused(refused.status());
        refused.into()
    }
}

//! One request to an agent and its answer back.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use http::uri::InvalidUri;
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use reveille_wire::{Port, Refusal, hop};

use super::body::Crosses;
use super::crossing::Crossing;
use super::interim::Interims;
use super::refusal::{self, respond};
use super::route::{NoRoute, Route, Target};
use super::upgrade::{self, Upgrade};
use super::visitor::Visitor;
use super::{headers, weight};
use crate::agent::{
    Agent, Answer, BodyError, Connection, Line, NoPassage, NotAnswered, Origin, Outgoing, Question,
};

/// How long a request that could not reach its agent waits before each next waking, in milliseconds; then it
/// gives up.
pub(super) const PAUSES: [u64; 8] = [0, 5, 10, 20, 50, 100, 300, 500];

/// A request on its way to an agent.
pub(super) struct Forward<B> {
    method: Method,
    target: Target,
    way: Way,
    headers: HeaderMap,
    body: Option<B>,
    upgrade: Option<Upgrade>,
    kind: Kind,
    interims: Interims,
    /// The request as it was handed to a connection that did not write it.
    unsent: Option<Request<Outgoing>>,
}

/// The agent of this waking is not there any more, and has not seen the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unreachable;

/// Who is to get the request.
enum Way {
    Agent,
    /// A server in the sandbox. Where the agent hands over no connection to it, the agent gets the whole target.
    Port {
        port: Port,
        whole: Target,
    },
}

/// Why there is no connection for a request.
enum NoConnection {
    Unreachable,
    Refused(Refusal),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// It may be sent twice, and is no more than its head.
    Read,
    Mutation,
    /// The agent will re-execute itself and close its idle connections.
    AgentUpgrade,
}

impl<B> Forward<B>
where
    B: hyper::body::Body<Data = Bytes, Error = BodyError> + Send + Unpin + 'static,
{
    /// # Errors
    /// When its body has a transfer coding, or its stream is to get a protocol, that cannot be handed on.
    pub(super) fn new(request: Request<B>, route: &Route, visitor: &Visitor) -> Result<Self, Refusal> {
        let (head, body, upgrade) = Upgrade::of(request)?;
        // What is left in the head belongs to the client's connection.
        let mut headers = head.headers;
        let protocol = upgrade.as_ref().map(Upgrade::protocol);
        headers::to_agent(&mut headers, &head.uri, visitor, protocol).map_err(|_| refusal::coded_body())?;
        let is_read = hop::is_read(&head.method) && body.is_end_stream() && upgrade.is_none();
        let kind = match (is_read, &head.method) {
            (true, _) => Kind::Read,
            (false, &Method::POST) if route.target.path() == "/upgrade" => Kind::AgentUpgrade,
            (false, _) => Kind::Mutation,
        };
        let (way, target) = match &route.port {
            Some((port, below)) => (Way::Port { port: *port, whole: route.target.clone() }, below.clone()),
            None => (Way::Agent, route.target.clone()),
        };
        Ok(Self {
            method: head.method,
            target,
            way,
            headers,
            body: Some(body),
            upgrade,
            kind,
            interims: Interims::new(visitor.interim()),
            unsent: None,
        })
    }

    /// What it holds in memory while it waits, in bytes.
    pub(super) fn weight(&self) -> u64 {
        weight::of_head(&self.target.text(), &self.headers)
    }

    /// Whether the agent is asked to become its newest version.
    pub(super) fn is_upgrade_of_the_agent(&self) -> bool {
        self.kind == Kind::AgentUpgrade
    }

    /// Sends it, and answers what the client is to see.
    ///
    /// # Errors
    /// When nothing of it was written because the agent is not there any more; it can be sent again.
    pub(super) async fn send(&mut self, crossing: &Crossing) -> Result<Response<Body>, Unreachable> {
        let agent = Arc::clone(crossing.agent());
        match self.kind {
            Kind::Read => self.read(&agent, crossing).await,
            // Apart, so that a read does not carry its room about.
            Kind::Mutation | Kind::AgentUpgrade => Box::pin(self.mutate(&agent, crossing)).await,
        }
    }

    /// A read may go out on a connection that was kept, and once more on a new one.
    async fn read(&mut self, agent: &Agent, crossing: &Crossing) -> Result<Response<Body>, Unreachable> {
        let mut wanted = Origin::Kept;
        loop {
            let line = match self.connect(agent, wanted).await {
                Ok(line) => line,
                Err(NoConnection::Unreachable) => return Err(Unreachable),
                Err(NoConnection::Refused(refusal)) => return Ok(refuse(refusal, crossing)),
            };
            let origin = line.origin();
            let target = self.target.text();
            let question = Question { method: &self.method, target: &target, headers: &self.headers };
            let tell = |status, headers| self.interims.tell(status, headers);
            match line.read(question, || crossing.forwarded(), tell).await {
                Ok(response) => return Ok(self.answer(response, crossing, agent)),
                Err(error) => {
                    tracing::debug!(?error, ?origin, "a read was not answered");
                    if origin == Origin::Fresh {
                        return self.after(error).map(|refusal| refuse(refusal, crossing));
                    }
                }
            }
            wanted = Origin::Fresh;
        }
    }

    /// Anything else goes out on a new connection, which nobody can have closed for being idle, and once.
    async fn mutate(&mut self, agent: &Agent, crossing: &Crossing) -> Result<Response<Body>, Unreachable> {
        let line = match self.connect(agent, Origin::Fresh).await {
            Ok(line) => line,
            Err(NoConnection::Unreachable) => return Err(Unreachable),
            Err(NoConnection::Refused(refusal)) => return Ok(refuse(refusal, crossing)),
        };
        if self.kind == Kind::AgentUpgrade {
            agent.renew();
        }
        let connection = Connection::over(line).await.map_err(|_| Unreachable)?;
        let Ok(request) = self.request(crossing) else {
            return Ok(refuse(refusal::no_route(&NoRoute::Elsewhere), crossing));
        };
        match connection.send(request, || crossing.forwarded()).await {
            Ok(response) => Ok(self.answer(response, crossing, agent)),
            Err(error) => {
                tracing::debug!(?error, "a request was not answered");
                self.after(error).map(|refusal| refuse(refusal, crossing))
            }
        }
    }

    async fn connect(&mut self, agent: &Agent, wanted: Origin) -> Result<Line, NoConnection> {
        if let Way::Port { port, whole } = &self.way {
            let connected = match wanted {
                Origin::Kept => agent.connect_to(*port).await,
                Origin::Fresh => agent.connect_anew_to(*port).await,
            };
            match connected {
                Ok(line) => return Ok(line),
                Err(NoPassage::Unreachable) => return Err(NoConnection::Unreachable),
                Err(NoPassage::NotListening) => {
                    return Err(NoConnection::Refused(refusal::not_listening(*port)));
                }
                Err(NoPassage::NotAccepting) => {
                    return Err(NoConnection::Refused(refusal::not_accepting(*port)));
                }
                Err(NoPassage::Unknown) => {
                    self.target = whole.clone();
                    self.way = Way::Agent;
                }
            }
        }
        let connected = match wanted {
            Origin::Kept => agent.connect().await,
            Origin::Fresh => agent.connect_anew().await,
        };
        connected.map_err(|_| NoConnection::Unreachable)
    }

    /// What becomes of the request that was not answered on a new connection.
    fn after(&mut self, error: NotAnswered) -> Result<Refusal, Unreachable> {
        match error {
            NotAnswered::BodyBroken => Ok(refusal::body_broken()),
            NotAnswered::NeverWritten(Some(again)) => {
                self.unsent = Some(*again);
                Err(Unreachable)
            }
            NotAnswered::NeverWritten(None) if self.kind == Kind::Read => Err(Unreachable),
            NotAnswered::NeverWritten(None) => {
                Ok(refusal::unavailable("its agent ended before it took the request"))
            }
            NotAnswered::Broken(_) => {
                let what = "the sandbox broke off before it answered; the request may have been carried out";
                Ok(refusal::broken(&self.method, what))
            }
        }
    }

    /// # Errors
    /// When its target is none.
    fn request(&mut self, crossing: &Crossing) -> Result<Request<Outgoing>, InvalidUri> {
        let target = self.target.uri()?;
        if let Some(mut request) = self.unsent.take() {
            *request.uri_mut() = target;
            return Ok(request);
        }
        let body = self.body.take().map(|body| Outgoing::streamed(Crosses::up(body, crossing.clone())));
        let mut request = Request::new(body.unwrap_or_default());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = target;
        *request.headers_mut() = std::mem::take(&mut self.headers);
        self.interims.listen(&mut request);
        Ok(request)
    }

    fn answer(
        &mut self,
        mut response: Response<Answer>,
        crossing: &Crossing,
        agent: &Agent,
    ) -> Response<Body> {
        crossing.answered(&response);
        if self.kind == Kind::AgentUpgrade {
            agent.renew();
        }
        let is_switch = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let agreed = is_switch.then(|| hop::upgrade(response.headers())).flatten();
        if headers::to_client(response.headers_mut()).is_err() {
            let what = "the server in the sandbox answered in a transfer coding that cannot be handed on";
            return respond(refusal::broken(&self.method, what));
        }
        *response.version_mut() = Version::HTTP_11;
        let switched = match (self.upgrade.take(), is_switch) {
            (Some(upgrade), true) => upgrade.switch(response, agreed, crossing),
            (None, true) => Err("the server in the sandbox switched to a protocol that nobody asked for"),
            (Some(upgrade), false) if upgrade.is_opened_by(response.status()) => Err(upgrade::UNOPENED),
            (_, false) => {
                let (head, body) = response.into_parts();
                Ok(Response::from_parts(head, Body::new(Crosses::down(body, crossing.clone()))))
            }
        };
        switched.unwrap_or_else(|what| respond(refusal::broken(&self.method, what)))
    }
}

fn refuse(refusal: Refusal, crossing: &Crossing) -> Response<Body> {
    crossing.refused(refusal.status());
    respond(refusal)
}

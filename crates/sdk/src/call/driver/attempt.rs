//! One attempt: a request, what comes back, and what it proves.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode};
use reveille_retry::{AttemptPlan, Dispatch, Fault, FaultKind, Limit, Proof, Refusal};
use reveille_wire::{GatewayAnswer, refusal_of};

use super::{Driver, identity};
use crate::answer::Arriving;
use crate::core::SendBody;
use crate::core::transport::{Broken, Incoming, Quiet, Trace};
use crate::error::{Answered, Error};
use crate::record::{AnsweredBy, Site};

/// How long the rest of a transient answer is waited for, before its connection is given up.
const PEEK_TIME: Duration = Duration::from_millis(250);
/// The same where the body decides something, or is all that explains an error.
const PROOF_TIME: Duration = Duration::from_secs(2);

/// An answer, with as much of its body as was needed to judge it.
pub(super) struct Answer {
    pub(super) parts: http::response::Parts,
    pub(super) refusal: Option<Refusal>,
    pub(super) body: Arriving,
}

impl Answer {
    fn begin(response: Response<Incoming>, quiet: Quiet) -> Self {
        let (parts, incoming) = response.into_parts();
        Self { parts, refusal: None, body: Arriving::new(incoming, quiet) }
    }

    /// The answer with as much of its body as has been read.
    pub(super) fn into_answered(self) -> Answered {
        Answered { status: self.parts.status, headers: self.parts.headers, body: self.body.into_held() }
    }
}

/// Why there is no request to send.
pub(super) enum Unsent {
    Broken(Broken),
    Error(Error),
}

impl Driver {
    /// Sends once, and takes what comes within the attempt's limit.
    ///
    /// # Errors
    /// Where there is nothing to send: no credentials, or no token for them.
    pub(super) async fn attempt(&mut self, plan: &AttemptPlan) -> Result<Result<Box<Answer>, Broken>, Error> {
        self.open = None;
        let trace = Trace::default();
        // In one place, so that a call carries it once.
        let exchange = pin!(self.exchange(plan, &trace));
        let Some((most, limit)) = plan.limit else { return exchange.await };
        // Boxed, as most attempts have no limit.
        match Box::pin(tokio::time::timeout(most, exchange)).await {
            Ok(done) => done,
            Err(_) => {
                match limit {
                    Limit::Attempt => trace.distrust_connection(),
                    Limit::Deadline => trace.abandon_connection(),
                }
                Ok(Err(cut(limit, trace.dispatch())))
            }
        }
    }

    /// Waits for `work` as long as the attempt that was begun by `plan` may still take.
    pub(super) async fn within_plan<W>(&mut self, plan: &AttemptPlan, work: W) -> Result<(), Broken>
    where
        W: Future<Output = Result<(), Broken>>,
    {
        let Some((most, limit)) = plan.limit else { return work.await };
        let spent = self.session.history().last().map_or(Duration::ZERO, |attempt| attempt.took);
        match tokio::time::timeout(most.saturating_sub(spent), work).await {
            Ok(done) => done,
            Err(_) => Err(cut(limit, Dispatch::Answered)),
        }
    }

    async fn exchange(
        &mut self,
        plan: &AttemptPlan,
        trace: &Trace,
    ) -> Result<Result<Box<Answer>, Broken>, Error> {
        let mut quiet = Quiet::new(self.quiet);
        let request = match self.request(&mut quiet).await {
            Ok(request) => request,
            Err(Unsent::Broken(broken)) => return Ok(Err(broken)),
            Err(Unsent::Error(error)) => return Err(error),
        };
        let core = Arc::clone(&self.core);
        let transport = &core.transport;
        let tell = self.tuning.on_informational.as_ref();
        let sent = transport.send(request, self.operation.wanted(), self.tuning.bounds, tell, trace);
        let sent = if self.may_race() {
            self.raced(plan, sent, &mut quiet, trace).await
        } else {
            transport.bound(sent, &mut quiet, trace).await
        };
        match sent.map(|response| self.open = Some(Box::new(Answer::begin(response, quiet)))) {
            Ok(()) => Ok(self.take().await),
            Err(broken) => Ok(Err(broken)),
        }
    }

    pub(super) async fn request(&mut self, quiet: &mut Quiet) -> Result<Request<SendBody>, Unsent> {
        let headers = self.headers().await.map_err(Unsent::Error)?;
        let body = self.operation.body.open(|| quiet.progress()).await.map_err(|error| {
            let fault = Fault::proven(FaultKind::RequestBody, Proof::Canceled);
            Unsent::Broken(Broken { fault, source: Some(Box::new(error)) })
        })?;
        let mut request = Request::new(body);
        *request.method_mut() = self.operation.method.clone();
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        Ok(request)
    }

    /// The headers, made anew for every attempt, as a token may be renewed between two. What the caller set
    /// stays.
    async fn headers(&mut self) -> Result<HeaderMap, Error> {
        let shown = identity::show(&self.core, self.operation.identity, &self.operation.headers).await;
        let (headers, token) = shown.map_err(|why| why.into_error(self.record_so_far()))?;
        self.token = token;
        Ok(headers)
    }

    /// Reads as much of the open answer as is needed to judge it; all of it, where it is to be delivered whole. What
    /// has come stays open where the reading is cut.
    async fn take(&mut self) -> Result<Box<Answer>, Broken> {
        let cut = || Broken { fault: Fault::answered(FaultKind::BodyCut), source: None };
        let Self { core, operation, session, taking, token, open, .. } = self;
        let Answer { parts, refusal, body } = &mut **open.as_mut().ok_or_else(cut)?;
        let (site, status, headers) = (operation.target.site(), parts.status, &parts.headers);
        let by = || AnsweredBy::of(site, headers);
        // An app's own 401 says nothing of the access token.
        if let Some(token) = token
            && status == StatusCode::UNAUTHORIZED
            && by() != AnsweredBy::App
        {
            core.tokens.refused(token);
        }
        if refusal_of(status, headers, None).is_some() {
            Box::pin(body.peek(PROOF_TIME)).await;
            let said = refusal_of(status, headers, body.whole_if_here());
            *refusal = said.map(|answer| believed(site, answer));
        } else if session.is_transient(status) {
            Box::pin(body.peek(PEEK_TIME)).await;
        } else if !status.is_success() && taking.is_explained_by_beginning(by()) {
            Box::pin(body.peek(PROOF_TIME)).await;
        } else if !taking.streams(status, headers) {
            body.whole().await?;
        }
        open.take().ok_or_else(cut)
    }
}

/// An app could write the gateway's proof by itself, so that behind a port it proves nothing.
fn believed(site: Site, answer: GatewayAnswer) -> Refusal {
    match answer {
        GatewayAnswer::NotDispatched if site != Site::App => Refusal::NotDispatched,
        GatewayAnswer::NotDispatched | GatewayAnswer::Unavailable => Refusal::Unavailable,
    }
}

fn cut(limit: Limit, dispatch: Dispatch) -> Broken {
    Broken { fault: Fault { kind: limit.fault(), dispatch }, source: None }
}

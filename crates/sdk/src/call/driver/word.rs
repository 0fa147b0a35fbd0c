//! The word of the sandbox: who waits for it, who asks for it, and what a call tells of it.

use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::future::{Either, pending, select};
use http::{HeaderMap, Method, Request, StatusCode, Uri};
use reveille_retry::{
    AfterRefusal, Dispatch, FaultKind, Order, Seen, StatusSet, StopReason, Tick, Verdict, Word, retry_after,
};
use reveille_wire::refusal_of;

use super::attempt::Answer;
use super::{Driver, identity};
use crate::call::Identity;
use crate::core::transport::{Bounds, Broken, Quiet};
use crate::core::{Body, Core};
use crate::record::{AnsweredBy, Probed, Site};

/// What a probe asks for: it is cheap, always there, and safe.
const HEALTH: &str = "/health";

type Probe = Pin<Box<dyn Future<Output = Told> + Send>>;

/// What a probe saw, where it was sent, and what that says.
type Told = (Word, Option<Seen>);

impl Driver {
    /// Waits until the call may go, which was told at `since` what to do, and asks for the word of the sandbox where
    /// nobody else does.
    ///
    /// # Errors
    /// When the call is not to be sent at all, and why.
    pub(super) async fn word(&mut self, since: Tick, mut order: Order) -> Result<(), StopReason> {
        let Some(mut seat) = self.seat.take() else { return Ok(()) };
        let mut probe: Option<Probe> = None;
        let went = loop {
            let until = match order {
                Order::Go => break Ok(()),
                Order::GiveUp => break Err(StopReason::NoWord),
                Order::Wait { until } => until,
                Order::Probe { until } => {
                    let base = self.operation.target.base().to_owned();
                    let (core, asker) = (Arc::clone(&self.core), self.operation.asker());
                    let bounds = Bounds { pool: self.tuning.bounds.pool, ..Bounds::default() };
                    probe = Some(probe_of(core, base, self.operation.identity, asker, bounds));
                    until
                }
            };
            let left = until.since(self.now());
            let bell = seat.bell();
            let rung = pin!(async {
                match &bell {
                    Some(bell) => bell.notified().await,
                    None => pending().await,
                }
            });
            let answered = pin!(async {
                match &mut probe {
                    Some(probe) => probe.await,
                    None => pending().await,
                }
            });
            if let Ok(Either::Left(((word, seen), _))) =
                tokio::time::timeout(left, select(answered, rung)).await
            {
                probe = None;
                let asked = if let Word::Asleep(asked) = word { asked } else { None };
                self.probed = seen.map(|seen| Probed { seen, asked });
                seat.probed(self.now(), word);
            }
            order = seat.poll(self.now());
        };
        self.session.waited(since, self.now());
        self.seat = Some(seat);
        went
    }

    /// Tells the other calls what an attempt says of the sandbox. Where the call is to be sent again, it learns
    /// whether it waits for the word, or as its own schedule says.
    pub(super) fn tell_of_sandbox(
        &mut self,
        now: Tick,
        brought: &Result<Box<Answer>, Broken>,
        verdict: Verdict,
    ) -> AfterRefusal {
        let says = self.says(brought);
        let Some(seat) = &mut self.seat else { return AfterRefusal::OwnSchedule };
        let Word::Asleep(asked) = says else {
            match says {
                Word::Ready => seat.answered(now),
                _ => seat.unheard(now),
            }
            return AfterRefusal::OwnSchedule;
        };
        let after = seat.refused(now, asked);
        if after == AfterRefusal::WaitForWord && matches!(verdict, Verdict::Retry { .. }) {
            seat.wait(self.session.last_send(now));
        }
        after
    }

    fn says(&self, brought: &Result<Box<Answer>, Broken>) -> Word {
        let site = self.operation.target.site();
        match brought {
            Ok(answer) => {
                let Answer { parts, refusal, .. } = &**answer;
                let is_window = refusal.is_some() || self.session.is_transient(parts.status);
                said(site, parts.status, &parts.headers, is_window)
            }
            // The head of an answer came, so that somebody is there.
            Err(Broken { fault, .. }) if fault.dispatch == Dispatch::Answered => match &self.open {
                Some(answer) => said(site, answer.parts.status, &answer.parts.headers, false),
                None => Word::Ready,
            },
            Err(Broken { fault, .. }) => said_by_fault(fault.kind),
        }
    }
}

/// A type of its own, as the access token for a probe is fetched by a driver, too.
fn probe_of(core: Arc<Core>, base: String, identity: Identity, asker: HeaderMap, bounds: Bounds) -> Probe {
    Box::pin(ask(core, base, identity, asker, bounds))
}

/// Asks the sandbox at `base` whether it is awake, on a connection of its own.
async fn ask(core: Arc<Core>, base: String, identity: Identity, asker: HeaderMap, bounds: Bounds) -> Told {
    let unsent = (Word::Neither, None);
    let Ok(uri) = Uri::try_from(format!("{base}{HEALTH}")) else { return unsent };
    let Ok((headers, _)) = identity::show(&core, identity, &asker).await else { return unsent };
    let mut quiet = Quiet::new(core.transport.read_timeout());
    let Ok(body) = Body::empty().open(|| quiet.progress()).await else { return unsent };
    let mut request = Request::new(body);
    *request.method_mut() = Method::GET;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    let (word, seen) = match core.transport.send_fresh(request, bounds, None, &mut quiet).await {
        Ok(answer) => {
            let (status, headers) = (answer.status(), answer.headers());
            let is_window =
                StatusSet::TRANSIENT.contains(status) || refusal_of(status, headers, None).is_some();
            (said(Site::Agent, status, headers, is_window), Seen::Status(status))
        }
        Err(Broken { fault, .. }) => (said_by_fault(fault.kind), Seen::Fault(fault.kind)),
    };
    tracing::debug!(%seen, ?word, "probe");
    (word, Some(seen))
}

/// What an answer says of the sandbox.
fn said(site: Site, status: StatusCode, headers: &HeaderMap, is_window: bool) -> Word {
    if is_window {
        return Word::Asleep(retry_after(headers));
    }
    match (AnsweredBy::of(site, headers), status.as_u16()) {
        (AnsweredBy::Platform, _) => Word::Neither,
        (AnsweredBy::Agent, 300..=399 | 401..=403) => Word::Neither,
        (AnsweredBy::Agent | AnsweredBy::App, _) => Word::Ready,
    }
}

fn said_by_fault(kind: FaultKind) -> Word {
    if kind.is_transient() { Word::Asleep(None) } else { Word::Neither }
}

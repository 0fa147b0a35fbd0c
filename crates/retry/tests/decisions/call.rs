//! A driver without a network: it is told what each attempt sees.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use reveille_retry::{
    Dispatch, Fault, FaultKind, Head, History, Proof, Refusal, Replay, RetryPolicy, Session, StopReason,
    Tick, Verdict,
};

/// How long every attempt takes.
pub(crate) const ATTEMPT: Duration = Duration::from_millis(10);

pub(crate) const CLASSES: [Replay; 3] = [Replay::Read, Replay::Vouched, Replay::Never];

pub(crate) const PROOFS: [Proof; 7] = [
    Proof::Resolve,
    Proof::Connect,
    Proof::Tls,
    Proof::Canceled,
    Proof::GoAway,
    Proof::RefusedStream,
    Proof::Gateway,
];

pub(crate) const TRANSIENT_FAULTS: [FaultKind; 16] = [
    FaultKind::Resolve,
    FaultKind::Refused,
    FaultKind::Unreachable,
    FaultKind::ConnectTimeout,
    FaultKind::Handshake,
    FaultKind::Reset,
    FaultKind::Closed,
    FaultKind::BodyCut,
    FaultKind::Garbled,
    FaultKind::ReadTimeout,
    FaultKind::Silent,
    FaultKind::AttemptTimeout,
    FaultKind::GoAway,
    FaultKind::RefusedStream,
    FaultKind::StreamReset,
    FaultKind::Canceled,
];

pub(crate) const PERMANENT_FAULTS: [FaultKind; 7] = [
    FaultKind::PoolTimeout,
    FaultKind::TlsVerdict,
    FaultKind::Proxy,
    FaultKind::Unsendable,
    FaultKind::RequestBody,
    FaultKind::TooLarge,
    FaultKind::Local,
];

/// What one attempt sees.
#[derive(Clone, Debug)]
pub(crate) enum Evidence {
    Head {
        status: u16,
        headers: HeaderMap,
        refusal: Option<Refusal>,
    },
    Fault(Fault),
    /// An answer that is delivered, and then its body breaks.
    HeadThenFault(u16, Fault),
}

impl Evidence {
    pub(crate) fn is_proof(&self) -> bool {
        match self {
            Self::Head { refusal, .. } => *refusal == Some(Refusal::NotDispatched),
            Self::Fault(fault) => matches!(fault.dispatch, Dispatch::NotDispatched(_)),
            Self::HeadThenFault(..) => false,
        }
    }

    /// Shows it to a session at `now`.
    pub(crate) fn show(&self, session: &mut Session, now: Tick) -> Verdict {
        match self {
            Self::Head { status, headers, refusal } => {
                let head = Head::new(StatusCode::from_u16(*status).unwrap(), headers);
                session.on_head(now, &head.with_refusal(*refusal))
            }
            Self::Fault(fault) => session.on_fault(now, *fault),
            Self::HeadThenFault(status, fault) => {
                let headers = HeaderMap::new();
                session.on_head(now, &Head::new(StatusCode::from_u16(*status).unwrap(), &headers));
                session.on_fault(now, *fault)
            }
        }
    }
}

pub(crate) fn status(status: u16) -> Evidence {
    Evidence::Head { status, headers: HeaderMap::new(), refusal: None }
}

pub(crate) fn status_with<V: AsRef<[u8]>>(status: u16, headers: &[(HeaderName, V)]) -> Evidence {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value.as_ref()).unwrap()))
        .fold(HeaderMap::new(), |mut all, (name, value)| {
            all.append(name, value);
            all
        });
    Evidence::Head { status, headers, refusal: None }
}

pub(crate) fn refusal(refusal: Refusal) -> Evidence {
    Evidence::Head { status: 404, headers: HeaderMap::new(), refusal: Some(refusal) }
}

pub(crate) fn reset() -> Evidence {
    Evidence::Fault(Fault::unknown(FaultKind::Reset))
}

pub(crate) fn refused() -> Evidence {
    Evidence::Fault(Fault::proven(FaultKind::Refused, Proof::Connect))
}

/// How a call went.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) sends: u32,
    pub(crate) waits: Vec<Duration>,
    pub(crate) end: End,
    pub(crate) history: History,
}

/// What ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Delivered,
    Stopped(StopReason),
    /// The session wanted one more attempt than there was evidence.
    WantsMore,
}

/// Does what a driver does, for as long as there is evidence.
pub(crate) fn play(mut session: Session, evidence: impl IntoIterator<Item = Evidence>) -> Call {
    let (mut now, mut sends, mut waits) = (Tick::ZERO, 0, Vec::new());
    let mut evidence = evidence.into_iter();
    let end = loop {
        let Some(next) = evidence.next() else { break End::WantsMore };
        if let Err(stop) = session.begin(now) {
            break End::Stopped(stop);
        }
        sends += 1;
        now = now.after(ATTEMPT);
        match next.show(&mut session, now) {
            Verdict::Retry { wait, .. } => {
                waits.push(wait);
                now = now.after(wait);
            }
            Verdict::Deliver => break End::Delivered,
            Verdict::Stop(stop) => break End::Stopped(stop),
            other => panic!("a verdict that no driver knows: {other:?}"),
        }
    };
    Call { sends, waits, end, history: session.finish() }
}

/// The default policy.
pub(crate) fn call(replay: Replay) -> Session {
    Session::new(&RetryPolicy::new(), replay, 7)
}

/// What a session says to one piece of evidence.
pub(crate) fn verdict(replay: Replay, evidence: Evidence) -> End {
    play(call(replay), [evidence]).end
}

/// `most` times the same.
pub(crate) fn again(evidence: Evidence, most: usize) -> impl Iterator<Item = Evidence> {
    std::iter::repeat_n(evidence, most)
}

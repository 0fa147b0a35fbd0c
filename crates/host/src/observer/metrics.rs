//! What happens, counted, in the text form that Prometheus reads.
//!
//! No label names a sandbox or a path: there is no end of them.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::passage::Passed;
use super::{Outcome, Phase};

/// The upper ends of what is counted together, in seconds: from a thaw to a client that waits a minute.
const SECONDS: [f64; 14] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0];

/// How many rooms there are.
const ROOMS: usize = 4;
/// How many statuses there can be: from 100 to 599.
const STATUSES: usize = 500;

/// Which room of the host answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Room {
    Control,
    Gateway,
    Preview,
    Metrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    room: Room,
    /// Empty where the connection was reset.
    status: Status,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Status(Option<StatusCode>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct End {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Way {
    direction: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    phase: String,
}

/// The counters of a request that was answered, which most are.
struct Forwarded {
    answered: Counter,
    sent: Counter,
    received: Counter,
}

/// What is true at one moment, and known elsewhere.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Now {
    /// Requests that wait for a sandbox to wake.
    pub(crate) held: usize,
    /// The bytes that they hold.
    pub(crate) held_bytes: u64,
    /// Connections of clients.
    pub(crate) connections: usize,
}

/// Everything that is counted.
pub(super) struct Metrics {
    registry: Registry,
    answers: Family<Answer, Counter>,
    /// The counters of the answers that there have been, by room and status: found without a lock.
    answered: Box<[OnceLock<Counter>]>,
    ends: Family<End, Counter>,
    forwarded: OnceLock<Forwarded>,
    answered_after: Histogram,
    bytes: Family<Way, Counter>,
    open: Gauge,
    sandboxes: Family<State, Gauge>,
    wakings: Family<End, Counter>,
    woke_after: Histogram,
    falls: Counter,
    held: Gauge,
    held_bytes: Gauge,
    connections: Gauge,
}

impl Metrics {
    pub(super) fn new() -> Self {
        let all = Self {
            registry: Registry::with_prefix("reveille"),
            answers: Family::default(),
            answered: (0..ROOMS * STATUSES).map(|_| OnceLock::new()).collect(),
            ends: Family::default(),
            forwarded: OnceLock::new(),
            answered_after: Histogram::new(SECONDS),
            bytes: Family::default(),
            open: Gauge::default(),
            sandboxes: Family::default(),
            wakings: Family::default(),
            woke_after: Histogram::new(SECONDS),
            falls: Counter::default(),
            held: Gauge::default(),
            held_bytes: Gauge::default(),
            connections: Gauge::default(),
        };
        all.registered()
    }

    fn registered(mut self) -> Self {
        let it = &mut self.registry;
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        it.register("host", "The host that tells this", version);
        it.register("responses", "Answers to clients, by who made them", self.answers.clone());
        it.register(
            "requests",
            "Requests to sandboxes that ended, by what became of them",
            self.ends.clone(),
        );
        let help = "From a request's arrival to the head of its answer, waking included";
        it.register_with_unit("request_answered_after", help, Unit::Seconds, self.answered_after.clone());
        let help = "What went through to sandboxes and back";
        it.register_with_unit("body", help, Unit::Bytes, self.bytes.clone());
        it.register("requests_open", "Requests to sandboxes that have not ended", self.open.clone());
        it.register("requests_held", "Those that wait for their sandbox to wake", self.held.clone());
        let help = "What those that wait hold in memory";
        it.register_with_unit("requests_held", help, Unit::Bytes, self.held_bytes.clone());
        it.register("sandboxes", "Sandboxes, by what they do", self.sandboxes.clone());
        it.register("wakings", "Wakings that ended, by how", self.wakings.clone());
        let help = "How long wakings took that ended well";
        it.register_with_unit("waking", help, Unit::Seconds, self.woke_after.clone());
        it.register("standbys", "How often a sandbox was put to sleep", self.falls.clone());
        it.register("connections", "Open connections of clients", self.connections.clone());
        self
    }

    pub(super) fn answered(&self, room: Room, status: Option<StatusCode>) {
        let counted = || self.answers.get_or_create_owned(&Answer { room, status: Status(status) });
        let place = place(room, status).and_then(|place| self.answered.get(place));
        match place {
            Some(place) => place.get_or_init(counted).inc(),
            None => counted().inc(),
        };
    }

    pub(super) fn ended(&self, ended: &Passed) {
        let end = |outcome| self.ends.get_or_create_owned(&End { outcome: named(outcome) });
        let way = |direction| self.bytes.get_or_create_owned(&Way { direction });
        let counters = self.forwarded.get_or_init(|| {
            let answered = end(Outcome::Answered(StatusCode::OK));
            Forwarded { answered, sent: way("in"), received: way("out") }
        });
        match ended.outcome {
            Outcome::Answered(_) => counters.answered.inc(),
            other => end(other).inc(),
        };
        counters.sent.inc_by(ended.sent);
        counters.received.inc_by(ended.received);
        if let Some(after) = ended.answered_after {
            self.answered_after.observe(after.as_secs_f64());
        }
    }

    pub(super) fn woke(&self, after: Duration) {
        self.wakings.get_or_create(&End { outcome: "awake" }).inc();
        self.woke_after.observe(after.as_secs_f64());
    }

    pub(super) fn did_not_wake(&self) {
        self.wakings.get_or_create(&End { outcome: "failed" }).inc();
    }

    pub(super) fn fell_asleep(&self) {
        self.falls.inc();
    }

    /// All of it, with what is true now.
    pub(super) fn text(&self, open: usize, phases: impl Iterator<Item = Phase>, now: Now) -> String {
        let whole = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        self.open.set(whole(open));
        self.held.set(whole(now.held));
        self.held_bytes.set(i64::try_from(now.held_bytes).unwrap_or(i64::MAX));
        self.connections.set(whole(now.connections));
        for phase in [Phase::Asleep, Phase::Unknown, Phase::Waking, Phase::Awake, Phase::Settling] {
            self.sandboxes.get_or_create(&State { phase: phase.to_string() }).set(0);
        }
        for phase in phases {
            self.sandboxes.get_or_create(&State { phase: phase.to_string() }).inc();
        }
        let mut text = String::new();
        if text::encode(&mut text, &self.registry).is_err() {
            tracing::error!("metrics cannot be told; this is a mistake in the host");
        }
        text
    }
}

/// Where the counter of an answer is; `None` for what no answer has.
fn place(room: Room, status: Option<StatusCode>) -> Option<usize> {
    let status = usize::from(status?.as_u16()).checked_sub(100).filter(|status| *status < STATUSES)?;
    Some(room as usize * STATUSES + status)
}

fn named(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Answered(_) => "answered",
        Outcome::Refused(_) => "refused",
        Outcome::Reset => "reset",
        Outcome::Broken => "broken",
        Outcome::Left => "left",
    }
}

impl EncodeLabelValue for Room {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        let name = match self {
            Self::Control => "control",
            Self::Gateway => "gateway",
            Self::Preview => "preview",
            Self::Metrics => "metrics",
        };
        EncodeLabelValue::encode(&name, encoder)
    }
}

impl EncodeLabelValue for Status {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        EncodeLabelValue::encode(&self.0.as_ref().map_or("", StatusCode::as_str), encoder)
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

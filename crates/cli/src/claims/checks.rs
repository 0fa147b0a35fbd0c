use std::time::{Duration, Instant};

use reveille::{Attempt, Dispatch};

use super::operations::{self, Attempts, Called, End, Operation, Outcome, Way};
use super::setup::{Looking, Setup, WINDOW};
use crate::output::{Board, Screen};
use crate::passages::Passed;
use crate::report::Exit;
use crate::report::Failure;
use crate::report::{Claims, Progress, duration, in_one_line};
use crate::witness::Ledger;

/// How often a call that goes on is drawn.
const FRAME: Duration = Duration::from_millis(33);
/// The shortest pause of the heartbeat that is no pause of a loaded machine; a nap is longer.
const PAUSE: u64 = 100;
/// How often a read that looks first is made, at the most, to see it come sooner than one that does not.
const LOOKS: usize = 10;

/// What is done, and the claims that it is held to.
pub(crate) struct Checks<'a> {
    setup: &'a mut Setup,
    board: Board,
    claims: Claims,
    first: Ledger,
    visits: u64,
    naps: usize,
    requests: usize,
    /// How long reads took that nobody looked for.
    plain: Vec<Duration>,
}

impl<'a> Checks<'a> {
    pub(crate) fn new(screen: &Screen, setup: &'a mut Setup) -> Self {
        Self {
            setup,
            board: Board::new(screen, WINDOW),
            claims: Claims::new(),
            first: Ledger::default(),
            visits: 0,
            naps: 0,
            requests: 0,
            plain: Vec::new(),
        }
    }

    pub(crate) async fn run(mut self) -> Result<Exit, Failure> {
        let began = Instant::now();
        self.first = self.setup.ledger().await?;
        let host = self.setup.host();
        self.board.opening(&host.url(), host.isolation())?;
        self.board.section("reads: each from standby, and each arrives (without the probe)")?;
        for operation in Operation::READS {
            for way in [Way::Async, Way::Blocking] {
                self.read(operation, way).await?;
            }
        }
        self.board.section("mutations: refused in the window they stop, awake they run once (without it)")?;
        for operation in Operation::MUTATIONS {
            self.mutate(operation).await?;
        }
        self.board.section("with the probe, as it is by default: one look, and each arrives, once")?;
        for operation in [Operation::Exec, Operation::Post] {
            for way in [Way::Async, Way::Blocking] {
                self.look_and_change(operation, way).await?;
            }
        }
        for way in [Way::Async, Way::Blocking] {
            self.look_and_read(way).await?;
        }
        let kept = self.claims.all().iter().all(|claim| claim.is_kept());
        let sum = format!(
            "{} naps, {} requests at the gateway, {}",
            self.naps,
            self.requests,
            duration(began.elapsed())
        );
        self.board.closing(&self.claims.all(), &sum)?;
        if kept {
            return Ok(Exit::Done);
        }
        Err(Failure::new("a claim does not hold").next("see the lines marked above, and report it"))
    }

    async fn read(&mut self, operation: Operation, way: Way) -> Result<(), Failure> {
        let id = format!("{} {}", operation.label(), way.label());
        let call = Called { operation, way, looking: Looking::Never, id: &id };
        let outcome = self.wake_with(call).await?;
        self.plain.extend(outcome.history.as_ref().map(reveille::History::elapsed));
        let passed = self.passed();
        self.count_attempts(&id, &outcome, &passed);
        let arrived = passed.inside();
        let against = match (&outcome.end, arrived) {
            (End::Answered, 1) => None,
            (End::Answered, count) => Some(format!("{id}: arrived {count} times")),
            (End::Stopped(said), _) => Some(format!("{id}: {said}")),
        };
        self.claims.reads.look(against);
        self.visits += u64::from(operation.reaches_the_server());
        let progress = if outcome.end == End::Answered { Progress::Answered } else { Progress::Stopped };
        let story = outcome.history.as_ref().map(in_one_line).unwrap_or_default();
        self.board.done(operation.label(), way.label(), &attempts(&outcome), progress, &story)?;
        self.after_the_nap(&id).await
    }

    /// Makes a mutation with a client that looks first.
    async fn look_and_change(&mut self, operation: Operation, way: Way) -> Result<(), Failure> {
        let looked = self.look(operation, way).await?;
        let against = || {
            let Looked { id, end, sends, arrived, .. } = &looked;
            format!("{id}: sent {sends} times, arrived {arrived} times, {}", said(end))
        };
        self.claims.looked.look((!(looked.arrived_once() && looked.sends == 1)).then(against));
        Ok(())
    }

    /// Makes a read with a client that looks first. One that a busy machine held up says nothing, and is made again.
    async fn look_and_read(&mut self, way: Way) -> Result<(), Failure> {
        let usual = self.plain.iter().max().copied().unwrap_or_default();
        let mut looked = self.look(Operation::Get, way).await?;
        for _ in 1..LOOKS {
            if !looked.arrived_once() || looked.took < usual {
                break;
            }
            looked = self.look(Operation::Get, way).await?;
        }
        let against = || {
            let (took, usual) = (duration(looked.took), duration(usual));
            format!("{}: {} after {took}, at the latest after {usual} without", looked.id, said(&looked.end))
        };
        self.claims.sooner.look((!(looked.arrived_once() && looked.took < usual)).then(against));
        Ok(())
    }

    /// Makes a call with a client that looks first.
    async fn look(&mut self, operation: Operation, way: Way) -> Result<Looked, Failure> {
        let id = format!("{} {} with the probe", operation.label(), way.label());
        let outcome = self.wake_with(Called { operation, way, looking: Looking::AsUsual, id: &id }).await?;
        let arrived = self.passed().inside_of(&operation.request(self.setup.port()));
        self.visits += u64::from(operation.reaches_the_server());
        let progress = if outcome.end == End::Answered { Progress::Answered } else { Progress::Stopped };
        let story = outcome.history.as_ref().map(in_one_line).unwrap_or_default();
        let story = if arrived == 1 { format!("{story}, arrived once") } else { story };
        self.board.done(operation.label(), way.label(), &attempts(&outcome), progress, &story)?;
        self.after_the_nap(&id).await?;
        let sends = outcome.history.as_ref().map_or(0, reveille::History::len);
        let took = outcome.history.as_ref().map(reveille::History::elapsed).unwrap_or_default();
        Ok(Looked { id, end: outcome.end, sends, arrived, took })
    }

    async fn mutate(&mut self, operation: Operation) -> Result<(), Failure> {
        let way = Way::Async;
        let refused_id = format!("{} in the window", operation.label());
        let call = Called { operation, way, looking: Looking::Never, id: &refused_id };
        let refused = self.wake_with(call).await?;
        let passed = self.passed();
        self.count_attempts(&refused_id, &refused, &passed);
        let sent = refused.history.as_ref().map_or(0, reveille::History::len);
        let inside = passed.inside();
        let stopped = matches!(refused.end, End::Stopped(_)) && sent == 1 && inside == 0;
        self.claims
            .stopped
            .look((!stopped).then(|| format!("{refused_id}: sent {sent} times, {inside} inside")));
        self.claims.proof.look(replayed_blindly(&refused).then(|| refused_id.clone()));

        self.setup.rouse().await?;
        self.passed();
        let awake_id = format!("{} awake", operation.label());
        let began = Instant::now();
        let call = Called { id: &awake_id, ..call };
        let done = operations::make(self.setup, call, &Attempts::default()).await;
        let took = began.elapsed();
        let passed = self.passed();
        let arrived = passed.inside();
        self.visits += u64::from(operation.reaches_the_server());
        if operation == Operation::Upgrade {
            self.setup.upgraded().await?;
        }
        let ledger = self.setup.ledger().await?;
        let at_server = |id: &str| ledger.by_id.get(id).copied().unwrap_or(0);
        let counted = u64::from(operation.reaches_the_server());
        let drives = self.setup.host().isolation().namespaces.can_mount();
        let worked = done.end == End::Answered || (operation.needs_drives() && !drives);
        let holds = worked && arrived == 1 && at_server(&refused_id) == 0 && at_server(&awake_id) == counted;
        let against = format!("{awake_id}: arrived {arrived} times, {}", said(&done.end));
        self.claims.once.look((!holds).then_some(against));
        self.claims.proof.look(replayed_blindly(&done).then(|| awake_id.clone()));
        let first = refused.history.as_ref().map(in_one_line).unwrap_or_default();
        let story = match &done.end {
            End::Answered => {
                format!("{first}, not repeated; once awake: done in {}, arrived once", duration(took))
            }
            End::Stopped(said) => format!("{first}, not repeated; once awake: {said}"),
        };
        self.board.done(operation.label(), way.label(), &attempts(&refused), Progress::Stopped, &story)?;
        self.check(&awake_id, &ledger);
        Ok(())
    }

    /// Makes a call to the sleeping sandbox, and draws it as it goes.
    async fn wake_with(&mut self, call: Called<'_>) -> Result<Outcome, Failure> {
        let Called { operation, way, .. } = call;
        self.setup.nap().await?;
        self.naps += 1;
        self.passed();
        let seen = Attempts::default();
        let began = Instant::now();
        let call = operations::make(self.setup, call, &seen);
        tokio::pin!(call);
        let mut frames = tokio::time::interval(FRAME);
        loop {
            tokio::select! {
                outcome = &mut call => return Ok(outcome),
                _ = frames.tick() => {
                    let progress = Progress::Going(began.elapsed());
                    self.board.going(operation.label(), way.label(), &seen.so_far(), progress)?;
                }
            }
        }
    }

    async fn after_the_nap(&mut self, id: &str) -> Result<(), Failure> {
        let ledger = self.setup.ledger().await?;
        self.check(id, &ledger);
        Ok(())
    }

    /// Whether the server is the one that fell asleep, and slept.
    fn check(&mut self, id: &str, ledger: &Ledger) {
        let same = ledger.pid == self.first.pid && ledger.arrivals == self.visits;
        let against = format!(
            "{id}: process {} had seen {} requests, expected {} and {}",
            ledger.pid, ledger.arrivals, self.first.pid, self.visits
        );
        self.claims.survived.look((!same).then_some(against));
        let pause = ledger.longest_pause_ms;
        self.claims.still.look((pause < PAUSE).then(|| format!("{id}: it paused for {pause} ms only")));
    }

    fn count_attempts(&mut self, id: &str, outcome: &Outcome, passed: &Passed) {
        let told = outcome.history.as_ref().map_or(0, reveille::History::len);
        let seen = passed.count();
        self.claims
            .attempts
            .look((told != seen).then(|| format!("{id}: told of {told}, the gateway saw {seen}")));
    }

    fn passed(&mut self) -> Passed {
        let passed = self.setup.passed();
        self.requests += passed.count();
        passed
    }
}

/// What became of a call with a client that looks first.
struct Looked {
    id: String,
    end: End,
    sends: usize,
    arrived: usize,
    took: Duration,
}

impl Looked {
    fn arrived_once(&self) -> bool {
        self.end == End::Answered && self.arrived == 1
    }
}

fn attempts(outcome: &Outcome) -> Vec<Attempt> {
    outcome.history.iter().flat_map(|history| history.iter().copied().collect::<Vec<_>>()).collect()
}

/// Whether anything but a proof was followed by another attempt.
fn replayed_blindly(outcome: &Outcome) -> bool {
    let attempts = attempts(outcome);
    let before_the_last = attempts.len().saturating_sub(1);
    attempts[..before_the_last].iter().any(|attempt| !matches!(attempt.dispatch, Dispatch::NotDispatched(_)))
}

fn said(end: &End) -> &str {
    match end {
        End::Answered => "answered",
        End::Stopped(said) => said,
    }
}

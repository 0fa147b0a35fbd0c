use std::time::Duration;

use serde::Serialize;

/// How a call looks while it goes on, and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// It goes on, for so long.
    Going(Duration),
    /// It brought what it was asked for.
    Answered,
    /// It stopped.
    Stopped,
}

/// Something that is claimed, how often it was looked at, and what spoke against it.
#[derive(Debug, Serialize)]
pub(crate) struct Claim {
    /// What is claimed.
    pub(crate) claim: &'static str,
    /// How often it held.
    pub(crate) held: usize,
    /// How often it was looked at.
    pub(crate) of: usize,
    /// What spoke against it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) against: Vec<String>,
}

impl Claim {
    fn new(claim: &'static str) -> Self {
        Self { claim, held: 0, of: 0, against: Vec::new() }
    }

    /// One more look; `contradiction` is what speaks against it, if anything does.
    pub(crate) fn look(&mut self, contradiction: Option<String>) {
        self.of += 1;
        match contradiction {
            None => self.held += 1,
            Some(contradiction) => self.against.push(contradiction),
        }
    }

    /// A claim that was never looked at is not kept.
    pub(crate) fn is_kept(&self) -> bool {
        self.of > 0 && self.held == self.of
    }
}

/// All that `reveille try` claims.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) reads: Claim,
    pub(crate) attempts: Claim,
    pub(crate) stopped: Claim,
    pub(crate) once: Claim,
    pub(crate) proof: Claim,
    pub(crate) survived: Claim,
    pub(crate) still: Claim,
    pub(crate) looked: Claim,
    pub(crate) sooner: Claim,
}

impl Claims {
    pub(crate) fn new() -> Self {
        Self {
            reads: Claim::new("reads answered, each from standby"),
            attempts: Claim::new("calls whose every attempt the gateway saw, and no other"),
            stopped: Claim::new("mutations stopped by the first refusal, before the sandbox"),
            once: Claim::new("mutations, made again once awake, arrived exactly once"),
            proof: Claim::new("mutations never sent again without proof"),
            looked: Claim::new("mutations from standby, after one look, arrived exactly once"),
            sooner: Claim::new("reads that came sooner with the look than the last one without"),
            survived: Claim::new("naps after which process and memory were the same"),
            still: Claim::new("naps in which nothing inside ran (its 10 ms heartbeat paused)"),
        }
    }

    pub(crate) fn all(&self) -> [&Claim; 9] {
        let Self { reads, attempts, stopped, once, proof, looked, sooner, survived, still } = self;
        [reads, attempts, stopped, once, proof, looked, sooner, survived, still]
    }
}

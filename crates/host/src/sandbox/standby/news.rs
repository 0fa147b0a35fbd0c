//! Hearing of what nobody here asked for.

use std::sync::Arc;

use super::wake::{News, Phase};
use crate::agent::Agent;
use crate::engine::{Condition, Known};
use crate::sandbox::{Resident, now};

/// What a sandbox does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    Awake,
    Asleep,
    /// Nothing runs in it any more, for this reason; the next request starts it with its files.
    Ended(String),
}

impl Resident {
    /// The engine knows this of it.
    pub(crate) fn hear(self: &Arc<Self>, known: &Known) {
        let mut kept = self.kept();
        let news = match &known.condition {
            Condition::Awake(address) => match kept.core.agent() {
                Some((agent, _)) if agent.address() == address => return,
                _ => News::Awake(Arc::new(Agent::new(address.clone()))),
            },
            Condition::Asleep | Condition::Ended(_) | Condition::Absent => News::Resting,
        };
        kept.core.hear(now(), known.generation, news);
        self.end(kept, None);
    }

    /// What it does. Where the engine cannot say, what was last known of it.
    pub(crate) async fn rest(&self) -> Rest {
        match self.known().await.map(|known| known.condition) {
            Ok(Condition::Awake(_)) => Rest::Awake,
            Ok(Condition::Ended(reason)) => Rest::Ended(reason),
            Ok(Condition::Asleep | Condition::Absent) => Rest::Asleep,
            Err(_) => match self.kept().core.phase() {
                Phase::Awake | Phase::Settling | Phase::Unsure(_) => Rest::Awake,
                Phase::Resting | Phase::Waking | Phase::Gone => Rest::Asleep,
            },
        }
    }

    /// Asks the engine, and takes over what it says.
    pub(super) async fn ask_engine(self: &Arc<Self>) -> Result<Condition, Arc<str>> {
        // What is asked for now is true after every command until now, whether the engine has heard of it or not.
        let asked_after = self.kept().core.generation();
        let known = self.known().await?;
        let generation = known.generation.max(asked_after);
        self.hear(&Known { condition: known.condition.clone(), generation });
        Ok(known.condition)
    }

    /// News were missed: nothing that is known need hold any more.
    pub(crate) fn doubt(self: &Arc<Self>) {
        let mut kept = self.kept();
        kept.core.doubt(now());
        self.end(kept, None);
    }
}

//! An engine that does what it is told, unless that comes too late.

use super::super::*;

/// What is asked of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Command(Command),
    Delete(Generation),
}

/// An engine as far as it matters. An agent is the number of its waking.
#[derive(Debug, Default)]
pub(super) struct Engine {
    pub(super) accepted: Generation,
    pub(super) awake: Option<u32>,
    pub(super) is_deleted: bool,
    wakings: u32,
    /// All that was ever said of what others did.
    pub(super) news: Vec<(Generation, Option<u32>)>,
    /// Whether others have done something that the host has not heard of.
    pub(super) unheard: bool,
}

impl Engine {
    /// Carries something out, unless it comes too late.
    pub(super) fn carry_out(&mut self, order: Order) -> Result<(), Generation> {
        let generation = match order {
            Order::Command(Command::Wake(generation) | Command::Sleep(generation))
            | Order::Delete(generation) => generation,
        };
        self.accept(generation)?;
        match order {
            Order::Command(Command::Wake(_)) => {
                self.is_deleted = false;
                self.wake();
            }
            Order::Command(Command::Sleep(_)) => self.awake = None,
            Order::Delete(_) => {
                self.awake = None;
                self.is_deleted = true;
            }
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, generation: Generation) -> Result<(), Generation> {
        if generation < self.accepted {
            return Err(self.accepted);
        }
        self.accepted = generation;
        Ok(())
    }

    pub(super) fn wake(&mut self) {
        self.awake.get_or_insert_with(|| {
            self.wakings += 1;
            self.wakings
        });
    }
}

//! Waking: what becomes of a request by what is known of its sandbox. Without I/O and without a clock.

mod machine;

pub(crate) use machine::{
    Admission, Command, Machine, Patience, Phase, Rules, Slept, Ticket, WakingId, Woke,
};

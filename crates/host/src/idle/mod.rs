//! Idleness: what keeps a sandbox awake, and until when. Without I/O and without a clock.

mod ledger;

pub(crate) use ledger::{Ledger, OpenId, Rules};

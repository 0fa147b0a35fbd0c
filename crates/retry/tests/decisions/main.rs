//! The decisions of a session, from the first attempt to the last, on virtual time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod beyond_the_seed;
mod budget_and_time;
mod call;
mod properties;
mod retry_after_forms;
mod seed_table;

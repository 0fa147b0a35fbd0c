//! What the calls of one sandbox do together, on virtual time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod properties;
mod rules;
mod together;
mod world;

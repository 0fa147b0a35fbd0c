//! What passes a relay, over real sockets: what the platform got, and what the client did.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod bounds;
mod ends;
mod expectations;
mod interim;
mod place;
mod raw;
mod unchanged;
mod ways;
mod websockets;
mod window;

//! What a client over HTTP/2 sees, over real sockets: with a library, and frame by frame.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod answers;
mod attacks;
mod bodies;
mod changes;
mod client;
mod ends;
mod raw;
mod stand;

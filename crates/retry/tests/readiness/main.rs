//! What the calls of one sandbox do together, on virtual time.

mod properties;
mod rules;
mod together;
mod world;

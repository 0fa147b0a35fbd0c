//! What a person types, read into what is meant by it.

mod address;
mod attachment;
pub(crate) mod duration;
mod forwarding;
mod lifetime;
mod megabytes;
mod moment;
mod pair;
pub(crate) mod place;
mod write_out;

pub(crate) use address::address;
pub(crate) use attachment::{Access, Attachment, attachment};
pub(crate) use forwarding::{Forwarding, forwarding};
pub(crate) use lifetime::{lifetime, lifetime_or_never};
pub(crate) use megabytes::megabytes;
pub(crate) use moment::moment;
pub(crate) use pair::pair;
pub(crate) use write_out::{Piece, Value, WriteOut, write_out};

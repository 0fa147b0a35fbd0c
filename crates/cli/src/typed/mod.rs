//! What a person types, read into what is meant by it.

pub(crate) mod duration;
mod lifetime;
mod megabytes;
mod pair;

pub(crate) use lifetime::lifetime;
pub(crate) use megabytes::megabytes;
pub(crate) use pair::pair;

//! What a person types, read into what is meant by it.

pub(crate) mod duration;
mod pair;

pub(crate) use pair::pair;

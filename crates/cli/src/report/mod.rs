//! What there is to say, before anybody decides how it looks: commands make it, `output` shows it.

#[cfg(target_os = "linux")]
mod claims;
mod diagnosis;
mod exit;
mod facts;
mod failure;
mod human;
pub(crate) mod usage;

#[cfg(target_os = "linux")]
pub(crate) use claims::{Claim, Claims, Progress};
pub(crate) use diagnosis::{Asked, Place};
pub(crate) use exit::Exit;
pub(crate) use facts::{Facts, Request, in_one_line};
pub(crate) use failure::{Failure, Told};
pub(crate) use human::{ago, duration, size, times};

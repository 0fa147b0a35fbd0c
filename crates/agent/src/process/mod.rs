//! Processes: starting them, following them, ending them, and knowing of them afterwards.

mod across_upgrade;
mod child;
mod ending;
mod endpoints;
mod execution;
mod follow;
mod input;
mod lines;
mod log;
mod output;
mod ports;
mod shell;
mod table;
mod text;

pub(crate) use across_upgrade::SavedProcess;
pub(crate) use endpoints::routes;
pub(crate) use table::Processes;
pub(crate) use text::Letters;

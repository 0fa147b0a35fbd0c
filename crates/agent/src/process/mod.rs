//! Processes: starting them, following them, ending them, and knowing of them afterwards.

mod ending;
mod endpoints;
mod execution;
mod follow;
mod input;
mod lines;
mod log;
mod moving;
mod output;
mod ports;
mod record;
mod shell;
mod table;
mod text;

pub(crate) use endpoints::routes;
pub(crate) use moving::SavedProcess;
pub(crate) use table::Processes;

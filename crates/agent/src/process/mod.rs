//! Processes: starting them, following them, ending them, and knowing of them afterwards.

mod across_upgrade;
mod child;
mod ending;
mod endpoints;
mod expendable;
mod follow;
mod frames;
mod input;
mod known;
mod lines;
mod listing;
mod log;
mod orders;
mod output;
mod ports;
mod readers;
mod reaping;
mod shell;
mod standing;
mod table;
mod text;

pub(crate) use across_upgrade::SavedProcess;
pub(crate) use endpoints::routes;
pub(crate) use expendable::make_expendable;
pub(crate) use shell::named_shell;
pub(crate) use standing::End;
pub(crate) use table::Processes;
pub(crate) use text::Letters;

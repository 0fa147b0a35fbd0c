//! A shell at a terminal, over connections that come and go.

mod following;
mod input;
mod opening;
mod outbox;
mod shown;
mod socket;

pub use input::{TerminalInput, Typing};
pub use opening::OpenTerminal;
pub use shown::{Terminal, TerminalEnd, TerminalEvent};

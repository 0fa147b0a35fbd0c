//! What can be asked of the platform and of a sandbox: handles, and the requests that they make.

mod create;
mod drives;
pub mod files;
mod forward;
mod list;
mod mcp;
mod network;
mod ports;
mod previews;
mod processes;
mod request;
mod sandbox;
mod sandboxes;
mod schedules;
mod snapshots;
mod storage;
mod system;
#[cfg(feature = "terminal")]
mod terminal;

pub use create::CreateSandbox;
pub use drives::{Drives, Mount};
pub use forward::{Forward, Plane};
pub use list::{List, Pages, SandboxOrder};
pub use mcp::{Mcp, McpOutcome, McpTool};
pub use network::Network;
pub use ports::Ports;
pub use previews::{CreatePreview, Previews};
pub use processes::{Exec, Output, OutputEvent, ProcessStream, Processes, WaitForEnd};
pub use request::Request;
pub use sandbox::Sandbox;
pub use sandboxes::Sandboxes;
pub use schedules::{CreateSchedule, Schedules, When, WorkspaceSchedules};
pub use snapshots::{Fork, SandboxSnapshots, Snapshots};
pub use storage::{CreateVolume, Images, Volumes, WorkspaceDrives};
pub use system::{System, Upgrade};
#[cfg(feature = "terminal")]
pub use terminal::{OpenTerminal, Terminal, TerminalEnd, TerminalEvent, TerminalInput, Typing};

//! What can be asked of the platform and of a sandbox: handles, and the requests that they make.

mod drives;
mod exec;
mod network;
mod processes;
mod request;
mod sandbox;
mod sandboxes;
mod system;

pub use drives::{Drives, Mount};
pub use exec::ExecStream;
pub use network::Network;
pub use processes::Processes;
pub use request::Request;
pub use sandbox::Sandbox;
pub use sandboxes::{CreateSandbox, ListSandboxes, Sandboxes};
pub use system::{System, Upgrade};

//! The sandbox protocol as types.
//!
//! What goes over the wire between a client, the gateway and the agent inside a sandbox: bodies, header
//! names, error codes, URL forms and path encoding. Nothing here does I/O, and nothing here knows of
//! retries.
//!
//! ```
//! use reveille_wire::{AppPath, Port, SandboxName, SandboxUrl};
//!
//! let base = SandboxUrl::on_platform("https://run.blaxel.ai", "acme", &SandboxName::new("box")?)?;
//! let url = base.port(Port::new(3000)?, &AppPath::new("status?full=1")?);
//! assert_eq!(url, "https://run.blaxel.ai/acme/sandboxes/box/port/3000/status?full=1");
//! # Ok::<(), reveille_wire::InvalidInput>(())
//! ```
#![forbid(unsafe_code)]

mod address;
mod control;
mod drive;
mod failure;
mod file;
mod gateway;
pub mod handover;
pub mod header;
pub mod hop;
mod local;
mod network;
mod output;
mod page;
mod path;
mod preview;
mod process;
mod refusal;
mod route;
mod schedule;
mod search;
mod snapshot;
mod storage;
mod system;
mod terminal;
mod upload;
mod watch;
pub mod websocket;

pub use address::{Port, SandboxName, SandboxUrl};
pub use control::{
    EnvVar, Event, ExpirationPolicy, Lifecycle, Metadata, PortSpec, Sandbox, SandboxRuntime, SandboxSpec,
    SandboxState, Status, VolumeAttachment,
};
pub use drive::{DriveMount, DriveMounts, DriveName, MountOutcome, MountPath, MountRequest, UnmountOutcome};
pub use failure::{ErrorBody, ErrorCode, InvalidInput, NotMade};
pub use file::{
    CopyOutcome, CopyRequest, Directory, Done, Entry, File, FilePath, FileRequest, Subdirectory, TreeRequest,
};
pub use gateway::{GatewayAnswer, GatewayCode, GatewayError, GatewayErrorBody, refusal_of};
pub use local::{Birth, LocalHost, state_dir};
pub use network::{ProcessPorts, ProcessSocket, SocketState};
pub use output::{Encoding, ExecFrame, ExecFrameKind, NotBytes, OutputStream};
pub use page::{Every, Page, PageMeta};
pub use path::AppPath;
pub use preview::{Preview, PreviewMetadata, PreviewSpec, PreviewToken, PreviewTokenSpec};
pub use process::{
    KeepAlive, LogPosition, ProcessLogs, ProcessRequest, ProcessResponse, ProcessStatus, Truncated,
};
pub use refusal::Refusal;
pub use route::SandboxPath;
pub use schedule::{Schedule, ScheduleExecution, ScheduleInput};
pub use search::{ContentMatch, ContentMatches, FindMatch, FindMatches, FoundKind, FuzzyMatch, FuzzyMatches};
pub use snapshot::{ForkSpec, Forked, Restored, Snapshot, SnapshotSource};
pub use storage::{Drive, Image, Volume, VolumeSpec, VolumeState};
pub use system::{Health, UpgradeAccepted, UpgradeRequest, UpgradeState, UpgradeStatus};
pub use terminal::{TerminalInput, TerminalOutput, terminal_bytes};
pub use upload::{
    PartName, Upload, UploadBegun, UploadEnd, UploadRequest, UploadedPart, UploadedParts, Uploads,
};
pub use watch::{WatchEvent, WatchOp};

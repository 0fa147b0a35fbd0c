//! The Rust client for sandboxes that sleep: reads survive the resume, mutations never run twice.
//!
//! ```no_run
//! # fn main() -> Result<(), reveille::Error> {
//! let client = reveille::Client::from_env()?;
//! let page = client.sandbox("box").network().fetch(3000, "/status").wait()?;
//! println!("{} after {} attempts: {}", page.status(), page.history().len(), page.text());
//! # Ok(())
//! # }
//! ```
//!
//! A sandbox that nobody uses goes to standby, and the first request wakes it. In that window its gateway
//! answers 425, 429, 502, 503 or 504, or drops the connection. A read is sent again until the sandbox is
//! there: five times by default, over 5 s. A request with a side effect is sent again only if it is proven
//! that it did not run; otherwise the error says that it may have.
//!
//! # Calls
//!
//! Every method that speaks to the network gives a [`Call`], or a builder that ends as one: nothing is sent
//! until it is awaited on any executor, or waited for with `.wait()` on any thread. Both are the same code, on
//! a runtime that the crate keeps for itself.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use reveille::{Client, RetryPolicy};
//! # async fn example(client: Client) -> Result<(), reveille::Error> {
//! let sandbox = client.sandbox("box");
//! for mount in sandbox.drives().list().await? {
//!     println!("{} at {}", mount.drive, mount.path);
//! }
//! let health = sandbox.system().health().retry(RetryPolicy::standby()).deadline(Duration::from_secs(60)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! A request that this crate has no method for goes the same way: [`Sandbox::request`], [`Client::request`].
//!
//! # Readiness
//!
//! The calls of a client to one sandbox know together whether it is awake. While it resumes, one of them looks often
//! (`GET /health`, on a connection of its own) and the others wait for the word, so that all arrive as soon as the
//! sandbox is there. A mutation to a sandbox of which nothing was heard for 10 s is preceded by such a probe, and
//! sent once it has answered; where it does not wake in the time that retries would have had, the mutation was not
//! sent, and the error says so ([`StopReason::NoWord`]).
//!
//! A call is never sent more often than its retries allow, and never later than they would have sent it. It is off
//! where [`ClientBuilder::no_probe`] or [`Call::no_probe`] says so, where retries are 0, and for an address that
//! somebody typed ([`Client::sandbox_at`], a URL forced by the environment). [`Sandbox::wake`] does it by hand.
//!
//! ```
//! # use std::time::Duration;
//! # use reveille_faults::{FaultServer, Script, Step};
//! # let window = Step::status(503).lasting(Duration::from_millis(50));
//! # let server = FaultServer::start(Script::new().step(window).then(Step::ok("done")))?;
//! # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
//! # let sandbox = client.sandbox("box");
//! let order = sandbox.network().fetch(3000, "/orders").post().json(&["tea"]).wait()?;
//! assert_eq!(order.history().len(), 1, "it was sent once, to a sandbox that was awake");
//! println!("{}", order.history());          // waited 52 ms for the probe, 200
//! # assert_eq!(server.arrivals_of("POST").len(), 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! An [`Error`] answers three questions: is the sandbox still asleep, may the request have run, what was tried.
//!
//! ```
//! # use reveille_faults::{FaultServer, Moment, Step};
//! # let server = FaultServer::start(Step::reset(Moment::AfterRequest))?;
//! # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
//! # let sandbox = client.sandbox("box");
//! match sandbox.drives().mount("data", "/mnt/data").wait() {
//!     Ok(mount) => println!("mounted at {}", mount.path),
//!     Err(error) if error.may_have_run() => println!("look before you repeat it: {error}"),
//!     Err(error) if error.is_unavailable() => println!("still asleep, nothing ran: {error}"),
//!     Err(error) => return Err(error.into()),
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Settings
//!
//! | what | where from, the first that is set |
//! | --- | --- |
//! | credentials | [`ClientBuilder::api_key`], `BL_API_KEY`, `BL_CLIENT_CREDENTIALS`, `~/.blaxel/config.yaml`, the local host that is running |
//! | workspace | [`ClientBuilder::workspace`], `BL_WORKSPACE`, `~/.blaxel/config.yaml`, the local host's |
//! | where the platform is | [`ClientBuilder::api_url`] and [`run_url`](ClientBuilder::run_url), `BL_API_URL` and `BL_RUN_URL`, `BL_ENV` |
//! | where a sandbox is | [`Client::sandbox_at`], `BL_SANDBOXES_<NAME>_URL`, `BL_SANDBOX_<NAME>_URL`, the platform |
//! | retries of reads | [`Call::retry`], [`ClientBuilder::retry`] or [`retries`](ClientBuilder::retries), `BL_SANDBOX_READ_RETRIES`, 5 |
//!
//! A setting that cannot be read is passed over and told in [`Client::warnings`].
//!
//! # Features
//!
//! `blocking` (on): `.wait()`, `retry_blocking`, streams as iterators. `tls` (on): https, by rustls. `terminal` (off):
//! `sandbox.terminal()`.
#![forbid(unsafe_code)]

pub use features::files;

/// The examples of the documents, which are compiled as every other.
#[cfg(all(doctest, feature = "terminal"))]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/sdk.md")]
#[doc = include_str!("../README.md")]
mod documents {}

mod answer;
mod call;
mod client;
mod core;
mod error;
mod features;
mod record;
pub mod retry;

#[cfg(feature = "blocking")]
pub use answer::Blocking;
pub use answer::{Fitted, Forwarded, ForwardedBody, Response, StreamResponse, Tunnel};
pub use call::{Call, CallFuture, WithHistory};
pub use client::{Client, ClientBuilder};
pub use core::Body;
pub use core::runtime::process_runtime;
pub use core::settings::{Origin, local_host};
pub use core::transport::{ConnectionLimits, HttpVersion};
pub use error::{Error, ErrorKind};
pub use features::{
    CreatePreview, CreateSandbox, CreateSchedule, CreateVolume, Drives, Exec, Fork, Forward, Images, List,
    Mcp, McpOutcome, McpTool, Mount, Network, Output, OutputEvent, Pages, Plane, Ports, Previews,
    ProcessStream, Processes, Request, Sandbox, SandboxOrder, SandboxSnapshots, Sandboxes, Schedules,
    Snapshots, System, Upgrade, Volumes, WaitForEnd, When, WorkspaceDrives, WorkspaceSchedules,
};
#[cfg(feature = "terminal")]
pub use features::{OpenTerminal, Terminal, TerminalEnd, TerminalEvent, TerminalInput, Typing};
pub use record::{AnsweredBy, Site};
#[cfg(feature = "blocking")]
pub use retry::retry_blocking;
pub use retry::{Evidence, Saw, retry};

pub use bytes::Bytes;
pub use http::{HeaderMap, Method, StatusCode};
pub use reveille_retry::{
    Attempt, Dispatch, Fault, FaultKind, History, InvalidPolicy, Proof, Replay, RetryPolicy,
    RetryPolicyBuilder, Seen, StatusSet, StopReason,
};
pub use reveille_wire::{
    Drive, DriveMount, EnvVar, ExecFrame, ExecFrameKind, Forked, Health, Image, InvalidInput, LocalHost,
    LogPosition, Metadata, OutputStream, Page, PageMeta, PortSpec, Preview, PreviewMetadata, PreviewSpec,
    PreviewToken, PreviewTokenSpec, ProcessLogs, ProcessResponse, ProcessSocket, ProcessStatus, Restored,
    Sandbox as SandboxRecord, SandboxName, SandboxRuntime, SandboxSpec, SandboxState, Schedule,
    ScheduleExecution, ScheduleInput, Snapshot, SnapshotSource, Status, UnmountOutcome, UpgradeAccepted,
    UpgradeState, UpgradeStatus, Volume, VolumeSpec, VolumeState,
};

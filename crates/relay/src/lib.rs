//! A small HTTP server between any client and a platform of sandboxes that sleep.
//!
//! What passes goes out by the SDK's driver ([`reveille::Client::forward`]): a read survives the resume of its sandbox,
//! a mutation wakes it first and is sent once, all clients share one probe, and a dead connection never reaches the
//! caller. Everything else passes unchanged. What was done stands in a header of the answer ([`ATTEMPTS`]).
//!
//! ```
//! use std::io::{Read, Write};
//! use std::net::TcpStream;
//!
//! use reveille::Client;
//! use reveille_faults::{FaultServer, Script, Step};
//! use reveille_relay::{Relay, RelaySettings};
//!
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # let _entered = runtime.enter();
//! let platform = FaultServer::start(Script::new().step(Step::status(503)).then(Step::ok("awake")))?;
//! let client = Client::builder().api_url(format!("{}/v0", platform.url())).run_url(platform.url());
//! let mut settings = RelaySettings::new(client);
//! settings.listen = "127.0.0.1:0".parse()?;
//! let relay = Relay::start(settings)?;
//!
//! // Any client: it need know nothing of any of this.
//! let mut connection = TcpStream::connect(relay.address())?;
//! connection.write_all(b"GET /acme/sandboxes/box/port/3000/ HTTP/1.1\r\nhost: relay\r\nconnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! connection.read_to_string(&mut answer)?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("awake"));
//! assert!(answer.contains("\r\nreveille-attempts: 503, 200; waited "));
//! # runtime.block_on(relay.stop());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod attempts;
mod connection;
mod crossing;
mod error;
mod extended;
mod files;
mod listener;
mod loops;
mod passage;
mod received;
mod refusal;
mod relay;
mod settings;
mod strangers;
mod tunnel;

pub use attempts::ATTEMPTS;
pub use error::{Error, ErrorKind};
pub use passage::{Passage, Passages, Seen};
pub use relay::Relay;
pub use settings::{Credentials, RelaySettings};

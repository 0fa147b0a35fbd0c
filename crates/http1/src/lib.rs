//! The server's side of HTTP/1.1 for gateways.
//!
//! Nearly every request is whole when it is looked at, and needs little of what an HTTP library must be ready for.
//! [`Plain`] reads, serves and answers those in the task of their connection, and gives the connection back with the
//! first that is anything else, together with all that came of it. [`Lingering`] closes one without taking its last
//! answer back. [`Socket`] is what both stand on where requests have interim answers ([`Interims`]), which go out under
//! an HTTP library as well. [`Workers`] are the threads that all of it happens on.
#![forbid(unsafe_code)]

mod date;
mod interim;
mod lingering;
mod plain;
mod readable;
mod socket;
mod workers;
mod written;

pub use date::with_date;
pub use interim::{Interim, Interims};
pub use lingering::{Lingering, Unread};
pub use plain::{Course, Last, Plain};
pub use readable::Readable;
pub use socket::Socket;
pub use workers::Workers;
pub use written::{close, written_out};

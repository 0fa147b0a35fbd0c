//! Errors of the HTTP stack as evidence, by type alone. No text is matched.

use std::error::Error;
use std::io::{self, ErrorKind};

use reveille_retry::{Fault, FaultKind, Proof};

use super::Broken;
use super::connect::ConnectFault;
use super::connection::SendError;
use super::incoming::BodyError;
use super::resolve::Unresolved;
use crate::core::RequestBodyError;
use crate::error::Source;

/// What an attempt that brought no head says.
pub(super) fn of_send(error: SendError) -> Broken {
    match error {
        SendError::Http1(error) => {
            let fault = fault_of_hyper(&error);
            Broken { fault, source: Some(Box::new(error)) }
        }
        SendError::Http2(error) => {
            let fault = match &error {
                reveille_http2::Error::Http2(h2) => fault_of_h2(h2),
                reveille_http2::Error::Silent => Fault::unknown(FaultKind::ReadTimeout),
            };
            Broken { fault, source: Some(Box::new(error)) }
        }
        SendError::Ended(error) => {
            let fault = Fault::proven(FaultKind::Canceled, Proof::Canceled);
            Broken { fault, source: Some(Box::new(error)) }
        }
    }
}

/// What a connection that was not made says.
pub(super) fn of_connect(error: ConnectFault) -> Broken {
    Broken { fault: Fault::proven(error.kind, error.proof), source: Some(Box::new(error)) }
}

/// What a connection says whose two ends did not come to speak HTTP.
pub(super) fn of_handshake(error: impl Error + Send + Sync + 'static) -> ConnectFault {
    ConnectFault::new(FaultKind::Unreachable, error)
}

/// What a new connection says that takes no request.
pub(super) fn of_no_stream() -> ConnectFault {
    ConnectFault::new(FaultKind::Unreachable, "the peer takes no stream")
}

/// What a peer says that speaks nothing but HTTP/2 and takes no WebSocket on a stream.
pub(super) fn of_no_websocket() -> ConnectFault {
    ConnectFault::new(
        FaultKind::Unreachable,
        "the peer takes no WebSocket, neither over HTTP/1.1 nor over HTTP/2",
    )
}

/// Whether a peer refused to speak the version of HTTP that it was asked for (RFC 7301, section 3.2).
#[cfg(feature = "tls")]
pub(super) fn is_refused_version(fault: &ConnectFault) -> bool {
    let refused = rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol);
    find::<rustls::Error>(fault).is_some_and(|said| *said == refused)
}

#[cfg(not(feature = "tls"))]
pub(super) fn is_refused_version(_: &ConnectFault) -> bool {
    false
}

/// What a body says that the caller could not make: nothing of the way, and nothing that a repeat would mend.
pub(super) fn of_request_body(error: RequestBodyError) -> Broken {
    Broken { fault: Fault::unknown(FaultKind::RequestBody), source: Some(Box::new(error)) }
}

/// What a body that broke says. The head was there, so that the request was carried out.
pub(crate) fn of_body(error: BodyError) -> Broken {
    let (is_timeout, source): (_, Source) = match error {
        BodyError::Http1(error) => (error.is_timeout(), Box::new(error)),
        BodyError::Http2(error) => (matches!(error, reveille_http2::Error::Silent), Box::new(error)),
    };
    let kind = if is_timeout { FaultKind::ReadTimeout } else { FaultKind::BodyCut };
    Broken { fault: Fault::answered(kind), source: Some(source) }
}

/// What a failure to reach an address says.
pub(super) fn kind_of_dial(error: &(dyn Error + 'static)) -> FaultKind {
    if find::<Unresolved>(error).is_some() {
        return FaultKind::Resolve;
    }
    let Some(io) = find::<io::Error>(error) else { return FaultKind::Unreachable };
    if is_local(io) {
        return FaultKind::Local;
    }
    match io.kind() {
        ErrorKind::ConnectionRefused => FaultKind::Refused,
        ErrorKind::TimedOut => FaultKind::ConnectTimeout,
        _ => FaultKind::Unreachable,
    }
}

/// Whether this machine is out of ports, files or memory.
fn is_local(io: &io::Error) -> bool {
    let out_of_files = cfg!(unix) && matches!(io.raw_os_error(), Some(23 | 24));
    out_of_files
        || matches!(
            io.kind(),
            ErrorKind::AddrNotAvailable | ErrorKind::OutOfMemory | ErrorKind::PermissionDenied
        )
}

/// A GOAWAY that a stream's own future meets names a last stream below it, whatever its reason, so that
/// the peer has not processed it (RFC 9113, section 6.8); streams that it covers go on, or fail by the
/// connection. Only the peer's word counts.
fn fault_of_h2(error: &h2::Error) -> Fault {
    if error.is_go_away() && error.is_remote() {
        return Fault::proven(FaultKind::GoAway, Proof::GoAway);
    }
    if error.is_reset() && error.is_remote() {
        return match error.reason() {
            Some(h2::Reason::REFUSED_STREAM) => Fault::proven(FaultKind::RefusedStream, Proof::RefusedStream),
            _ => Fault::unknown(FaultKind::StreamReset),
        };
    }
    match error.get_io() {
        Some(io) => Fault::unknown(kind_of_io(io)),
        None if error.is_go_away() => Fault::unknown(FaultKind::Garbled),
        None => Fault::unknown(FaultKind::StreamReset),
    }
}

fn fault_of_hyper(hyper: &hyper::Error) -> Fault {
    if find::<RequestBodyError>(hyper).is_some() {
        return Fault::unknown(FaultKind::RequestBody);
    }
    if hyper.is_canceled() {
        return Fault::proven(FaultKind::Canceled, Proof::Canceled);
    }
    if hyper.is_parse() {
        return Fault::unknown(FaultKind::Garbled);
    }
    if hyper.is_incomplete_message() || hyper.is_closed() {
        return Fault::unknown(FaultKind::Closed);
    }
    if hyper.is_timeout() {
        return Fault::unknown(FaultKind::ReadTimeout);
    }
    if hyper.is_user() {
        return Fault::unknown(FaultKind::Local);
    }
    fault_of_io(hyper)
}

fn fault_of_io(error: &(dyn Error + 'static)) -> Fault {
    Fault::unknown(find::<io::Error>(error).map_or(FaultKind::Closed, kind_of_io))
}

fn kind_of_io(io: &io::Error) -> FaultKind {
    match io.kind() {
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => FaultKind::Reset,
        ErrorKind::TimedOut => FaultKind::ReadTimeout,
        ErrorKind::InvalidData => FaultKind::Garbled,
        _ => FaultKind::Closed,
    }
}

/// The first error of type `E` in a chain, also where an `io::Error` wraps it.
fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Evidence is read by downcast, which fails without a word when two versions of a type are about.
    #[test]
    fn there_is_one_version_of_each_library_that_evidence_comes_from() {
        let lock = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock");
        let Ok(lock) = std::fs::read_to_string(lock) else {
            eprintln!("SKIPPED: not in the workspace, so that there is no Cargo.lock to read");
            return;
        };
        for name in ["http", "hyper", "hyper-util", "h2", "rustls", "tokio", "tokio-rustls"] {
            let entry = format!("name = \"{name}\"\n");
            assert_eq!(lock.matches(&entry).count(), 1, "{name}");
        }
    }

    #[test]
    fn an_error_is_found_behind_an_io_error() {
        let inner = Unresolved(io::Error::other("x"));
        let wrapped = io::Error::other(io::Error::other(inner));
        assert!(find::<Unresolved>(&wrapped).is_some());
    }

    #[test]
    fn local_shortages_are_not_the_hosts_fault() {
        for raw in [23, 24] {
            assert_eq!(kind_of_dial(&io::Error::from_raw_os_error(raw)), FaultKind::Local);
        }
        assert_eq!(kind_of_dial(&io::Error::from(ErrorKind::AddrNotAvailable)), FaultKind::Local);
        assert_eq!(kind_of_dial(&io::Error::from(ErrorKind::ConnectionRefused)), FaultKind::Refused);
        assert_eq!(kind_of_dial(&io::Error::from(ErrorKind::NetworkUnreachable)), FaultKind::Unreachable);
    }
}

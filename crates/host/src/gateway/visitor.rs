use std::net::SocketAddr;

use http::HeaderValue;
use reveille_http1::{Interim, Interims};

/// A client at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Visitor {
    address: SocketAddr,
    /// As text, which every request of its says.
    ip: HeaderValue,
    interims: Way,
}

/// The way of interim answers.
#[derive(Debug)]
enum Way {
    /// To the request that is being served on its connection.
    Connection(Interims),
    /// To the one on this stream.
    Stream(Interim),
}

impl Visitor {
    pub(crate) fn new(address: SocketAddr, interims: Interims) -> Self {
        let ip = HeaderValue::try_from(address.ip().to_string());
        Self {
            address,
            ip: ip.unwrap_or(HeaderValue::from_static("unknown")),
            interims: Way::Connection(interims),
        }
    }

    /// The same one, on a stream of its connection.
    pub(crate) fn on_stream(&self, interim: Interim) -> Self {
        Self { address: self.address, ip: self.ip.clone(), interims: Way::Stream(interim) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The way of interim answers to the request that is being served.
    pub(super) fn interim(&self) -> Interim {
        match &self.interims {
            Way::Connection(interims) => interims.now(),
            Way::Stream(interim) => interim.clone(),
        }
    }

    pub(super) fn ip(&self) -> &HeaderValue {
        &self.ip
    }
}

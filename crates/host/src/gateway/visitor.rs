use std::net::SocketAddr;

use http::HeaderValue;
use reveille_http1::{Interim, Interims};

/// A client at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Visitor {
    address: SocketAddr,
    /// As text, which every request of its says.
    ip: HeaderValue,
    interims: Interims,
}

impl Visitor {
    pub(crate) fn new(address: SocketAddr, interims: Interims) -> Self {
        let ip = HeaderValue::try_from(address.ip().to_string());
        Self { address, ip: ip.unwrap_or(HeaderValue::from_static("unknown")), interims }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The way of interim answers to the request that is being served.
    pub(super) fn interim(&self) -> Interim {
        self.interims.now()
    }

    pub(super) fn ip(&self) -> &HeaderValue {
        &self.ip
    }
}

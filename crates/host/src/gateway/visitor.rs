use std::net::SocketAddr;

use http::HeaderValue;

/// A client at the other end of a connection.
#[derive(Debug)]
pub(crate) struct Visitor {
    address: SocketAddr,
    /// As text, which every request of its says.
    ip: HeaderValue,
}

impl Visitor {
    pub(crate) fn new(address: SocketAddr) -> Self {
        let ip = HeaderValue::try_from(address.ip().to_string());
        Self { address, ip: ip.unwrap_or(HeaderValue::from_static("unknown")) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn ip(&self) -> &HeaderValue {
        &self.ip
    }
}

use std::net::SocketAddr;
use std::time::Duration;

use reveille::ClientBuilder;

/// How a relay is to be.
///
/// ```
/// use reveille::Client;
/// use reveille_relay::{Credentials, RelaySettings};
///
/// let mut settings = RelaySettings::new(Client::builder().workspace("acme"));
/// settings.credentials = Credentials::Ours;
/// assert!(settings.listen.ip().is_loopback());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RelaySettings {
    /// Leads to the platform, and says how reads are tried again. Its read time-out is not used: how long an exchange
    /// may be silent is the matter of whoever waits for it.
    pub client: ClientBuilder,
    /// Where it listens; port 0 takes a free one. By default `127.0.0.1:7879`.
    pub listen: SocketAddr,
    /// Whose credentials go out. By default those that came along.
    pub credentials: Credentials,
    /// How many connections there may be. By default 4,096, or as many as the system's limit of open files allows.
    pub connections: usize,
    /// How many requests may be under way. By default 2,048. Each holds at most 64 KiB of a request's body and 64 KiB of
    /// an answer's, and what the two connections buffer.
    pub exchanges: usize,
    /// How long requests that are under way have when it stops. By default 10 s.
    pub drain: Duration,
}

/// Whose credentials go out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// Those that a request came with, or none.
    #[default]
    Theirs,
    /// Those of the settings, in place of what came along. The relay then listens on loopback only, and serves no
    /// browser: a page from anywhere could send requests to it.
    Ours,
}

impl RelaySettings {
    /// A relay to where this client leads, on loopback.
    #[must_use]
    pub fn new(client: ClientBuilder) -> Self {
        Self {
            client,
            listen: SocketAddr::from(([127, 0, 0, 1], 7879)),
            credentials: Credentials::Theirs,
            connections: 4_096,
            exchanges: 2_048,
            drain: Duration::from_secs(10),
        }
    }
}

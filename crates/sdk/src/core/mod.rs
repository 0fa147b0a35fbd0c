//! What every call stands on: settings, credentials, the one transport. Nothing here knows of calls.

mod body;
mod credentials;
mod per_process;
mod pump;
mod readiness;
pub(crate) mod runtime;
pub(crate) mod settings;
mod tokens;
pub(crate) mod transport;

use std::fmt;

use http::HeaderValue;
use reveille_wire::SandboxUrl;

use crate::error::Error;
pub use body::Body;
pub(crate) use body::{RequestBodyError, SendBody};
pub(crate) use credentials::{Credentials, Secret};
pub(crate) use pump::Pump;
pub(crate) use readiness::{Seat, Watches};
use settings::Settings;
pub(crate) use tokens::{Granted, Tokens};
use transport::{Transport, TransportSettings};

/// `blaxel/sdk/<language>/<version> (<os>/<arch>)`, as the platform's own clients say it, and our name.
const USER_AGENT: &str = concat!("blaxel/sdk/rust/", env!("CARGO_PKG_VERSION"));

/// What the calls of one client share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) transport: Transport,
    pub(crate) tokens: Tokens,
    pub(crate) watches: Watches,
    user_agent: HeaderValue,
    version: HeaderValue,
}

impl Core {
    /// # Errors
    /// When a URL in the settings is none, or a setting cannot stand in a header.
    pub(crate) fn new(mut settings: Settings, transport: &TransportSettings) -> Result<Self, Error> {
        for url in [&mut settings.api_url, &mut settings.run_url] {
            *url = SandboxUrl::new(url).map_err(Error::bad_base)?.as_str().to_owned();
        }
        for warning in &settings.warnings {
            tracing::warn!("{warning}");
        }
        let version = HeaderValue::try_from(&settings.version)
            .map_err(|_| Error::settings("BL_API_VERSION holds characters that no header can carry"))?;
        let agent = format!(
            "{USER_AGENT} ({}/{}) reveille/{}",
            std::env::consts::OS,
            std::env::consts::ARCH,
            env!("CARGO_PKG_VERSION")
        );
        let user_agent = HeaderValue::try_from(agent).map_err(|bad| Error::settings(bad.to_string()))?;
        let transport = Transport::new(transport);
        let watches = Watches::new(settings.readiness.unwrap_or_default());
        Ok(Self { settings, transport, tokens: Tokens::default(), watches, user_agent, version })
    }

    pub(crate) fn user_agent(&self) -> HeaderValue {
        self.user_agent.clone()
    }

    pub(crate) fn version_header(&self) -> HeaderValue {
        self.version.clone()
    }

    pub(crate) fn workspace_header(&self) -> Result<Option<HeaderValue>, Error> {
        let Some(workspace) = &self.settings.workspace else { return Ok(None) };
        let value = HeaderValue::try_from(workspace);
        value
            .map(Some)
            .map_err(|_| Error::settings("the workspace holds characters that no header can carry"))
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

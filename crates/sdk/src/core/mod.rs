//! What every call stands on: settings, credentials, the one transport. Nothing here knows of calls.

mod body;
mod credentials;
mod file;
mod passed;
mod per_process;
mod pump;
mod readiness;
pub(crate) mod runtime;
pub(crate) mod settings;
mod sized;
mod tokens;
pub(crate) mod transport;

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderValue, header};
use reveille_wire::{SandboxName, SandboxUrl, header as platform};

use crate::error::Error;
pub use body::Body;
pub(crate) use body::{RequestBodyError, SendBody};
pub(crate) use credentials::{Credentials, Secret};
pub(crate) use pump::Pump;
pub(crate) use readiness::{Seat, Watches};
use settings::Settings;
pub(crate) use tokens::{Granted, Tokens};
use transport::{ConnectionLimits, ForwardProxy, HOST_TO_COME, Transport, TransportSettings, is_spoken};

/// `blaxel/sdk/<language>/<version> (<os>/<arch>)`, as the platform's own clients say it, and our name.
const USER_AGENT: &str = concat!("blaxel/sdk/rust/", env!("CARGO_PKG_VERSION"));

/// What the calls of one client share.
pub(crate) struct Core {
    pub(crate) settings: Settings,
    pub(crate) transport: Transport,
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) watches: Arc<Watches>,
    /// The base under which the platform serves sandboxes.
    run: SandboxUrl,
    /// What every request says, in whosever name it is sent.
    said_by_all: HeaderMap,
    /// What a request in the client's name says, where that is the same each time.
    said_by_client: Option<HeaderMap>,
    version: HeaderValue,
}

impl Core {
    /// # Errors
    /// When a URL in the settings is none, or a setting cannot stand in a header.
    pub(crate) fn new(mut settings: Settings, transport: &TransportSettings) -> Result<Self, Error> {
        for url in [&mut settings.api_url, &mut settings.run_url] {
            *url = SandboxUrl::new(url).map_err(Error::bad_base)?.as_str().to_owned();
        }
        if let ForwardProxy::At(url) = &transport.way
            && !is_spoken(url)
        {
            return Err(Error::settings(
                "the proxy is none that is spoken to: http, https, socks5 and socks5h are",
            ));
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
        let watches = Arc::new(Watches::new(settings.readiness.unwrap_or_default()));
        let mut said_by_all = HeaderMap::new();
        said_by_all.insert(header::HOST, HOST_TO_COME);
        said_by_all.insert(header::USER_AGENT, user_agent);
        said_by_all.insert(header::ACCEPT, HeaderValue::from_static("*/*"));
        let (run, tokens) = (SandboxUrl::new(&settings.run_url)?, Arc::default());
        let mut core =
            Self { settings, transport, tokens, watches, run, said_by_all, said_by_client: None, version };
        if let Some(Credentials::ApiKey(key) | Credentials::AccessToken(key)) = &core.settings.credentials {
            // What cannot be sent is an error of the call that would send it.
            core.said_by_client = core.said_with(Some(key)).ok();
        }
        Ok(core)
    }

    /// The same with connections of its own.
    pub(crate) fn with_limits(&self, limits: ConnectionLimits) -> Self {
        Self {
            settings: self.settings.clone(),
            transport: self.transport.with_limits(limits),
            tokens: Arc::clone(&self.tokens),
            watches: Arc::clone(&self.watches),
            run: self.run.clone(),
            said_by_all: self.said_by_all.clone(),
            said_by_client: self.said_by_client.clone(),
            version: self.version.clone(),
        }
    }

    /// Where the platform serves a sandbox.
    ///
    /// # Errors
    /// When no workspace is set, or none that can stand in a URL.
    pub(crate) fn sandbox_url(&self, name: &SandboxName) -> Result<SandboxUrl, Error> {
        let workspace = self.settings.workspace.as_deref().ok_or_else(Error::no_workspace)?;
        Ok(self.run.sandbox(workspace, name)?)
    }

    /// The headers of a request in nobody's name.
    pub(crate) fn said_by_all(&self) -> HeaderMap {
        self.said_by_all.clone()
    }

    /// The headers of a request in the client's name, where they are the same each time.
    pub(crate) fn said_by_client(&self) -> Option<HeaderMap> {
        self.said_by_client.clone()
    }

    /// The headers of a request that is proven by this key or token, where there is one.
    ///
    /// # Errors
    /// When one of them cannot stand in a header.
    pub(crate) fn said_with(&self, bearer: Option<&Secret>) -> Result<HeaderMap, Error> {
        let mut headers = self.said_by_all();
        if let Some(bearer) = bearer {
            headers.insert(platform::AUTHORIZATION, bearer.header("Bearer")?);
        }
        if let Some(workspace) = &self.settings.workspace {
            let value = HeaderValue::try_from(workspace)
                .map_err(|_| Error::settings("the workspace holds characters that no header can carry"))?;
            headers.insert(platform::WORKSPACE, value);
        }
        headers.insert(platform::VERSION, self.version.clone());
        Ok(headers)
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

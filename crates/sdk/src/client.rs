use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use http::HeaderValue;
use reveille_retry::RetryPolicy;
use reveille_wire::{LocalHost, SandboxName, SandboxUrl};

use crate::credentials::{Secret, Tokens};
use crate::error::Error;
use crate::sandbox::Sandbox;
use crate::sandboxes::Sandboxes;
use crate::settings::{Environment, Origin, Overrides, Settings};
use crate::transport::{HttpVersion, Transport, TransportSettings};

/// `blaxel/sdk/<language>/<version> (<os>/<arch>)`, as the platform's own clients say it, and our name.
const USER_AGENT: &str = concat!("blaxel/sdk/rust/", env!("CARGO_PKG_VERSION"));

/// The way to the platform, or to the local host. It is cheap to clone, and may be used from any number of
/// threads and runtimes.
///
/// ```
/// use reveille::Client;
///
/// let client = Client::builder().api_key("my-key").workspace("acme").build()?;
/// assert_eq!(client.workspace(), Some("acme"));
/// let sandbox = client.sandbox("box");        // a handle: nothing is sent
/// # Ok::<(), reveille::Error>(())
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Settings,
    transport: Transport,
    tokens: Tokens,
    user_agent: HeaderValue,
    version: HeaderValue,
}

impl Client {
    /// A client by the environment (`BL_API_KEY`, `BL_WORKSPACE`, ...), the platform's config file
    /// (`~/.blaxel/config.yaml`), or the local host that is running.
    ///
    /// A missing key or workspace is an error of the call that needs it.
    ///
    /// # Errors
    /// When a URL in the settings is none.
    pub fn from_env() -> Result<Self, Error> {
        Self::builder().build()
    }

    /// A client whose settings are named in code. What is not named comes from where
    /// [`from_env`](Self::from_env) takes it.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// The sandbox of this name. A name that is none is an error of the call that uses the handle.
    ///
    /// It answers at the URL that the environment forces (`BL_SANDBOXES_<NAME>_URL`, then
    /// `BL_SANDBOX_<NAME>_URL`; upper case, `-` as `_`), or at `{run}/{workspace}/sandboxes/{name}`.
    #[must_use]
    pub fn sandbox(&self, name: impl Into<String>) -> Sandbox {
        Sandbox::named(self.clone(), SandboxName::new(name))
    }

    /// The sandbox at this URL, as it is. No credentials are sent there, unless
    /// [`authorized`](Sandbox::authorized) says so.
    #[must_use]
    pub fn sandbox_at(&self, url: impl AsRef<str>) -> Sandbox {
        Sandbox::at(self.clone(), SandboxUrl::new(url.as_ref()))
    }

    /// The sandboxes of the workspace: to make, find, list and delete them.
    #[must_use]
    pub fn sandboxes(&self) -> Sandboxes {
        Sandboxes::new(self.clone())
    }

    /// What is wrong with the settings. Each was passed over, and is also a warning in the log (`tracing`).
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.0.settings.warnings
    }

    /// Where the settings lead.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.0.settings.origin
    }

    /// The workspace, where one is set.
    #[must_use]
    pub fn workspace(&self) -> Option<&str> {
        self.0.settings.workspace.as_deref()
    }

    /// The policy of calls that have none of their own.
    #[must_use]
    pub fn policy(&self) -> RetryPolicy {
        self.0.settings.policy
    }

    /// The base of the control plane, without a trailing slash.
    #[must_use]
    pub fn api_url(&self) -> &str {
        &self.0.settings.api_url
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.0.transport
    }

    pub(crate) fn user_agent(&self) -> HeaderValue {
        self.0.user_agent.clone()
    }

    pub(crate) fn version_header(&self) -> HeaderValue {
        self.0.version.clone()
    }

    pub(crate) fn workspace_header(&self) -> Result<Option<HeaderValue>, Error> {
        let Some(workspace) = self.workspace() else { return Ok(None) };
        let value = HeaderValue::try_from(workspace);
        value
            .map(Some)
            .map_err(|_| Error::settings("the workspace holds characters that no header can carry"))
    }

    /// What says who the client is, where it knows.
    pub(crate) async fn bearer(&self) -> Result<Option<HeaderValue>, Error> {
        match &self.0.settings.credentials {
            Some(credentials) => credentials.bearer(self, &self.0.tokens).await.map(Some),
            None => Ok(None),
        }
    }

    /// The server did not take the token: the next call gets a new one.
    pub(crate) fn forget_token(&self) {
        self.0.tokens.forget();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.settings.fmt(f)
    }
}

/// Makes a [`Client`].
///
/// ```
/// use std::time::Duration;
/// use reveille::{Client, RetryPolicy};
///
/// let client = Client::builder()
///     .api_key("my-key")
///     .workspace("acme")
///     .retry(RetryPolicy::standby())
///     .read_timeout(Duration::from_secs(30))
///     .build()?;
/// # Ok::<(), reveille::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a client is made by build()"]
pub struct ClientBuilder {
    code: Overrides,
    transport: TransportSettings,
}

impl ClientBuilder {
    /// The API key.
    pub fn api_key(mut self, key: impl Into<String>) -> Self {
        self.code.api_key = Some(Secret::new(key));
        self
    }

    /// Client credentials, in place of a key: they are exchanged for access tokens, which are renewed before
    /// they expire.
    pub fn client_credentials(mut self, id: impl AsRef<str>, secret: impl AsRef<str>) -> Self {
        let pair = format!("{}:{}", id.as_ref(), secret.as_ref());
        self.code.client = Some(Secret::new(BASE64_STANDARD.encode(pair)));
        self
    }

    /// The workspace that calls speak for.
    pub fn workspace(mut self, workspace: impl Into<String>) -> Self {
        self.code.workspace = Some(workspace.into());
        self
    }

    /// The base of the control plane, by default `https://api.blaxel.ai/v0`.
    pub fn api_url(mut self, url: impl Into<String>) -> Self {
        self.code.api_url = Some(url.into());
        self
    }

    /// The base under which sandboxes answer, by default `https://run.blaxel.ai`.
    pub fn run_url(mut self, url: impl Into<String>) -> Self {
        self.code.run_url = Some(url.into());
        self
    }

    /// Where sandboxes are made that do not say where.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.code.region = Some(region.into());
        self
    }

    /// How calls are tried again that do not say how. It beats `BL_SANDBOX_READ_RETRIES`.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.code.policy = Some(policy);
        self
    }

    /// The local host to speak to: its address, its key, its workspace.
    pub fn local_host(mut self, host: LocalHost) -> Self {
        self.code.local_host = Some(host);
        self
    }

    /// How long it may take to connect, TLS included; by default 10 s.
    pub fn connect_timeout(mut self, most: Duration) -> Self {
        self.transport.connect_timeout = Some(most);
        self
    }

    /// How long an attempt may be silent, in both directions; by default 300 s.
    pub fn read_timeout(mut self, most: Duration) -> Self {
        self.transport.read_timeout = Some(most);
        self
    }

    /// Which version of HTTP is spoken.
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.transport.version = version;
        self
    }

    /// Trusts one more certificate authority, beside the system's; the certificate as DER.
    pub fn add_root_certificate(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.transport.roots.push(der.into());
        self
    }

    /// Makes the client. Nothing is sent.
    ///
    /// # Errors
    /// When a URL in the settings is none.
    pub fn build(self) -> Result<Client, Error> {
        self.build_in(&Environment::of_process())
    }

    fn build_in(self, environment: &Environment) -> Result<Client, Error> {
        let mut settings = Settings::resolve(self.code, environment);
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
        let transport = Transport::new(&self.transport);
        Ok(Client(Arc::new(Inner { settings, transport, tokens: Tokens::default(), user_agent, version })))
    }
}

#[cfg(all(test, feature = "blocking"))]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
    fn client(vars: &[(&str, &str)]) -> Client {
        ClientBuilder::default().build_in(&Environment::of(vars)).unwrap()
    }

    #[test]
    fn a_missing_key_is_named_with_the_way_to_set_it() {
        let error = client(&[("BL_WORKSPACE", "acme")]).sandbox("box").system().health().wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().starts_with("no API key: set BL_API_KEY"), "{error}");
    }

    #[test]
    fn a_missing_workspace_is_named_with_the_way_to_set_it() {
        let error = client(&[("BL_API_KEY", "k")]).sandbox("box").system().health().wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().starts_with("no workspace: set BL_WORKSPACE"), "{error}");
    }

    #[test]
    fn a_sandbox_is_where_the_environment_forces_it_to_be() {
        let client = client(&[
            ("BL_WORKSPACE", "acme"),
            ("BL_RUN_URL", "http://run/"),
            ("BL_SANDBOX_MY_BOX_URL", "http://forced/"),
        ]);
        let url = |name: &str| client.sandbox(name).url().unwrap().to_string();
        assert_eq!(url("my-box"), "http://forced");
        assert_eq!(url("other"), "http://run/acme/sandboxes/other");
    }

    #[test]
    fn a_forced_url_needs_no_key_and_gets_the_one_there_is() {
        let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok("{}")).unwrap();
        let url = server.url();
        for vars in
            [vec![("BL_SANDBOX_BOX_URL", &*url)], vec![("BL_SANDBOX_BOX_URL", &*url), ("BL_API_KEY", "k")]]
        {
            client(&vars).sandbox("box").system().health().wait().unwrap();
        }
        let keys: Vec<_> =
            server.arrivals().iter().map(|a| a.header("x-blaxel-authorization").map(str::to_owned)).collect();
        assert_eq!(keys, [None, Some("Bearer k".to_owned())]);
    }

    #[test]
    fn a_bad_setting_is_a_warning_and_a_bad_url_is_an_error() {
        assert_eq!(client(&[("BL_SANDBOX_READ_RETRIES", "many")]).warnings().len(), 1);
        let error =
            ClientBuilder::default().build_in(&Environment::of(&[("BL_API_URL", "nowhere")])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Settings);
        assert!(error.to_string().contains("BL_API_URL"), "{error}");
    }
}

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use reveille_retry::{ReadinessPolicy, RetryPolicy};
use reveille_wire::LocalHost;

use super::Client;
use crate::core::settings::{Environment, Overrides, Probing, Settings};
#[cfg(feature = "tls")]
use crate::core::transport::{Believes, Certificate};
use crate::core::transport::{ConnectionLimits, ForwardProxy, HttpVersion, TransportSettings};
use crate::core::{Core, Secret};
use crate::error::Error;

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

    /// How often calls are tried again that do not say how; of the policy that is used this number alone changes.
    pub fn retries(mut self, retries: u32) -> Self {
        self.code.retries = Some(retries);
        self
    }

    /// Ends every call after this long that has no deadline of its own, whatever it is doing, the body of a
    /// stream included. Where no number of retries is set anywhere, reads are then tried as often as fits.
    pub fn deadline(mut self, most: Duration) -> Self {
        self.code.deadline = Some(most);
        self
    }

    /// How long the word of a sandbox that has answered holds; by default 10 s, as a sandbox goes to standby after
    /// about 15 s of rest. Less than it takes to go to standby. It switches the probe on.
    pub fn fresh(mut self, fresh: Duration) -> Self {
        self.code.probing = Probing::On(ReadinessPolicy::new().fresh(fresh));
        self
    }

    /// Sends nothing but what is asked for: no call waits for another one's word, and none is preceded by a probe;
    /// see [readiness](crate#readiness).
    pub fn no_probe(mut self) -> Self {
        self.code.probing = Probing::Off;
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

    /// How many connections there may be, and which of them are kept.
    pub fn limits(mut self, limits: ConnectionLimits) -> Self {
        self.transport.limits = limits;
        self
    }

    /// How long a call waits for a connection where there may not be more; by default as long as it may take. It is then
    /// an error with [`FaultKind::PoolTimeout`](crate::FaultKind::PoolTimeout), and nothing was sent.
    pub fn pool_timeout(mut self, most: Duration) -> Self {
        self.transport.pool_timeout = Some(most);
        self
    }

    /// The address of this machine that connections begin at.
    pub fn local_address(mut self, address: IpAddr) -> Self {
        self.transport.local_address = Some(address);
        self
    }

    /// Which version of HTTP is spoken.
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.transport.version = version;
        self
    }

    /// Sends every request through this forward proxy, whatever the environment names: `http://`, `https://`, `socks5://`
    /// or `socks5h://`, with `user:password@` where it wants a login. By default those of the environment are used
    /// (`HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`), and none for this machine's own addresses and for whom `NO_PROXY` names:
    /// names with all below them (`x.org`, `.x.org`, `*.x.org`), addresses and networks (`10.0.0.0/8`), each with a port
    /// or without, by commas or spaces; `*` is everybody.
    ///
    /// ```
    /// # fn main() -> Result<(), reveille::Error> {
    /// let client = reveille::Client::builder().api_key("k").workspace("w").proxy("socks5h://127.0.0.1:1080").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.transport.way = ForwardProxy::At(url.into());
        self
    }

    /// Uses no forward proxy, whatever the environment names.
    pub fn no_proxy(mut self) -> Self {
        self.transport.way = ForwardProxy::None;
        self
    }

    /// Trusts one more certificate authority, beside the system's; the certificate as DER.
    pub fn add_root_certificate(mut self, der: impl Into<Vec<u8>>) -> Self {
        self.transport.roots.push(der.into());
        self
    }

    /// Shows this certificate to servers that ask for one: its chain, its own first, and its private key (PKCS #8,
    /// PKCS #1 or SEC 1), all as DER. A key that is none is an error of the calls that need it.
    #[cfg(feature = "tls")]
    pub fn client_certificate(mut self, chain: Vec<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.transport.shows = Some(Certificate { chain, key: key.into() });
        self
    }

    /// Believes any certificate: whoever is on the way can read and change what is sent, credentials included. For a
    /// server of one's own, where [`add_root_certificate`](Self::add_root_certificate) cannot be used.
    #[cfg(feature = "tls")]
    pub fn believe_any_certificate(mut self) -> Self {
        self.transport.believes = Believes::Any;
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
        let settings = Settings::resolve(self.code, environment);
        Ok(Client(Arc::new(Core::new(settings, &self.transport)?)))
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

    #[test]
    fn a_proxy_of_an_unknown_kind_is_an_error_that_does_not_show_its_login() {
        for url in ["ftp://me:hunter2@proxy:21", "hunter2", ""] {
            let builder = Client::builder().api_key("k").workspace("w").proxy(url);
            assert!(!format!("{builder:?}").contains("hunter2"));
            let error = builder.build().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Settings);
            assert!(
                error.to_string().contains("socks5") && !error.to_string().contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_proxy_that_code_names_is_asked_also_for_this_machine_and_none_is_where_it_says_none() {
        let proxy = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = proxy.local_addr().unwrap();
        let asked = std::thread::spawn(move || {
            let (stream, _) = proxy.accept().unwrap();
            let mut line = String::new();
            std::io::BufRead::read_line(&mut std::io::BufReader::new(&stream), &mut line).unwrap();
            std::io::Write::write_all(&mut &stream, b"HTTP/1.1 407 No\r\n\r\n").unwrap();
            line
        });
        let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok("{}")).unwrap();
        let builder = || Client::builder().api_key("k").workspace("w").run_url(server.url());
        let client = builder().proxy(format!("http://{address}")).build().unwrap();
        let error = client.sandbox("box").system().health().wait().unwrap_err();
        let fault = error.last_fault().map(|fault| fault.kind);
        assert_eq!(fault, Some(crate::FaultKind::Proxy), "{error}");
        let line = asked.join().unwrap();
        assert!(line.starts_with("CONNECT 127.0.0.1:"), "{line}");
        assert_eq!(server.arrivals().len(), 0);
        builder().no_proxy().build().unwrap().sandbox("box").system().health().wait().unwrap();
    }
}

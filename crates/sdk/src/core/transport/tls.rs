//! TLS by rustls with ring, with the system's roots, or Mozilla's where the system has none.

use std::io;
use std::sync::{Arc, OnceLock};

use http::Uri;
use reveille_retry::FaultKind;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::{ConnectFault, Peer};
use super::{HttpVersion, TransportSettings};

/// Secures connections. The roots are read at the first use, as that takes milliseconds.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<OnceLock<Result<Arc<ClientConfig>, rustls::Error>>>,
    roots: Arc<[Vec<u8>]>,
    version: HttpVersion,
}

impl Tls {
    pub(super) fn new(settings: &TransportSettings) -> Self {
        Self { config: Arc::default(), roots: settings.roots.clone().into(), version: settings.version }
    }

    pub(super) async fn secure<S>(
        &self,
        uri: &Uri,
        stream: S,
        peer: Peer,
    ) -> Result<TlsStream<S>, ConnectFault>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let name = ServerName::try_from(host.to_owned())
            .map_err(|bad| ConnectFault::new(FaultKind::Unsendable, bad))?;
        let mut config = self.config().await?;
        match peer {
            Peer::Gateway => {}
            Peer::Upgradable => Arc::make_mut(&mut config).alpn_protocols = vec![b"http/1.1".to_vec()],
            Peer::Proxy => Arc::make_mut(&mut config).alpn_protocols.clear(),
        }
        let secured = TlsConnector::from(config).connect(name, stream).await;
        secured.map_err(|error| ConnectFault::new(kind_of(&error), error))
    }

    async fn config(&self) -> Result<Arc<ClientConfig>, ConnectFault> {
        if self.config.get().is_none() {
            let this = self.clone();
            let read = tokio::task::spawn_blocking(move || {
                this.config.get_or_init(|| this.read());
            });
            read.await.map_err(|gone| ConnectFault::new(FaultKind::Local, gone))?;
        }
        match self.config.get() {
            Some(Ok(config)) => Ok(Arc::clone(config)),
            Some(Err(error)) => Err(ConnectFault::new(FaultKind::Local, error.clone())),
            None => Err(ConnectFault::new(FaultKind::Local, "the root certificates were not read")),
        }
    }

    fn read(&self) -> Result<Arc<ClientConfig>, rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        for own in self.roots.iter() {
            roots.add(CertificateDer::from(own.clone()))?;
        }
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = match self.version {
            HttpVersion::Negotiated => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            HttpVersion::Http2 => vec![b"h2".to_vec()],
        };
        Ok(Arc::new(config))
    }
}

/// What rustls decided is a verdict; what the socket did is not.
fn kind_of(error: &io::Error) -> FaultKind {
    let verdict = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    if verdict { FaultKind::TlsVerdict } else { FaultKind::Handshake }
}

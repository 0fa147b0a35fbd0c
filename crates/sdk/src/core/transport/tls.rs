//! TLS by rustls with ring, with the system's roots, or Mozilla's where the system has none.

use std::io;
use std::sync::{Arc, OnceLock};

use http::Uri;
use reveille_retry::FaultKind;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::connect::{ConnectFault, Peer};
use super::{Believes, Certificate, HttpVersion, TransportSettings};

/// Secures connections. The roots are read at the first use, as that takes milliseconds.
#[derive(Clone)]
pub(super) struct Tls {
    config: Arc<OnceLock<Result<Arc<ClientConfig>, rustls::Error>>>,
    settings: Arc<TransportSettings>,
}

impl Tls {
    pub(super) fn new(settings: &TransportSettings) -> Self {
        Self { config: Arc::default(), settings: Arc::new(settings.clone()) }
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
        for own in &self.settings.roots {
            roots.add(CertificateDer::from(own.clone()))?;
        }
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&ring)).with_safe_default_protocol_versions()?;
        let builder = match self.settings.believes {
            Believes::Signed => builder.with_root_certificates(roots),
            Believes::Any => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(ring))),
        };
        let mut config = match &self.settings.shows {
            None => builder.with_no_client_auth(),
            Some(Certificate { chain, key }) => {
                let chain = chain.iter().cloned().map(CertificateDer::from).collect();
                let key = PrivateKeyDer::try_from(key.clone());
                let key = key.map_err(|why| rustls::Error::General(why.to_owned()))?;
                builder.with_client_auth_cert(chain, key)?
            }
        };
        config.alpn_protocols = match self.settings.version {
            HttpVersion::Negotiated => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            HttpVersion::Http1 => vec![b"http/1.1".to_vec()],
            HttpVersion::Http2 => vec![b"h2".to_vec()],
        };
        Ok(Arc::new(config))
    }
}

/// Believes that any certificate is the server's; that the server holds its key is still looked at.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// What rustls decided is a verdict; what the socket did is not.
fn kind_of(error: &io::Error) -> FaultKind {
    let verdict = error.get_ref().is_some_and(<dyn std::error::Error + Send + Sync>::is::<rustls::Error>);
    if verdict { FaultKind::TlsVerdict } else { FaultKind::Handshake }
}

//! A terminal over TLS, whose connections are for HTTP/1.1 whatever else the server prefers.

use std::net::TcpStream;
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reveille::HttpVersion;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::server::{Duplex, Server, act};
use crate::{HEALTHY, all, builder};

#[test]
fn a_terminal_goes_over_tls_whatever_version_the_server_prefers() {
    for version in [HttpVersion::Negotiated, HttpVersion::Http2] {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
        let mut config = ServerConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key.into())
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let config = Arc::new(config);
        let secure = move |stream: TcpStream| -> Option<Box<dyn Duplex>> {
            let mut secured = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), stream);
            secured.conn.complete_io(&mut secured.sock).ok()?;
            assert_eq!(secured.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
            Some(Box::new(secured))
        };
        let acts = vec![
            act(|visit| {
                let mut shown = visit.exact("s1");
                shown.taken(0);
                assert_eq!(shown.hear()["data"], "secret");
                shown.output("a");
            }),
            act(|visit| {
                let mut shown = visit.exact("s1");
                shown.taken(6);
                shown.output("b");
                shown.exit(0);
            }),
        ];
        let server = Server::accepting(HEALTHY, acts, secure);
        let client = builder(&format!("https://localhost:{}", server.address.port()))
            .add_root_certificate(cert.der().to_vec())
            .http_version(version)
            .build()
            .unwrap();
        let terminal = client.sandbox("box").terminal().wait().unwrap();
        terminal.input().send("secret").wait().unwrap();
        let (screen, _, error) = all(terminal);
        assert_eq!((screen.as_str(), error.map(|error| error.to_string())), ("ab", None));
    }
}

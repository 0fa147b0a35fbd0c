//! Section A, point 3: what TLS decides is final, what happens to its connection is not.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use reveille::{Client, Dispatch, ErrorKind, Proof};
use reveille_faults::BlackHole;
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;

use crate::harness::builder;

/// A server with a certificate for `name`; gives its address and the certificate.
fn secured(name: &str, alpn: &[&str]) -> (SocketAddr, Vec<u8>) {
    secured_for(name, alpn, None)
}

/// The same, for clients alone that show this certificate.
fn secured_for(name: &str, alpn: &[&str], client: Option<Vec<u8>>) -> (SocketAddr, Vec<u8>) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let certificate = cert.der().to_vec();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config =
        ServerConfig::builder_with_provider(Arc::clone(&ring)).with_safe_default_protocol_versions().unwrap();
    let config = match client {
        None => config.with_no_client_auth(),
        Some(certificate) => {
            let mut roots = rustls::RootCertStore::empty();
            roots.add(certificate.into()).unwrap();
            let wanted = rustls::server::WebPkiClientVerifier::builder_with_provider(roots.into(), ring);
            config.with_client_cert_verifier(wanted.build().unwrap())
        }
    };
    let mut config = config.with_single_cert(vec![cert.der().clone()], key.into()).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || serve(&listener, Arc::new(config)));
    (address, certificate)
}

fn serve(listener: &TcpListener, config: Arc<ServerConfig>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        listener.set_nonblocking(true).unwrap();
        let listener = tokio::net::TcpListener::from_std(listener.try_clone().unwrap()).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(config);
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let answer = hyper::service::service_fn(|request: http::Request<_>| async move {
                    let mut answer = http::Response::new("secured".to_owned());
                    let version = format!("{:?}", request.version()).parse().unwrap();
                    answer.headers_mut().insert("x-version", version);
                    let _: hyper::body::Incoming = request.into_body();
                    Ok::<_, std::convert::Infallible>(answer)
                });
                let stream = hyper_util::rt::TokioIo::new(stream);
                let executor = hyper_util::rt::TokioExecutor::new();
                let _ = hyper_util::server::conn::auto::Builder::new(executor)
                    .serve_connection(stream, answer)
                    .await;
            });
        }
    });
}

fn client(address: SocketAddr, root: Option<Vec<u8>>) -> Client {
    let builder = builder(&format!("https://localhost:{}", address.port()));
    match root {
        Some(root) => builder.add_root_certificate(root).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

#[test]
fn a_trusted_server_is_spoken_to_in_the_version_that_it_prefers() {
    for (alpn, version) in
        [(&["h2", "http/1.1"][..], http::Version::HTTP_2), (&["http/1.1"], http::Version::HTTP_11)]
    {
        let (address, root) = secured("localhost", alpn);
        let page = client(address, Some(root)).sandbox("box").network().fetch(3000, "/").wait().unwrap();
        assert_eq!((page.text().as_ref(), page.version()), ("secured", version));
    }
}

#[test]
fn a3_an_unknown_authority_and_a_wrong_host_are_final() {
    let (unknown, _) = secured("localhost", &[]);
    let (wrong, root) = secured("elsewhere.example", &[]);
    for client in [client(unknown, None), client(wrong, Some(root))] {
        for post in [false, true] {
            let fetch = client.sandbox("box").network().fetch(3000, "/");
            let error = if post { fetch.post().wait() } else { fetch.wait() }.unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 1), "{error}");
            assert_eq!(error.dispatch(), Some(Dispatch::NotDispatched(Proof::Tls)));
            assert!(!error.may_have_run());
        }
    }
}

#[test]
fn a3_a_connection_that_breaks_in_the_handshake_is_tried_again_and_proves_that_nothing_ran() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let accepted = thread::spawn(move || (0..6).map(|_| drop(listener.accept().unwrap())).count());
    let error = client(address, None).sandbox("box").network().fetch(3000, "/").post().wait().unwrap_err();
    assert_eq!(error.dispatch(), Some(Dispatch::NotDispatched(Proof::Tls)), "{error}");
    assert_eq!((error.attempts(), error.may_have_run(), accepted.join().unwrap()), (6, false, 6));
}

#[test]
fn a2_a_handshake_that_hangs_is_a_connect_timeout_and_proves_that_nothing_ran() {
    let hole = BlackHole::new().unwrap();
    let url = format!("https://localhost:{}", hole.address().port());
    let client = builder(&url).connect_timeout(Duration::from_millis(30)).build().unwrap();
    let fetch = client.sandbox("box").network().fetch(3000, "/").post();
    let error = fetch.retry(crate::harness::quick().with_retries(1)).wait().unwrap_err();
    assert_eq!(error.history().unwrap().to_string(), "connect time-out, connect time-out");
    assert_eq!(
        (error.dispatch(), error.may_have_run()),
        (Some(Dispatch::NotDispatched(Proof::Connect)), false)
    );
}

#[test]
fn a_change_of_protocol_is_asked_for_over_the_one_version_that_knows_it() {
    let (address, root) = secured("localhost", &["h2", "http/1.1"]);
    let client = client(address, Some(root));
    let spoken = |upgrade: &[(&str, &str)]| {
        let mut request = http::Request::get("/acme/sandboxes/box/port/1/ws");
        for (name, value) in upgrade {
            request = request.header(*name, *value);
        }
        let request = request.body(reveille::Body::empty()).unwrap();
        client.forward(reveille::Plane::Data, request).wait().unwrap().headers()["x-version"].clone()
    };
    assert_eq!(spoken(&[("connection", "upgrade"), ("upgrade", "websocket")]), "HTTP/1.1");
    assert_eq!(spoken(&[]), "HTTP/2.0", "what else is sent there is not bound by it");
}

#[test]
fn any_certificate_is_believed_only_where_that_is_said() {
    for name in ["localhost", "elsewhere.example"] {
        let (address, _) = secured(name, &[]);
        let url = format!("https://localhost:{}", address.port());
        let trusting = builder(&url).believe_any_certificate().build().unwrap();
        let page = trusting.sandbox("box").network().fetch(3000, "/").wait().unwrap();
        assert_eq!(page.text(), "secured");
        let fetch = client(address, None).sandbox("box").network().fetch(3000, "/");
        assert_eq!(fetch.wait().unwrap_err().kind(), ErrorKind::Transport);
    }
}

#[test]
fn a_certificate_is_shown_to_whoever_asks_for_one() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["me".to_owned()]).unwrap();
    let (address, root) = secured_for("localhost", &[], Some(cert.der().to_vec()));
    let url = format!("https://localhost:{}", address.port());
    let unknown = builder(&url).add_root_certificate(root);
    let known = unknown.clone().client_certificate(vec![cert.der().to_vec()], signing_key.serialize_der());
    assert!(!format!("{known:?}").contains(&format!("{:?}", signing_key.serialize_der())));
    let fetch = |client: Client| client.sandbox("box").network().fetch(3000, "/").no_retry().wait();
    assert_eq!(fetch(known.build().unwrap()).unwrap().text(), "secured");
    assert!(fetch(unknown.clone().build().unwrap()).is_err());
    let no_key = unknown.client_certificate(vec![cert.der().to_vec()], *b"no key").build().unwrap();
    assert_eq!(fetch(no_key).unwrap_err().kind(), ErrorKind::Transport);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_websocket_is_a_stream_where_a_peer_speaks_nothing_but_http2() {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(ring).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![cert.der().clone()], key.into());
    let mut config = config.unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (tell, mut refused) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, tell) = (acceptor.clone(), tell.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return tell.send(()).unwrap() };
                let service =
                    hyper::service::service_fn(|mut request: http::Request<hyper::body::Incoming>| {
                        let is_socket = request.extensions().get::<hyper::ext::Protocol>().is_some();
                        let change = hyper::upgrade::on(&mut request);
                        tokio::spawn(async move {
                            let Ok(change) = change.await else { return };
                            let (mut from, mut to) = tokio::io::split(hyper_util::rt::TokioIo::new(change));
                            tokio::io::copy(&mut from, &mut to).await.unwrap();
                        });
                        let status = if is_socket { 200 } else { 400 };
                        let answer = http::Response::builder().status(status).body(String::new()).unwrap();
                        async { Ok::<_, std::convert::Infallible>(answer) }
                    });
                let mut server =
                    hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = server.enable_connect_protocol().serve_connection(io, service).await;
            });
        }
    });
    let limits = reveille::ConnectionLimits::new().max(1);
    let client = builder(&url).add_root_certificate(cert.der().to_vec()).limits(limits).build().unwrap();
    for _ in 0..2 {
        let mut request = http::Request::get("/acme/sandboxes/box/port/1/ws");
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request = request.header(name, value);
        }
        let request = request.body(reveille::Body::empty()).unwrap();
        let mut answer = client.forward(reveille::Plane::Data, request).await.unwrap();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        let mut tunnel = answer.tunnel().unwrap().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut tunnel, b"there and back").await.unwrap();
        let mut back = [0; 14];
        tokio::io::AsyncReadExt::read_exact(&mut tunnel, &mut back).await.unwrap();
        assert_eq!(&back, b"there and back");
        // One connection serves this beside it.
        client.sandbox("box").network().fetch(1, "/").await.unwrap();
    }
    // The first was asked over HTTP/1.1, which the second knew to be in vain.
    assert!(refused.recv().await.is_some() && refused.try_recv().is_err());
}

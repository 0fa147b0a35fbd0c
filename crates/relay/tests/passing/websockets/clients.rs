//! Clients that open WebSockets over either version.

use std::io::{Read, Write};
use std::net::TcpStream;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{Method, Request, Response};
use reveille_relay::Relay;

use crate::place::{BOX, PATIENCE, connect};

/// A client of HTTP/1.1 that has opened a WebSocket.
pub(super) fn over_http1(relay: &Relay) -> TcpStream {
    let mut stream = connect(relay);
    write!(
        stream,
        "GET {BOX}/port/1/ws?a=%20 HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: WebSocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-protocol: chat\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(
        head.contains("\r\nupgrade: websocket\r\n") && head.contains("\r\nconnection: upgrade\r\n"),
        "{head}"
    );
    assert!(head.contains("\r\nsec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-protocol: chat\r\n"), "{head}");
    stream
}

pub(super) async fn http2_client(relay: &Relay) -> SendRequest<Bytes> {
    let stream = tokio::net::TcpStream::connect(relay.address()).await.unwrap();
    let (client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    // What the relay takes it has said before it answers a PING.
    pings.ping(h2::Ping::opaque()).await.unwrap();
    assert!(client.is_extended_connect_protocol_enabled());
    client
}

pub(super) fn extended(relay: &Relay, protocol: &'static str) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.uri_mut() = format!("http://{}{BOX}/port/1/ws?a=%20", relay.address()).parse().unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static(protocol));
    request.headers_mut().insert("sec-websocket-version", "13".parse().unwrap());
    request.headers_mut().insert("sec-websocket-protocol", "chat".parse().unwrap());
    request
}

/// Asks for one over HTTP/2.
pub(super) async fn asked(
    relay: &Relay,
    protocol: &'static str,
) -> (Response<RecvStream>, SendStream<Bytes>) {
    let client = http2_client(relay).await;
    let (answer, send) =
        client.ready().await.unwrap().send_request(extended(relay, protocol), false).unwrap();
    (tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap(), send)
}

/// A client of HTTP/2 that has opened one.
pub(super) async fn over_http2(relay: &Relay) -> (RecvStream, SendStream<Bytes>) {
    let (answer, send) = asked(relay, "websocket").await;
    assert_eq!(answer.status(), 200);
    for name in ["upgrade", "connection", "sec-websocket-accept", "content-length"] {
        assert!(!answer.headers().contains_key(name), "{name}");
    }
    assert_eq!(answer.headers()["sec-websocket-protocol"], "chat");
    (answer.into_body(), send)
}

pub(super) async fn say(send: &mut SendStream<Bytes>, mut bytes: Bytes) {
    while !bytes.is_empty() {
        send.reserve_capacity(bytes.len());
        let room = std::future::poll_fn(|cx| send.poll_capacity(cx)).await.unwrap().unwrap();
        send.send_data(bytes.split_to(room.min(bytes.len())), false).unwrap();
    }
}

pub(super) async fn hear(receive: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let piece = tokio::time::timeout(PATIENCE, receive.data()).await.unwrap();
    if let Some(Ok(piece)) = &piece {
        receive.flow_control().release_capacity(piece.len()).unwrap();
    }
    piece
}

/// Whether that was all, be it by a frame without bytes.
pub(super) fn is_end(piece: Option<Result<Bytes, h2::Error>>) -> bool {
    piece.is_none_or(|piece| piece.map_or(true, |bytes| bytes.is_empty()))
}

/// Something of a length that fits into no buffer, in which no piece looks like another.
pub(super) fn much() -> Bytes {
    (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect()
}

//! A terminal in a sandbox, over HTTP/2.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::json;

use crate::stand::Stand;

const PATIENCE: Duration = Duration::from_secs(60);

/// A text message of a WebSocket's client, hidden by a mask of zeros.
fn message(text: &str) -> Bytes {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).unwrap();
    [&[0x81, 0x80 | length, 0, 0, 0, 0][..], text.as_bytes()].concat().into()
}

/// A shell answers what is typed, and ends with its client.
pub(crate) async fn over_http2() {
    let stand = Stand::with_box(|_| {}).await;
    let stream = tokio::net::TcpStream::connect(stand.host.address()).await.unwrap();
    let (client, mut connection) = h2::client::handshake(stream).await.unwrap();
    let mut pings = connection.ping_pong().unwrap();
    tokio::spawn(connection);
    pings.ping(h2::Ping::opaque()).await.unwrap();
    let request = Request::connect(format!("{}/local/sandboxes/box/terminal/ws", stand.host.url()))
        .extension(h2::ext::Protocol::from_static("websocket"))
        .header("x-blaxel-authorization", format!("Bearer {}", stand.host.key()))
        .header("sec-websocket-version", "13");
    let mut client = client.ready().await.unwrap();
    let (answer, mut send) = client.send_request(request.body(()).unwrap(), false).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    let typed = json!({"type": "input", "data": "echo $((6 * 7))-over-http2\n"});
    send.send_data(message(&typed.to_string()), false).unwrap();
    let mut receive = answer.into_body();
    let mut said = Vec::new();
    while !said.windows(13).any(|bytes| bytes == b"42-over-http2") {
        let piece = tokio::time::timeout(PATIENCE, receive.data()).await.unwrap().unwrap().unwrap();
        receive.flow_control().release_capacity(piece.len()).unwrap();
        said.extend_from_slice(&piece);
    }
}

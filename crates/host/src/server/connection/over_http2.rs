//! A connection of HTTP/2.

use std::sync::Arc;

use bytes::BytesMut;
use http_body_util::Either;
use reveille_http2::{Bounds, Http2};
use reveille_wire::hop;

use super::Otherwise;
use crate::gateway::H2_WINDOW;
use crate::server::received::Exchange;
use crate::server::socket::Socket;

/// What a client may do.
const BOUNDS: Bounds =
    Bounds { headers: hop::MAX_HEAD as u32, streams: 256, stream: H2_WINDOW, connection: H2_WINDOW };

impl Otherwise<'_> {
    /// Serves a connection of which this came.
    pub(super) async fn over_http2(&self, mut socket: Socket, came: BytesMut) {
        socket.put_back(came);
        let http2 = Http2 { socket, bounds: &BOUNDS, last: self.last };
        let served = http2.serve(|request, interim| {
            self.first.notify_one();
            let (front, seat) = (Arc::clone(&self.visit.front), Arc::clone(self.visit.held.seat()));
            let (visitor, reset) = (self.visitor.on_stream(interim), self.reset.clone());
            async move {
                let serving = front.serve(Exchange::begin(request.map(Either::Right)), &visitor, &seat);
                reset.unless_answered(serving.await).await
            }
        });
        if let Err(error) = served.await {
            tracing::debug!(client = %self.visit.client, %error, "a connection broke");
        }
    }
}

//! A connection of HTTP/1.1 under the HTTP library.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::Request;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reveille_wire::hop;

use super::Otherwise;
use crate::server::received::Exchange;
use crate::server::socket::Socket;

impl Otherwise<'_> {
    /// Serves what is left of a connection of which this came.
    pub(super) async fn by_library(&self, mut socket: Socket, came: BytesMut) {
        let interims = socket.interims();
        let begun = socket.hand_over(came);
        let service = service_fn(|request: Request<Incoming>| {
            begun.note();
            self.first.notify_one();
            let (front, seat) = (Arc::clone(&self.visit.front), Arc::clone(self.visit.held.seat()));
            let (visitor, reset, interims) = (Arc::clone(self.visitor), self.reset.clone(), interims.clone());
            async move {
                let version = request.version();
                let serving = front.serve(Exchange::begin(request.map(Either::Left)), &visitor, &seat);
                Ok::<_, Infallible>(reset.unless_answered(interims.during(version, serving).await).await)
            }
        });
        let connection = server(self.visit.head).serve_connection(TokioIo::new(socket), service);
        let mut connection = pin!(connection.with_upgrades());
        let mut is_ending = false;
        let served = poll_fn(|cx| {
            if self.last.is_set() && !is_ending {
                is_ending = true;
                connection.as_mut().graceful_shutdown();
            }
            connection.as_mut().poll(cx)
        });
        if let Err(error) = served.await {
            tracing::debug!(client = %self.visit.client, %error, "a connection broke");
        }
    }
}

fn server(head: Duration) -> http1::Builder {
    let mut server = http1::Builder::new();
    server
        .timer(TokioTimer::new())
        .header_read_timeout(head)
        .max_buf_size(hop::MAX_HEAD)
        .max_headers(hop::MAX_HEADERS)
        .half_close(false);
    server
}

//! The body of a request: held where it is short, so that it can be sent again, else streamed.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use http::header::TRAILER;
use http_body::Body as _;
use http_body_util::{BodyExt, Either};
use reveille::Body;
use reveille_wire::hop;

use crate::passage::{Counted, Telling};

/// The longest body that is held, in bytes.
const HELD: u64 = 64 * 1024;

/// A body as it comes in.
pub(crate) enum Coming {
    /// It is here.
    Whole(Bytes),
    /// It is still to come.
    Streamed(Streamed),
}

/// The body of a request over HTTP/1.1, or over HTTP/2.
pub(crate) type Streamed = Either<hyper::body::Incoming, reveille_http2::Incoming>;

/// The client did not send what it announced.
#[derive(Debug)]
pub(crate) struct Broken;

/// Takes a body that is known to be short whole, and every other as it comes: one that is to be asked for, too, as to take
/// it is to ask.
pub(crate) async fn take(
    headers: &HeaderMap,
    body: Coming,
    telling: Option<Arc<Telling>>,
) -> Result<Body, Broken> {
    let body = match body {
        Coming::Streamed(body) => body,
        Coming::Whole(body) => {
            if let Some(telling) = telling {
                telling.sent(body.len());
            }
            return Ok(if body.is_empty() { Body::empty() } else { Body::from(body) });
        }
    };
    if body.is_end_stream() {
        return Ok(Body::empty());
    }
    let is_short =
        !hop::expects_continue(headers) && body.size_hint().exact().is_some_and(|length| length <= HELD);
    let body = Counted::up(body, telling);
    if headers.contains_key(TRAILER) {
        return Ok(of_no_length(body));
    }
    if !is_short {
        return Ok(Body::from_http(body));
    }
    match body.collect().await {
        Ok(whole) if whole.trailers().is_none_or(HeaderMap::is_empty) => Ok(Body::from(whole.to_bytes())),
        // A length and trailers, which HTTP/2 can have: they come as they came.
        Ok(whole) => Ok(of_no_length(whole)),
        Err(_) => Err(Broken),
    }
}

/// A body that may end with trailers, for which HTTP/1.1 has a place only where it tells no length.
fn of_no_length<B>(body: B) -> Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    Body::from_http(body.map_frame(|frame| frame))
}

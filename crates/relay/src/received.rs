//! The body of a request: held where it is short, so that it can be sent again, else streamed.

use std::sync::Arc;

use http_body::Body as _;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use reveille::Body;

use crate::passage::{Counted, Telling};

/// The longest body that is held, in bytes.
const HELD: u64 = 64 * 1024;

/// The client did not send what it announced.
#[derive(Debug)]
pub(crate) struct Broken;

/// Takes a body that is known to be short whole, and every other as it comes.
pub(crate) async fn take(body: Incoming, telling: Option<Arc<Telling>>) -> Result<Body, Broken> {
    if body.is_end_stream() {
        return Ok(Body::empty());
    }
    let is_short = body.size_hint().exact().is_some_and(|length| length <= HELD);
    let body = Counted::up(body, telling);
    if !is_short {
        return Ok(Body::from_http(body));
    }
    match body.collect().await {
        Ok(whole) if whole.trailers().is_none_or(http::HeaderMap::is_empty) => {
            Ok(Body::from(whole.to_bytes()))
        }
        // A length and trailers, which HTTP/2 can have: they come as they came.
        Ok(whole) => Ok(Body::from_http(whole)),
        Err(_) => Err(Broken),
    }
}

//! What a request holds in memory while it waits.

use http::uri::PathAndQuery;
use http::{HeaderMap, Request, Version};
use http_body::Body;
use reveille_wire::hop;

/// What an HTTP/2 connection may send of its bodies before somebody takes them, in bytes: the window that the server
/// offers.
pub(crate) const H2_WINDOW: u32 = 1024 * 1024;

/// The most that is read of a body before somebody takes it.
fn ahead(version: Version) -> u64 {
    match version {
        Version::HTTP_2 => H2_WINDOW.into(),
        _ => hop::MAX_HEAD as u64,
    }
}

/// What a request holds, in bytes.
pub(super) fn weight<B: Body>(request: &Request<B>) -> u64 {
    let body = request.body().size_hint().upper().unwrap_or(u64::MAX);
    of_head(request.uri().path_and_query().map_or("", PathAndQuery::as_str), request.headers())
        .saturating_add(body.min(ahead(request.version())))
}

/// What its head holds, in bytes.
pub(super) fn of_head(target: &str, headers: &HeaderMap) -> u64 {
    let lines = headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    (target.len() + lines.sum::<usize>()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Bytes;
    use http_body_util::{Full, StreamBody};

    #[test]
    fn a_body_weighs_what_may_be_read_of_it_ahead() {
        let of = |length: usize, version| {
            let mut request = Request::new(Full::new(Bytes::from(vec![0; length])));
            *request.version_mut() = version;
            weight(&request)
        };
        assert_eq!((of(0, Version::HTTP_11), of(9, Version::HTTP_11)), (1, 10));
        assert_eq!(of(3_000_000, Version::HTTP_11), hop::MAX_HEAD as u64 + 1);
        assert_eq!(of(3_000_000, Version::HTTP_2), u64::from(H2_WINDOW) + 1);
        let nobody_knows =
            StreamBody::new(futures_util::stream::empty::<Result<http_body::Frame<Bytes>, ()>>());
        assert_eq!(weight(&Request::new(nobody_knows)), hop::MAX_HEAD as u64 + 1);
    }
}

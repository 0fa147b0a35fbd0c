use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST,
    SET_COOKIE, TRAILER,
};
use http::{HeaderMap, HeaderName};

use super::ALWAYS;
use crate::header;

/// What says how a message is framed, routed, allowed or read: too late after its body (RFC 9110, section 6.5.1).
const NEVER: [HeaderName; 9] = [
    AUTHORIZATION,
    CACHE_CONTROL,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    CONTENT_RANGE,
    CONTENT_TYPE,
    HOST,
    SET_COOKIE,
    TRAILER,
];

/// Takes out of a message's trailers what may only stand in a head, and what only the platform may say.
///
/// ```
/// let mut trailers = http::HeaderMap::new();
/// trailers.insert("x-checksum", http::HeaderValue::from_static("7"));
/// trailers.insert("x-blaxel-source", http::HeaderValue::from_static("platform"));
/// reveille_wire::hop::strip_trailers(&mut trailers);
/// assert_eq!(trailers.keys().collect::<Vec<_>>(), ["x-checksum"]);
/// ```
pub fn strip_trailers(trailers: &mut HeaderMap) {
    let forbidden =
        |name: &HeaderName| header::is_platform_only(name) || ALWAYS.contains(name) || NEVER.contains(name);
    let out: Vec<HeaderName> = trailers.keys().filter(|name| forbidden(name)).cloned().collect();
    for name in out {
        trailers.remove(name);
    }
}

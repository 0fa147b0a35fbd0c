//! What a preview tells browsers about pages of other origins (CORS, <https://fetch.spec.whatwg.org/#http-cors-protocol>).
//!
//! The platform's rules (its page on CORS): a preflight is answered in front of the app and asks for no token, since
//! browsers send none with it; what the app says of CORS stands, then what the preview's `responseHeaders` say, then
//! the platform's own.

use axum::body::Body;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderName, HeaderValue, VARY,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};

/// What is said where nobody says otherwise, in the platform's words.
const DEFAULTS: [(HeaderName, &str); 6] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, PUT, DELETE, OPTIONS, PATCH"),
    (ACCESS_CONTROL_ALLOW_HEADERS, "Content-Type, Authorization, X-Blaxel-Preview-Token"),
    (ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
    (ACCESS_CONTROL_MAX_AGE, "86400"),
    (
        ACCESS_CONTROL_EXPOSE_HEADERS,
        "X-Blaxel-Source, X-Blaxel-Error-Code, X-Blaxel-Dispatch-State, Retry-After",
    ),
];

/// Whether a browser asks what it may send. An `OPTIONS` that names no method is the app's.
pub(super) fn is_preflight<B>(request: &Request<B>) -> bool {
    request.method() == Method::OPTIONS && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// The answer to a preflight, with what the preview lays over answers.
pub(super) fn preflight(laid: impl Iterator<Item = (HeaderName, HeaderValue)>) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    dress(response.headers_mut(), laid);
    complete(response.headers_mut());
    response
}

/// Lays a preview's headers over an answer, where they are not the app's to say.
pub(super) fn dress(headers: &mut HeaderMap, laid: impl Iterator<Item = (HeaderName, HeaderValue)>) {
    for (name, value) in laid {
        if name == VARY {
            // The app's list says what its caches need; the preview's adds to it (RFC 9110, 12.5.5).
            headers.append(name, value);
        } else if name.as_str().starts_with("access-control-") {
            headers.entry(name).or_insert(value);
        } else {
            headers.insert(name, value);
        }
    }
}

/// Adds what nobody has said.
pub(super) fn complete(headers: &mut HeaderMap) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}

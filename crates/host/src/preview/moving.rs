//! Where a browser goes on that opens a page of a preview below the host's own address.
//!
//! A page there asks for `/app.js` of the host, not of the preview. By the preview's own name it finds what it asks for,
//! as it does on the platform, where previews have no other URL. Programs stay: few of them find `*.localhost`.

use std::net::IpAddr;

use axum::body::Body;
use http::header::{CACHE_CONTROL, HOST, LOCATION};
use http::uri::Authority;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};

use super::place::{Named, own_name};

/// What a browser wants something for, said to URLs that it trusts (W3C Fetch Metadata, section 2.1).
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");
/// What shows pages.
const PAGES: [&str; 5] = ["document", "iframe", "frame", "embed", "object"];

/// The answer that sends a browser to the same page by the preview's own name. `None`: it stays.
pub(super) fn by_name<B>(request: &Request<B>, named: &Named) -> Option<Response<Body>> {
    if !named.is_by_path() || !opens_a_page(request) {
        return None;
    }
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let asked = match request.uri().authority() {
        Some(authority) => authority.clone(),
        None => host?.parse::<Authority>().ok()?,
    };
    // Only there does the other name lead to the same place; the port may be one that was forwarded.
    if !is_loopback(asked.host()) {
        return None;
    }
    let name = own_name(&named.id, asked.port_u16());
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    let to = HeaderValue::try_from(format!("//{name}{}{query}", named.below())).ok()?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(LOCATION, to);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Some(response)
}

fn opens_a_page<B>(request: &Request<B>) -> bool {
    let wanted_for = request.headers().get(SEC_FETCH_DEST);
    matches!(*request.method(), Method::GET | Method::HEAD)
        && wanted_for.is_some_and(|it| PAGES.iter().any(|page| it == page))
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.map_or_else(|_| host.eq_ignore_ascii_case("localhost"), |address| address.is_loopback())
}

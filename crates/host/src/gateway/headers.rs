//! What the gateway makes of the headers of a request and of an answer, besides the rules of every proxy.

use http::header::{EXPECT, Entry, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use reveille_wire::header;
use reveille_wire::hop::{self, Framing, UnknownCoding};

use super::visitor::Visitor;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Makes the headers of a client's request those of the request to the agent.
///
/// # Errors
/// When its body has a transfer coding that cannot be handed on.
pub(super) fn to_agent(
    headers: &mut HeaderMap,
    uri: &Uri,
    visitor: &Visitor,
    upgrade: Option<&HeaderValue>,
) -> Result<(), UnknownCoding> {
    let framing = hop::strip(headers)?;
    // The host answers it by reading the body, which it does only for a request that it forwards.
    remove(headers, |name| name == EXPECT || name == header::PREVIEW_TOKEN || name == PROXY_AUTHORIZATION);
    if framing == Framing::Chunked {
        // Said outright: a method that seldom has a body keeps its own, too.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(upgrade) = upgrade {
        hop::write_upgrade(headers, upgrade.clone());
    }
    hop::join_cookies(headers);
    name_host(headers, uri);
    tell_of(visitor, headers);
    Ok(())
}

/// Makes the headers of an agent's answer those of the answer to the client.
///
/// # Errors
/// When its body has a transfer coding that cannot be handed on.
pub(super) fn to_client(headers: &mut HeaderMap) -> Result<(), UnknownCoding> {
    hop::strip(headers)?;
    remove(headers, |name| name == PROXY_AUTHENTICATE || header::is_platform_only(name));
    Ok(())
}

/// Takes out what is `such`. Most headers have nothing of it, and are gone over once.
fn remove(headers: &mut HeaderMap, such: fn(&HeaderName) -> bool) {
    while let Some(name) = headers.keys().find(|name| such(name)).cloned() {
        headers.remove(name);
    }
}

/// HTTP/2 has the host in its authority, and HTTP/1.0 may have none.
fn name_host(headers: &mut HeaderMap, uri: &Uri) {
    if let Some(authority) = uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(HOST, host);
    }
    if !headers.keys().any(|name| name == HOST) {
        headers.insert(HOST, HeaderValue::from_static("sandbox"));
    }
}

fn tell_of(visitor: &Visitor, headers: &mut HeaderMap) {
    headers.reserve(3);
    match headers.entry(FORWARDED_FOR) {
        Entry::Vacant(none) => drop(none.insert(visitor.ip().clone())),
        Entry::Occupied(mut earlier) => {
            let mut path: Vec<&[u8]> = earlier.iter().map(HeaderValue::as_bytes).collect();
            path.push(visitor.ip().as_bytes());
            if let Ok(path) = HeaderValue::from_bytes(&path.join(&b", "[..])) {
                earlier.insert(path);
            }
        }
    }
    if !headers.keys().any(|name| name == FORWARDED_HOST)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::{CONNECTION, UPGRADE};
    use reveille_http1::Interims;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (HeaderName::from_static(name), HeaderValue::from_static(value))
        };
        let mut map = HeaderMap::new();
        for (name, value) in pairs.iter().map(pair) {
            map.append(name, value);
        }
        map
    }

    fn forwarded(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = map(pairs);
        let upgrade = hop::upgrade(&headers);
        let visitor = Visitor::new("10.0.0.9:4".parse().unwrap(), Interims::default());
        to_agent(&mut headers, &Uri::from_static("/x"), &visitor, upgrade.as_ref()).unwrap();
        headers
    }

    #[test]
    fn what_belongs_to_one_connection_stays_there() {
        let sent = forwarded(&[
            ("host", "h"),
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("te", "trailers, gzip"),
            ("expect", "100-continue"),
            ("accept", "*/*"),
        ]);
        let kept = map(&[
            ("host", "h"),
            ("te", "trailers"),
            ("accept", "*/*"),
            ("x-forwarded-for", "10.0.0.9"),
            ("x-forwarded-host", "h"),
            ("x-forwarded-proto", "http"),
        ]);
        assert_eq!(sent, kept);
    }

    #[test]
    fn an_upgrade_goes_through() {
        let sent =
            forwarded(&[("host", "h"), ("connection", "keep-alive, Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(
            (&sent[CONNECTION], &sent[UPGRADE]),
            (&"upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
        assert!(!forwarded(&[("host", "h"), ("upgrade", "h2c")]).contains_key(UPGRADE));
    }

    #[test]
    fn earlier_proxies_stay_known() {
        let sent = forwarded(&[
            ("host", "h"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2, 3.3.3.3"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(sent["x-forwarded-for"], "1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.9");
        assert_eq!(sent["x-forwarded-proto"], "https");
    }

    #[test]
    fn no_proxy_adds_more_than_the_next_one_takes() {
        let added = forwarded(&[]).len();
        assert!(added <= hop::MAX_ADDED, "{added}");
    }

    #[test]
    fn cookies_of_http2_become_one_header() {
        let sent = forwarded(&[("cookie", "a=1"), ("cookie", "b=2")]);
        assert_eq!(sent.get_all("cookie").iter().collect::<Vec<_>>(), ["a=1; b=2"]);
        assert_eq!(sent["host"], "sandbox");
    }

    #[test]
    fn an_app_cannot_speak_for_the_platform() {
        let mut answer = map(&[
            ("x-blaxel-source", "platform"),
            ("x-blaxel-error-code", "WORKLOAD_UNAVAILABLE"),
            ("x-blaxel-dispatch-state", "not_dispatched"),
            ("x-request-id", "7"),
            ("connection", "close"),
        ]);
        to_client(&mut answer).unwrap();
        assert_eq!(answer, map(&[("x-request-id", "7")]));
    }
}

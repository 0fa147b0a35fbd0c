//! Which headers go on, and which belong to one connection or to one side only.

use std::net::SocketAddr;

use http::header::{
    CONNECTION, COOKIE, EXPECT, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use reveille_wire::header;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// What a request wants to switch to, where it wants to.
pub(super) fn upgrade(headers: &HeaderMap) -> Option<HeaderValue> {
    let asks = listed(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"));
    asks.then(|| headers.get(UPGRADE).cloned()).flatten()
}

/// Makes the headers of a client's request those of the request to the agent.
pub(super) fn to_agent(headers: &mut HeaderMap, uri: &Uri, client: SocketAddr) {
    let trailers = listed(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"));
    let upgrade = upgrade(headers);
    remove_hop_by_hop(headers);
    // The host answers it by reading the body, which it does only for a request that it forwards.
    headers.remove(EXPECT);
    headers.remove(header::PREVIEW_TOKEN);
    headers.remove(PROXY_AUTHORIZATION);
    if trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(upgrade) = upgrade {
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(UPGRADE, upgrade);
    }
    join_cookies(headers);
    name_host(headers, uri);
    tell_of_client(headers, client);
}

/// Makes the headers of an agent's answer those of the answer to the client.
pub(super) fn to_client(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(PROXY_AUTHENTICATE);
    let forged: Vec<HeaderName> =
        headers.keys().filter(|name| header::is_platform_only(name)).cloned().collect();
    for name in forged {
        headers.remove(name);
    }
}

/// RFC 9110, section 7.6.1.
fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = listed(headers, &CONNECTION).filter_map(|name| name.parse().ok()).collect();
    // A list that names what must stay with the message is an attempt to get it lost on the way.
    let named = named.into_iter().filter(|name| name != HOST && name != http::header::CONTENT_LENGTH);
    for name in named.collect::<Vec<_>>() {
        headers.remove(name);
    }
    for name in [CONNECTION, PROXY_CONNECTION, KEEP_ALIVE, TE, TRANSFER_ENCODING, UPGRADE] {
        headers.remove(name);
    }
}

fn listed<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// HTTP/2 clients may send one header a cookie; HTTP/1.1 has one for all (RFC 9113, section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// HTTP/2 has the host in its authority, and HTTP/1.0 may have none.
fn name_host(headers: &mut HeaderMap, uri: &Uri) {
    if let Some(authority) = uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        headers.insert(HOST, host);
    }
    if !headers.contains_key(HOST) {
        headers.insert(HOST, HeaderValue::from_static("sandbox"));
    }
}

fn tell_of_client(headers: &mut HeaderMap, client: SocketAddr) {
    let mut path: Vec<String> = listed(headers, &FORWARDED_FOR).map(str::to_owned).collect();
    path.push(client.ip().to_string());
    if let Ok(path) = HeaderValue::from_str(&path.join(", ")) {
        headers.insert(FORWARDED_FOR, path);
    }
    if !headers.contains_key(FORWARDED_HOST)
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(FORWARDED_HOST, host);
    }
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

#[cfg(test)]
mod tests {
    use super::*;

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
        to_agent(&mut headers, &Uri::from_static("/x"), "10.0.0.9:4".parse().unwrap());
        headers
    }

    #[test]
    fn what_belongs_to_one_connection_stays_there() {
        let sent = forwarded(&[
            ("host", "h"),
            ("connection", "close, x-mine"),
            ("x-mine", "1"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "close"),
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
    fn the_body_s_length_cannot_be_talked_away() {
        let sent =
            forwarded(&[("host", "h"), ("connection", "content-length, host"), ("content-length", "3")]);
        assert_eq!((&sent["content-length"], &sent["host"]), (&"3".parse().unwrap(), &"h".parse().unwrap()));
    }

    #[test]
    fn earlier_proxies_stay_known() {
        let sent =
            forwarded(&[("host", "h"), ("x-forwarded-for", "1.1.1.1"), ("x-forwarded-proto", "https")]);
        assert_eq!(sent["x-forwarded-for"], "1.1.1.1, 10.0.0.9");
        assert_eq!(sent["x-forwarded-proto"], "https");
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
        to_client(&mut answer);
        assert_eq!(answer, map(&[("x-request-id", "7")]));
    }
}

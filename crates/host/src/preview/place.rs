//! Where previews are: the URLs that lead to them, and what stands behind.

use http::HeaderMap;
use http::header::HOST;
use http::uri::{PathAndQuery, Uri};

use super::door::{Closed, TOKEN_PARAMETER};
use super::record::{Opened, Record};
use crate::gateway::climbs;

/// Where they are below the host's address.
const PATH: &str = "/preview/";
/// Where they are by a name of their own.
const DOMAIN: &str = ".preview.localhost";

/// A preview that a request names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) id: String,
    /// Which of the two forms its URL has: below this path everything is the preview's.
    pub(super) base: String,
    /// The path below, byte by byte as it was sent.
    rest: String,
}

/// The two URLs of a preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Urls {
    pub(crate) by_path: String,
    pub(crate) by_host: String,
}

impl Urls {
    /// The URLs below the host's own.
    pub(crate) fn of(host: &str, id: &str) -> Self {
        let (_, port) = host.rsplit_once(':').unwrap_or_default();
        let port = port.parse().ok();
        Self { by_path: format!("{host}{PATH}{id}"), by_host: format!("http://{}", own_name(id, port)) }
    }
}

/// The host name of a preview, with the port where there is one.
pub(super) fn own_name(id: &str, port: Option<u16>) -> String {
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    format!("{id}{DOMAIN}{port}")
}

impl Named {
    pub(super) fn by(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        let path = uri.path();
        if let Some(id) = by_host(uri, headers) {
            return Some(Self { id, base: "/".to_owned(), rest: path.to_owned() });
        }
        let below = path.strip_prefix(PATH)?;
        let (id, rest) = below.split_at(below.find('/').unwrap_or(below.len()));
        Some(Self { id: id.to_owned(), base: format!("{PATH}{id}"), rest: rest.to_owned() })
    }

    /// Whether its URL is one below the host's own.
    pub(super) fn is_by_path(&self) -> bool {
        self.base.starts_with(PATH)
    }

    /// The path below it.
    pub(super) fn below(&self) -> &str {
        if self.rest.is_empty() { "/" } else { &self.rest }
    }

    /// Where the request goes in the sandbox behind.
    pub(super) fn behind(&self, record: &Record, workspace: &str, uri: &Uri) -> Result<Uri, Closed> {
        if climbs(&self.rest) {
            return Err(Closed::Climbs);
        }
        let sandbox = &record.sandbox;
        let port = match record.opened() {
            Opened::Api => String::new(),
            Opened::Port(port) => format!("/port/{port}"),
        };
        let rest = self.below();
        let mut target = format!("/{workspace}/sandboxes/{sandbox}{port}{rest}");
        if let Some(query) = uri.query().and_then(without_token) {
            target.push('?');
            target.push_str(&query);
        }
        PathAndQuery::try_from(target).map(Uri::from).map_err(|_| Closed::Malformed)
    }
}

/// The first label of a host name below the previews' domain.
fn by_host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = uri.host().or(named)?;
    if host.len() <= DOMAIN.len() {
        return None;
    }
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    let (id, domain) = host.split_at_checked(host.len().checked_sub(DOMAIN.len())?)?;
    let is_preview = domain.eq_ignore_ascii_case(DOMAIN) && !id.is_empty() && !id.contains('.');
    is_preview.then(|| id.to_ascii_lowercase())
}

/// A query without the token, which is not the app's.
fn without_token(query: &str) -> Option<String> {
    let is_token = |pair: &&str| pair.split('=').next() == Some(TOKEN_PARAMETER);
    let kept: Vec<&str> = query.split('&').filter(|pair| !is_token(pair)).collect();
    (!kept.is_empty()).then(|| kept.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn named(uri: &str, host: &str) -> Option<(String, String)> {
        let request = Request::builder().uri(uri).header(HOST, host).body(()).unwrap();
        Named::by(request.uri(), request.headers()).map(|named| (named.id, named.rest))
    }

    fn pair(id: &str, rest: &str) -> Option<(String, String)> {
        Some((id.to_owned(), rest.to_owned()))
    }

    #[test]
    fn a_preview_is_named_by_path_or_by_host() {
        assert_eq!(named("/preview/a1", "h:1"), pair("a1", ""));
        assert_eq!(named("/preview/a1/x%2Fy/", "h:1"), pair("a1", "/x%2Fy/"));
        assert_eq!(named("/x/y", "a1.preview.localhost:7878"), pair("a1", "/x/y"));
        assert_eq!(named("/", "A1.Preview.LocalHost"), pair("a1", "/"));
        assert_eq!(named("http://a1.preview.localhost:1/x", "h"), pair("a1", "/x"));
        for (uri, host) in
            [("/", "h"), ("/previews/a", "h"), ("/", "preview.localhost"), ("/", "a.b.preview.localhost")]
        {
            assert_eq!(named(uri, host), None, "{uri} {host}");
        }
    }

    #[test]
    fn a_token_is_not_handed_on() {
        assert_eq!(without_token("a=1&bl_preview_token=x&b=%20").as_deref(), Some("a=1&b=%20"));
        assert_eq!(without_token("bl_preview_token=x"), None);
        assert_eq!(without_token("xbl_preview_token=x").as_deref(), Some("xbl_preview_token=x"));
    }
}

//! A key in a URL: the platform takes it there for terminals, which are opened by who can set no headers.

use std::borrow::Cow;

use http::header::AUTHORIZATION;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Uri};
use percent_encoding::percent_decode_str;
use reveille_wire::header;

/// The key's name in a query.
const PARAMETER: &str = "token";

/// Puts the key of a terminal's URL into its header, so that from here on it is in no URL. A request that has
/// credentials in a header stays as it is.
pub(crate) fn moved<B>(request: &mut Request<B>) {
    if !is_terminal(request.uri().path()) || has_credentials(request.headers()) {
        return;
    }
    let Some((uri, key)) = request.uri().query().and_then(|query| taken(request.uri(), query)) else {
        return;
    };
    *request.uri_mut() = uri;
    request.headers_mut().insert(&header::AUTHORIZATION, key);
}

/// Whether a path is that of a sandbox's terminal, the page or its WebSocket: of its own one, not of an app's.
fn is_terminal(path: &str) -> bool {
    if !(path.ends_with("/terminal/ws") || path.ends_with("/terminal")) {
        return false;
    }
    let mut parts = path.split('/').skip(1);
    let (_workspace, kind, _name) = (parts.next(), parts.next(), parts.next());
    kind == Some("sandboxes") && parts.next() == Some("terminal") && matches!(parts.next(), None | Some("ws"))
}

fn has_credentials(headers: &HeaderMap) -> bool {
    headers.contains_key(&header::AUTHORIZATION) || headers.contains_key(AUTHORIZATION)
}

/// A URL without its key, and the key as it stands in a header.
fn taken(uri: &Uri, query: &str) -> Option<(Uri, HeaderValue)> {
    let is_key = |pair: &&str| pair.split('=').next() == Some(PARAMETER);
    let (keys, rest): (Vec<&str>, Vec<&str>) = query.split('&').partition(is_key);
    let (_, key) = keys.first()?.split_once('=')?;
    let key: Cow<'_, str> = percent_decode_str(key).decode_utf8().ok()?;
    let mut value = HeaderValue::try_from(format!("Bearer {key}")).ok()?;
    value.set_sensitive(true);
    let mark = if rest.is_empty() { "" } else { "?" };
    let target = format!("{}{mark}{}", uri.path(), rest.join("&"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Some((Uri::from_parts(parts).ok()?, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOX: &str = "/local/sandboxes/box";

    /// What becomes of a URL, and of the header that the key goes into.
    fn after(uri: &str, has: Option<&str>) -> (String, Option<String>) {
        let mut request = Request::get(uri).body(()).unwrap();
        if let Some(value) = has {
            request.headers_mut().insert(AUTHORIZATION, value.parse().unwrap());
        }
        moved(&mut request);
        let key = request.headers().get(&header::AUTHORIZATION);
        (request.uri().to_string(), key.map(|key| key.to_str().unwrap().to_owned()))
    }

    #[test]
    fn the_key_of_a_terminals_url_moves_into_its_header() {
        let key = Some("Bearer a b".to_owned());
        for (uri, left) in [
            (format!("{BOX}/terminal/ws?token=a%20b"), format!("{BOX}/terminal/ws")),
            (format!("{BOX}/terminal?cols=80&token=a%20b&x"), format!("{BOX}/terminal?cols=80&x")),
            (
                format!("http://h:1{BOX}/terminal/ws?token=a%20b&token=c"),
                format!("http://h:1{BOX}/terminal/ws"),
            ),
        ] {
            assert_eq!(after(&uri, None), (left, key.clone()), "{uri}");
        }
    }

    #[test]
    fn every_other_url_stays_as_it_is() {
        for uri in [
            format!("{BOX}/terminal/ws?tokens=a"),
            format!("{BOX}/terminal/ws?token"),
            format!("{BOX}/terminal/ws?token=%ff"),
            format!("{BOX}/terminal/ws?token=%0d%0aX:y"),
            format!("{BOX}/port/80/terminal/ws?token=a"),
            format!("{BOX}/filesystem/terminal?token=a"),
            "/v0/sandboxes/terminal?token=a".to_owned(),
            "/terminal?token=a".to_owned(),
        ] {
            assert_eq!(after(&uri, None), (uri.clone(), None), "{uri}");
        }
        let uri = format!("{BOX}/terminal/ws?token=a");
        assert_eq!(after(&uri, Some("Bearer x")), (uri.clone(), None));
    }
}

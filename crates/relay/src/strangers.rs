//! Who may use a relay that adds credentials: programs of this machine, and no page in a browser.

use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Uri};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Whether a request may come from a page in a browser, which may be anybody's: browsers say where a request is from
/// (`Origin`, `Sec-Fetch-Site`), and a name that an attacker made lead here is not one of this machine.
pub(crate) fn may_be_a_page(uri: &Uri, headers: &HeaderMap) -> bool {
    if headers.contains_key(ORIGIN) || headers.contains_key(&FETCH_SITE) {
        return true;
    }
    let said = headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(|host| host.parse().ok());
    match uri.authority().cloned().or(said) {
        Some(authority) => !is_of_this_machine(authority.host()),
        None => headers.contains_key(HOST),
    }
}

fn is_of_this_machine(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(uri: &str, pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, http::HeaderValue::from_static(value));
        }
        may_be_a_page(&uri.parse().unwrap(), &headers)
    }

    #[test]
    fn a_program_that_names_this_machine_is_no_page() {
        for host in ["127.0.0.1:7879", "localhost:7879", "[::1]:7879", "LOCALHOST"] {
            assert!(!page("/", &[("host", host)]), "{host}");
        }
        assert!(!page("http://127.0.0.1:7879/x", &[]), "as HTTP/2 says it");
        assert!(!page("/", &[]), "HTTP/1.0 need not name a host");
    }

    #[test]
    fn what_a_browser_says_of_itself_is_believed() {
        let host = ("host", "127.0.0.1:7879");
        assert!(page("/", &[host, ("origin", "https://evil.example")]));
        assert!(page("/", &[host, ("origin", "null")]));
        assert!(page("/", &[host, ("sec-fetch-site", "none")]));
    }

    #[test]
    fn a_name_that_was_made_to_lead_here_is_a_page() {
        assert!(page("/", &[("host", "evil.example:7879")]));
        assert!(page("http://evil.example/x", &[("host", "127.0.0.1")]));
        assert!(page("/", &[("host", "no host at all")]));
    }
}

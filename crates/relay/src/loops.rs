//! A relay in front of itself.

use std::net::SocketAddr;

use http::header::VIA;
use http::{HeaderMap, HeaderValue, Uri, Version};

/// More relays and proxies than anybody has in a row.
const MOST: usize = 32;

/// The name by which one relay knows a request that has been here before, in `Via` (RFC 9110, section 7.6.3).
#[derive(Clone, Debug)]
pub(crate) struct Name {
    name: String,
    /// How it signs what came over HTTP/1.1.
    signature: HeaderValue,
}

/// The request has been here before, or everywhere else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loops;

impl Name {
    pub(crate) fn new() -> Self {
        let name = format!("reveille-relay-{:016x}", fastrand::u64(..));
        Self { signature: signature("1.1", &name), name }
    }

    /// Adds this relay to those that a request has come by.
    ///
    /// # Errors
    /// When it is one of them.
    pub(crate) fn sign(&self, headers: &mut HeaderMap, version: Version) -> Result<(), Loops> {
        // Few names are gone over faster than one is looked up.
        if headers.keys().any(|name| name == VIA) && self.is_among(headers) {
            return Err(Loops);
        }
        let signature = match version {
            Version::HTTP_2 => signature("2.0", &self.name),
            Version::HTTP_10 => signature("1.0", &self.name),
            _ => self.signature.clone(),
        };
        headers.append(VIA, signature);
        Ok(())
    }

    /// Whether a request has come by this relay, or by more than anybody has.
    fn is_among(&self, headers: &HeaderMap) -> bool {
        let values = headers.get_all(VIA).iter().filter_map(|value| value.to_str().ok());
        let stations: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
        let is_here = |station: &&str| station.split_ascii_whitespace().nth(1) == Some(self.name.as_str());
        stations.len() >= MOST || stations.iter().any(is_here)
    }
}

fn signature(version: &str, name: &str) -> HeaderValue {
    // It is made of letters.
    HeaderValue::try_from(format!("{version} {name}"))
        .unwrap_or(HeaderValue::from_static("1.1 reveille-relay"))
}

/// Whether a URL leads to where a server of this machine listens.
pub(crate) fn leads_to(url: &str, listens: SocketAddr) -> bool {
    let Ok(url) = url.parse::<Uri>() else { return false };
    let standard = if url.scheme_str() == Some("https") { 443 } else { 80 };
    if url.port_u16().unwrap_or(standard) != listens.port() {
        return false;
    }
    let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
    let here = |ip: std::net::IpAddr| {
        ip == listens.ip()
            || (ip.is_loopback() && (listens.ip().is_loopback() || listens.ip().is_unspecified()))
    };
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_comes_by_for_the_second_time_is_known() {
        let (here, elsewhere) = (Name::new(), Name::new());
        let mut headers = HeaderMap::new();
        headers.insert(VIA, HeaderValue::from_static("1.0 fred, HTTP/1.1 nowhere.com (a comment)"));
        here.sign(&mut headers, Version::HTTP_11).unwrap();
        elsewhere.sign(&mut headers, Version::HTTP_2).unwrap();
        assert_eq!(headers.get_all(VIA).iter().count(), 3);
        assert_eq!(here.sign(&mut headers, Version::HTTP_11), Err(Loops));
        assert_eq!(elsewhere.sign(&mut headers, Version::HTTP_11), Err(Loops));
    }

    #[test]
    fn a_name_in_somebody_elses_comment_is_none() {
        let here = Name::new();
        let mut headers = HeaderMap::new();
        headers.insert(VIA, HeaderValue::try_from(format!("1.1 other ({})", here.name)).unwrap());
        assert_eq!(here.sign(&mut headers, Version::HTTP_11), Ok(()));
    }

    #[test]
    fn a_way_without_an_end_has_one() {
        let mut headers = HeaderMap::new();
        let passed =
            (0..100).take_while(|_| Name::new().sign(&mut headers, Version::HTTP_11).is_ok()).count();
        assert_eq!(passed, MOST);
    }

    #[test]
    fn a_platform_that_is_the_relay_itself_is_seen_before_anything_passes() {
        let listens = |address: &str| address.parse::<SocketAddr>().unwrap();
        for url in [
            "http://127.0.0.1:7879",
            "http://127.0.0.1:7879/v0",
            "http://localhost:7879",
            "http://[::1]:7879",
        ] {
            assert!(leads_to(url, listens("127.0.0.1:7879")), "{url}");
            assert!(leads_to(url, listens("0.0.0.0:7879")), "{url}");
        }
        assert!(leads_to("http://10.0.0.1:7879", listens("10.0.0.1:7879")));
        assert!(leads_to("http://127.0.0.1/v0", listens("127.0.0.1:80")));
        for url in ["http://127.0.0.1:7878", "https://run.blaxel.ai", "http://10.0.0.1:7879", "no url"] {
            assert!(!leads_to(url, listens("127.0.0.1:7879")), "{url}");
        }
    }
}

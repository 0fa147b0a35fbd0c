//! Whom no forward proxy is for, as `NO_PROXY` names them.

use std::net::IpAddr;

use http::Uri;

/// Whom no forward proxy is for.
///
/// There is no standard of it. A list, by commas or white space, of names with all that is below them (`x.org`, `.x.org`,
/// `*.x.org`), of addresses (`::1`, `[::1]`) and networks (`10.0.0.0/8`), each with a port or for all of them; `*` is
/// everybody. That is what curl, Go and httpx read, each of which reads less.
pub(super) struct Exceptions(Vec<Exception>);

/// One entry.
struct Exception {
    whom: Whom,
    /// On which port, where one is named.
    port: Option<u16>,
}

enum Whom {
    Everybody,
    /// A name in lower case, and what is below it.
    Name(String),
    /// The addresses of which this many bits are those of this one.
    Network(IpAddr, u32),
}

impl Exceptions {
    pub(super) fn of(list: &str) -> Self {
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        Self(entries.filter(|entry| !entry.is_empty()).map(Exception::of).collect())
    }

    /// Whether one of them is meant by a URI, which says its port, or means this one.
    pub(super) fn cover(&self, uri: &Uri, port: u16) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let host = uri.host().unwrap_or_default();
        let address = address(host);
        let name = plain(host);
        self.0.iter().any(|entry| {
            entry.port.is_none_or(|only| only == port)
                && match (&entry.whom, address) {
                    (Whom::Everybody, _) => true,
                    (Whom::Network(network, bits), Some(address)) => is_within(address, *network, *bits),
                    (Whom::Name(whole), None) => is_below(&name, whole),
                    _ => false,
                }
        })
    }
}

impl Exception {
    fn of(entry: &str) -> Self {
        let whole = Whom::of_address(entry);
        // The colons of an address are those of no port.
        let (whom, port) = match (whole, entry.rsplit_once(':')) {
            (Some(whom), _) => return Self { whom, port: None },
            (None, Some((host, port))) => (host, port.parse().ok()),
            (None, None) => (entry, None),
        };
        let whom = if port.is_some() { whom } else { entry };
        let whom = Whom::of_address(whom).unwrap_or_else(|| match whom {
            "*" => Whom::Everybody,
            name => Whom::Name(plain(name.trim_start_matches('*')).trim_start_matches('.').to_owned()),
        });
        Self { whom, port }
    }
}

impl Whom {
    fn of_address(entry: &str) -> Option<Self> {
        if let Some(one) = address(entry) {
            return Some(Self::Network(one, 128));
        }
        let (network, bits) = entry.split_once('/')?;
        Some(Self::Network(address(network)?, bits.parse().ok()?))
    }
}

pub(super) fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || address(host).is_some_and(|address| address.is_loopback())
}

/// An address, in brackets or without them; one of version 4 that is written as one of version 6 is what it stands for.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

/// A name as it is compared: the dot of the root says nothing.
fn plain(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

fn is_below(name: &str, whole: &str) -> bool {
    name.strip_suffix(whole).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

fn is_within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(one), IpAddr::V4(other)) => {
            (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits.min(u32::BITS)
        }
        (IpAddr::V6(one), IpAddr::V6(other)) => {
            (one.to_bits() ^ other.to_bits()).leading_zeros() >= bits.min(u128::BITS)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(list: &str, url: &'static str) -> bool {
        let uri = Uri::from_static(url);
        Exceptions::of(list).cover(&uri, uri.port_u16().unwrap_or(80))
    }

    #[test]
    fn a_star_is_everybody_also_among_others_and_where_an_address_is_asked_for() {
        for list in ["*", " * ", "other.example,*"] {
            for url in ["http://sandbox.example/", "http://10.1.2.3/", "http://[fd00::1]/"] {
                assert!(covers(list, url), "{list} {url}");
            }
        }
        assert!(!covers("", "http://sandbox.example/") && !covers(" , ,", "http://sandbox.example/"));
    }

    #[test]
    fn a_name_is_one_and_all_that_are_below_it_however_it_is_written() {
        for list in [
            "x.example",
            ".x.example",
            "*.x.example",
            "X.Example.",
            "y.example x.example",
            "y.example,\tx.example",
        ] {
            for url in ["http://x.example/", "http://a.x.example/", "http://A.X.EXAMPLE./"] {
                assert!(covers(list, url), "{list} {url}");
            }
            assert!(!covers(list, "http://ax.example/") && !covers(list, "http://example/"), "{list}");
        }
    }

    #[test]
    fn an_address_is_one_in_each_of_its_spellings_and_a_network_is_all_in_it() {
        for (list, url) in [
            ("10.1.2.3", "http://10.1.2.3/"),
            ("10.0.0.0/8", "http://10.1.2.3/"),
            ("0.0.0.0/0", "http://10.1.2.3/"),
            ("10.1.2.3", "http://[::ffff:10.1.2.3]/"),
            ("fd00::1", "http://[fd00:0:0::1]/"),
            ("[fd00::1]", "http://[fd00::1]/"),
            ("fd00::/8", "http://[fd12::1]/"),
        ] {
            assert!(covers(list, url), "{list} {url}");
        }
        for (list, url) in [
            ("10.0.0.0/8", "http://11.1.2.3/"),
            ("10.1.2.3/32", "http://10.1.2.4/"),
            ("fd00::/8", "http://[fe00::1]/"),
            ("0.0.0.0/0", "http://[fd00::1]/"),
            ("2.3", "http://10.1.2.3/"),
            ("0.0.0.0/x", "http://10.1.2.3/"),
        ] {
            assert!(!covers(list, url), "{list} {url}");
        }
    }

    #[test]
    fn a_port_is_the_only_one_where_it_is_named() {
        for (list, here, elsewhere) in [
            ("x.example:81", "http://x.example:81/", "http://x.example:82/"),
            ("x.example:80", "http://x.example/", "http://x.example:81/"),
            ("10.1.2.3:81", "http://10.1.2.3:81/", "http://10.1.2.3/"),
            ("[fd00::1]:81", "http://[fd00::1]:81/", "http://[fd00::1]:82/"),
            ("*:81", "http://any.example:81/", "http://any.example/"),
        ] {
            assert!(covers(list, here) && !covers(list, elsewhere), "{list}");
        }
    }
}

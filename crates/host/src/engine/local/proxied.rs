//! What tells the programs of a sandbox of its proxy, and whom to trust there.

use std::ffi::OsString;

use super::launch::PROXY_PORT;
use super::root::CERTIFICATES;
use crate::egress::authority;
use crate::engine::Network;

/// What is on the sandbox's own loopback: the address of its own name (`/etc/hosts`), and the one that servers print when
/// they listen on all, are there, too. Its name itself is left out: most programs take `dev` for all that ends in `.dev`.
const HERE: &str = "localhost,127.0.0.1,127.0.1.1,0.0.0.0,::1";

/// Variables that name one file with everybody who is trusted, in place of the machine's own.
const TRUSTED: [&str; 9] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "AWS_CA_BUNDLE",
    "CARGO_HTTP_CAINFO",
    "DENO_CERT",
    // Where npm is told of a file by the machine's own `npmrc`, it believes nobody else.
    "npm_config_cafile",
];
/// Variables that name a file with who is trusted beside those that a program knows itself.
const TRUSTED_TOO: [&str; 1] = ["NODE_EXTRA_CA_CERTS"];

/// The variables of a sandbox that reaches this. Some programs read the one spelling, some the other.
///
/// The previews of this host can be met by https from every sandbox with a way out; everywhere else it is only where there
/// is a routing that programs meet certificates of the host's own authority, and need another bundle than their own.
pub(super) fn variables(network: &Network, has_authority: bool) -> Vec<(OsString, OsString)> {
    let policy = match network {
        Network::Machine => return Vec::new(),
        Network::None => None,
        Network::Proxied(policy) => Some(policy),
    };
    let proxy = format!("http://127.0.0.1:{PROXY_PORT}");
    let pairs = [("HTTP_PROXY", proxy.as_str()), ("HTTPS_PROXY", &proxy), ("NO_PROXY", HERE)];
    let mut all: Vec<(OsString, OsString)> = pairs
        .into_iter()
        .flat_map(|(name, value)| {
            [name.to_owned(), name.to_ascii_lowercase()].map(|name| (name.into(), value.into()))
        })
        .collect();
    let Some(policy) = policy.filter(|_| has_authority) else { return all };
    let file = |name: &str| OsString::from(format!("{CERTIFICATES}/{name}"));
    all.extend(TRUSTED_TOO.map(|name| (name.into(), file(authority::OWN))));
    if policy.shows_certificates() {
        all.extend(TRUSTED.map(|name| (name.into(), file(authority::ALL))));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::egress::{Domains, Policy, Routing};

    fn names(network: &Network, has_authority: bool) -> Vec<String> {
        let all = variables(network, has_authority).into_iter();
        all.map(|(name, _)| name.into_string().unwrap()).collect()
    }

    #[test]
    fn programs_are_told_of_the_authority_where_they_can_meet_it() {
        let plain = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"];
        let routed = Network::Proxied(Policy::from(Domains::all()).with_routing(Routing::default()));
        assert_eq!(names(&Network::Machine, true), [""; 0]);
        assert_eq!(names(&Network::None, true), plain);
        assert_eq!(names(&Network::default(), true), [&plain[..], &TRUSTED_TOO].concat());
        assert_eq!(names(&routed, false), plain);
        let told = names(&routed, true);
        assert!(
            plain.iter().chain(&TRUSTED).chain(&TRUSTED_TOO).all(|name| told.iter().any(|it| it == name))
        );
    }
}

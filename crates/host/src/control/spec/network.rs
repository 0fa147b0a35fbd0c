//! What a sandbox's record says of its network.

use reveille_wire::SandboxSpec;
use serde::Deserialize;

use super::routing::Proxy;
use crate::egress::{Domains, Pattern, Policy};
use crate::engine::Network;

/// The rulesets of a firewall that the platform knows.
const RULESETS: [&str; 3] = ["default", "proxy", "dedicated-ip"];

/// The part of `spec.network` that a local host obeys.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    allowed_domains: Option<Vec<String>>,
    forbidden_domains: Option<Vec<String>>,
    egress: Option<Egress>,
    firewall: Option<Firewall>,
    proxy: Option<Proxy>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Egress {
    mode: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Firewall {
    rulesets: Option<Vec<String>>,
}

/// What a record says of its network; none where it says nothing.
///
/// # Errors
/// A sentence, where it cannot be understood.
pub(in super::super) fn network(spec: &SandboxSpec) -> Result<Option<Network>, String> {
    let Some(said) = spec.other.get("network").filter(|said| !said.is_null()) else { return Ok(None) };
    // What does not fit is not shown: it can be a secret.
    let said = Said::deserialize(said).map_err(|_| unclear())?;
    let is_bound = said.is_bound_to_the_proxy()?;
    let routing = said.proxy.as_ref().map(Proxy::routing).transpose()?;
    match said.egress.as_ref().and_then(|egress| egress.mode.as_deref()) {
        Some("none") => return Ok(Some(Network::None)),
        Some("host") if is_bound || routing.is_some() => {
            return Err(
                "network.egress.mode is \"host\", which leads past the proxy: take one of the two out"
                    .to_owned(),
            );
        }
        Some("host") => return Ok(Some(Network::Machine)),
        _ => {}
    }
    let domains = said.domains()?;
    if domains.is_none() && routing.is_none() && !is_bound {
        return Ok(None);
    }
    let policy = Policy::from(domains.unwrap_or_default());
    Ok(Some(Network::Proxied(match routing {
        Some(routing) => policy.with_routing(routing),
        None => policy,
    })))
}

fn unclear() -> String {
    "network cannot be understood: lists of domains, firewall.rulesets and proxy.bypass are lists of texts, \
     proxy.routing is a list of objects with destinations, headers, body and secrets"
        .to_owned()
}

impl Said {
    /// Whether the firewall leaves no way but the proxy.
    fn is_bound_to_the_proxy(&self) -> Result<bool, String> {
        let rulesets: Vec<&String> = self.firewall.iter().flat_map(|it| &it.rulesets).flatten().collect();
        match rulesets.iter().find(|ruleset| !RULESETS.contains(&ruleset.as_str())) {
            Some(other) => Err(format!(
                "network.firewall.rulesets: there is no {other:?}; there are {}",
                RULESETS.join(", ")
            )),
            None => Ok(rulesets.iter().any(|ruleset| *ruleset == "proxy")),
        }
    }

    /// The names that may be reached. What the proxy is told to allow stands in place of the older list; what is
    /// forbidden in either is forbidden.
    fn domains(&self) -> Result<Option<Domains>, String> {
        let proxy = self.proxy.as_ref();
        let of_proxy = proxy.and_then(|proxy| proxy.allowed_domains.as_ref());
        let also_forbidden = proxy.and_then(|proxy| proxy.forbidden_domains.as_ref());
        let forbidden = [self.forbidden_domains.as_ref(), also_forbidden];
        if of_proxy.is_none() && self.allowed_domains.is_none() && forbidden.iter().all(Option::is_none) {
            return Ok(None);
        }
        let read =
            |names: &[String]| names.iter().map(|name| name.parse()).collect::<Result<Vec<Pattern>, _>>();
        let forbidden =
            forbidden.into_iter().flatten().map(|names| read(names)).collect::<Result<Vec<_>, _>>()?;
        let forbidden = forbidden.into_iter().flatten();
        // An older list without names is none. One of the proxy's allows nothing: clients say "deny all" by it.
        let allowed = of_proxy.or(self.allowed_domains.as_ref().filter(|names| !names.is_empty()));
        Ok(Some(match allowed {
            Some(allowed) => Domains::new(read(allowed)?, forbidden),
            None => Domains::all_but(forbidden),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Result<Option<Network>, String> {
        network(&serde_json::from_str(&format!(r#"{{"network":{json}}}"#)).unwrap())
    }

    fn reaches(json: &str, name: &str) -> bool {
        match said(json).unwrap().unwrap() {
            Network::Proxied(policy) => policy.domains().allow(name),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_of_names_is_what_may_be_reached() {
        assert!(reaches(r#"{"allowedDomains":["*.example.com"]}"#, "a.example.com"));
        assert!(!reaches(r#"{"allowedDomains":["*.example.com"]}"#, "other.example"));
        assert!(!reaches(r#"{"forbiddenDomains":["bad.example"]}"#, "bad.example"));
        assert!(reaches(r#"{"forbiddenDomains":["bad.example"],"allowedDomains":[]}"#, "good.example"));
    }

    #[test]
    fn a_mode_says_all_or_nothing() {
        assert_eq!(said(r#"{"egress":{"mode":"none"}}"#), Ok(Some(Network::None)));
        assert_eq!(said(r#"{"egress":{"mode":"host"}}"#), Ok(Some(Network::Machine)));
        assert_eq!(said("{}"), Ok(None));
        assert_eq!(said("null"), Ok(None));
    }

    #[test]
    fn a_name_that_is_none_is_refused() {
        assert!(said(r#"{"allowedDomains":["no name"]}"#).is_err());
        assert!(said(r#"{"allowedDomains":"x"}"#).is_err());
    }

    #[test]
    fn the_proxy_s_own_lists_hold_too() {
        assert!(!reaches(r#"{"proxy":{"allowedDomains":["a.example"]}}"#, "b.example"));
        assert!(!reaches(r#"{"proxy":{"allowedDomains":[],"routing":[]}}"#, "a.example"));
        assert!(!reaches(r#"{"allowedDomains":["a.example"],"proxy":{"allowedDomains":[]}}"#, "a.example"));
        assert!(!reaches(
            r#"{"forbiddenDomains":["a.example"],"proxy":{"forbiddenDomains":["b.example"]}}"#,
            "a.example"
        ));
        assert!(!reaches(
            r#"{"forbiddenDomains":["a.example"],"proxy":{"forbiddenDomains":["b.example"]}}"#,
            "b.example"
        ));
        let both = r#"{"allowedDomains":["a.example","b.example"],"forbiddenDomains":["b.example"],"proxy":{"routing":[]}}"#;
        assert!(reaches(both, "a.example") && !reaches(both, "b.example"));
    }

    #[test]
    fn a_proxy_without_routes_is_one_all_the_same() {
        for json in [
            r#"{"proxy":{}}"#,
            r#"{"proxy":{"routing":[]}}"#,
            r#"{"proxy":{"bypass":["*.a.example","169.254.169.254"]}}"#,
        ] {
            let Ok(Some(Network::Proxied(policy))) = said(json) else { panic!("{json}") };
            assert!(policy.routing().is_some() && policy.domains().allow("a.example"));
        }
        assert_eq!(said(r#"{"proxy":null}"#), Ok(None));
    }

    #[test]
    fn a_firewall_leaves_no_way_past_the_proxy() {
        let proxied = Network::Proxied(Domains::all().into());
        assert_eq!(said(r#"{"firewall":{"rulesets":["proxy"]}}"#), Ok(Some(proxied)));
        assert_eq!(said(r#"{"firewall":{"rulesets":["default","dedicated-ip"]}}"#), Ok(None));
        for past in [
            r#"{"firewall":{"rulesets":["proxy"]},"egress":{"mode":"host"}}"#,
            r#"{"proxy":{"routing":[]},"egress":{"mode":"host"}}"#,
            r#"{"firewall":{"rulesets":["other"]}}"#,
        ] {
            assert!(said(past).is_err(), "{past}");
        }
    }

    #[test]
    fn a_route_that_cannot_be_is_refused_with_its_number_and_without_its_secrets() {
        let routed =
            |route: &str| said(&format!(r#"{{"proxy":{{"routing":[{{"destinations":["*"]}},{route}]}}}}"#));
        for route in [
            r#"{}"#,
            r#"{"destinations":[]}"#,
            r#"{"destinations":["a\u0000b"]}"#,
            r#"{"destinations":["a.example:443"]}"#,
            r#"{"destinations":["a.example"],"headers":{"a b":"x"}}"#,
            r#"{"destinations":["a.example"],"headers":{"host":"x"}}"#,
            r#"{"destinations":["a.example"],"headers":{"x-k":"{{SECRET:k}}"},"secrets":{"k":"sk-1\nx"}}"#,
            r#"{"destinations":["a.example"],"secrets":{"":"sk-1"}}"#,
        ] {
            let refused = routed(route).unwrap_err();
            assert!(refused.contains("routing[1]") && !refused.contains("sk-1"), "{route}: {refused}");
        }
        let refused = routed(r#"{"destinations":["a.example"],"secrets":{"k":["sk-1"]}}"#).unwrap_err();
        assert!(!refused.contains("sk-1"), "{refused}");
        let many = vec![r#"{"destinations":["a.example"]}"#; 1025].join(",");
        assert!(said(&format!(r#"{{"proxy":{{"routing":[{many}]}}}}"#)).is_err());
    }
}

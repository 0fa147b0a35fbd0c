//! What a sandbox's record says of its network.

use reveille_wire::SandboxSpec;
use serde::Deserialize;

use crate::egress::Domains;
use crate::engine::Network;

/// The part of `spec.network` that a local host obeys.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    allowed_domains: Option<Vec<String>>,
    forbidden_domains: Option<Vec<String>>,
    egress: Option<Egress>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Egress {
    mode: Option<String>,
}

/// What a record says of its network; none where it says nothing.
///
/// # Errors
/// A sentence, where it cannot be understood.
pub(in super::super) fn network(spec: &SandboxSpec) -> Result<Option<Network>, String> {
    let Some(said) = spec.other.get("network").filter(|said| !said.is_null()) else { return Ok(None) };
    let said: Said = serde_json::from_value(said.clone())
        .map_err(|error| format!("network cannot be understood: {error}"))?;
    match said.egress.and_then(|egress| egress.mode).as_deref() {
        Some("none") => return Ok(Some(Network::None)),
        Some("host") => return Ok(Some(Network::Machine)),
        _ => {}
    }
    if said.allowed_domains.is_none() && said.forbidden_domains.is_none() {
        return Ok(None);
    }
    let read = |list: Option<Vec<String>>| {
        list.map(|names| names.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()).transpose()
    };
    let allowed = read(said.allowed_domains)?.filter(|names| !names.is_empty());
    let forbidden = read(said.forbidden_domains)?.unwrap_or_default();
    Ok(Some(Network::Proxied(match allowed {
        Some(allowed) => Domains::new(allowed, forbidden),
        None => Domains::all_but(forbidden),
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(json: &str) -> Result<Option<Network>, String> {
        network(&serde_json::from_str(&format!(r#"{{"network":{json}}}"#)).unwrap())
    }

    fn reaches(json: &str, name: &str) -> bool {
        match said(json).unwrap().unwrap() {
            Network::Proxied(domains) => domains.allow(name),
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
}

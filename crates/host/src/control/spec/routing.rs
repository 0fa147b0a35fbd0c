//! What a record says of its proxy: routes that add headers, fields of bodies and secrets.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::egress::{Domain, Route, Routing};

/// How many routes a sandbox has at the most.
const MAX_ROUTES: usize = 1024;

/// `spec.network.proxy`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Proxy {
    pub(super) allowed_domains: Option<Vec<String>>,
    pub(super) forbidden_domains: Option<Vec<String>>,
    bypass: Option<Vec<String>>,
    routing: Option<Vec<Said>>,
}

/// One route.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Said {
    destinations: Option<Vec<String>>,
    headers: Option<BTreeMap<String, String>>,
    body: Option<Map<String, Value>>,
    secrets: Option<BTreeMap<String, String>>,
}

impl Proxy {
    /// # Errors
    /// A sentence, where it cannot be understood, which names no secret's value.
    pub(super) fn routing(&self) -> Result<Routing, String> {
        let said = self.routing.as_deref().unwrap_or_default();
        if said.len() > MAX_ROUTES {
            return Err(format!("network.proxy.routing holds {}: at most {MAX_ROUTES}", said.len()));
        }
        let routes = said.iter().enumerate().map(|(number, said)| {
            said.route().map_err(|error| format!("network.proxy.routing[{number}]: {error}"))
        });
        let routes: Vec<Route> = routes.collect::<Result<_, _>>()?;
        let bypass = self.bypass.iter().flatten().map(|name| name.parse::<Domain>());
        let bypass = bypass.collect::<Result<Vec<_>, _>>();
        let bypass = bypass.map_err(|error| format!("network.proxy.bypass: {error}"))?;
        Ok(Routing::new(routes).with_bypass(bypass))
    }
}

impl Said {
    fn route(&self) -> Result<Route, String> {
        let destinations = self.destinations.as_deref().unwrap_or_default();
        if destinations.is_empty() {
            return Err("it has no destinations: name hosts, or \"*\" for all".to_owned());
        }
        let destinations = destinations.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?;
        let mut route = Route::to(destinations);
        for (name, value) in self.secrets.iter().flatten() {
            route = route.with_secret(name, value)?;
        }
        for (name, value) in self.headers.iter().flatten() {
            route = route.with_header(name, value)?;
        }
        let fields = self.body.iter().flatten();
        Ok(fields.fold(route, |route, (name, value)| route.with_field(name, value)))
    }
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Said").field("destinations", &self.destinations).finish_non_exhaustive()
    }
}

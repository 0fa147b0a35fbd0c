//! Values that are kept and not shown: of secret variables, and of the secrets of routes.

use axum::Json;
use axum::response::{IntoResponse, Response};
use reveille_wire::{EnvVar, Sandbox, SandboxSpec};
use serde_json::{Map, Value};

/// What is shown in a secret's place.
pub(in crate::control) const MASK: &str = "********";

/// The secrets of a route, which are written and never read.
const SECRETS: &str = "secrets";

/// A record without the values that are not for who reads it.
#[derive(Debug, serde::Serialize)]
#[serde(transparent)]
pub(in crate::control) struct Hidden(Sandbox);

impl IntoResponse for Hidden {
    fn into_response(self) -> Response {
        Json(self.0).into_response()
    }
}

/// Hides the values of a record's secrets.
pub(in crate::control) fn hidden(mut record: Sandbox) -> Hidden {
    for env in secrets(&mut record) {
        MASK.clone_into(&mut env.value);
    }
    hidden_but_for_variables(record)
}

/// Hides the values that nobody gets to see, whoever asks.
pub(super) fn hidden_but_for_variables(mut record: Sandbox) -> Hidden {
    for route in routes(&mut record.spec) {
        route.remove(SECRETS);
    }
    Hidden(record)
}

/// Puts the values back that a client has only seen hidden.
pub(super) fn restore(record: &mut Sandbox, before: &Sandbox) {
    let known = before.spec.runtime.iter().flat_map(|runtime| &runtime.envs);
    let known: Vec<&EnvVar> = known.filter(|env| env.secret == Some(true)).collect();
    for env in secrets(record).filter(|env| env.value == MASK) {
        if let Some(known) = known.iter().find(|known| known.name == env.name) {
            known.value.clone_into(&mut env.value);
        }
    }
    restore_routes(record, before);
}

/// A client that writes back what it has read has seen no secrets of routes. They go where they went before, and
/// nowhere else: to the routes with the same destinations.
fn restore_routes(record: &mut Sandbox, before: &Sandbox) {
    let mut before = before.clone();
    let mut known: Vec<&mut Map<String, Value>> = routes(&mut before.spec).collect();
    for route in routes(&mut record.spec) {
        let same = known.iter().position(|known| known.get("destinations") == route.get("destinations"));
        let Some(known) = same.map(|at| known.remove(at)) else { continue };
        if route.get(SECRETS).is_none_or(Value::is_null)
            && let Some(secrets) = known.remove(SECRETS)
        {
            route.insert(SECRETS.to_owned(), secrets);
        }
    }
}

/// The routes that a record says, where it says any.
fn routes(spec: &mut SandboxSpec) -> impl Iterator<Item = &mut Map<String, Value>> {
    let proxy = spec.other.get_mut("network").and_then(|network| network.get_mut("proxy"));
    let routing = proxy.and_then(|proxy| proxy.get_mut("routing")?.as_array_mut());
    routing.into_iter().flatten().filter_map(Value::as_object_mut)
}

fn secrets(record: &mut Sandbox) -> impl Iterator<Item = &mut EnvVar> {
    let envs = record.spec.runtime.iter_mut().flat_map(|runtime| &mut runtime.envs);
    envs.filter(|env| env.secret == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn sandbox(routing: &Value) -> Sandbox {
        let sandbox =
            json!({"metadata": {"name": "box"}, "spec": {"network": {"proxy": {"routing": routing}}}});
        serde_json::from_value(sandbox).unwrap()
    }

    fn of(sandbox: &Sandbox) -> &Value {
        &sandbox.spec.other["network"]["proxy"]["routing"]
    }

    #[test]
    fn secrets_of_routes_are_not_shown() {
        let kept = sandbox(
            &json!([{"destinations": ["a"], "headers": {"x": "{{SECRET:k}}"}, "secrets": {"k": "v"}}]),
        );
        let shown = serde_json::to_value(hidden(kept)).unwrap();
        let routing = &shown["spec"]["network"]["proxy"]["routing"];
        assert_eq!(routing, &json!([{"destinations": ["a"], "headers": {"x": "{{SECRET:k}}"}}]));
    }

    #[test]
    fn what_was_not_shown_is_kept_where_it_leads_to_the_same_places_only() {
        let before = sandbox(&json!([
            {"destinations": ["a"], "secrets": {"k": "1"}},
            {"destinations": ["a"], "secrets": {"k": "2"}},
            {"destinations": ["b"], "secrets": {"k": "3"}},
            {"destinations": ["c"], "secrets": {"k": "4"}},
        ]));
        let mut next = sandbox(&json!([
            {"destinations": ["elsewhere"]},
            {"destinations": ["c"], "secrets": {}},
            {"destinations": ["a"]},
            {"destinations": ["a"], "secrets": null},
            {"destinations": ["a"]},
            {"destinations": ["b"], "secrets": {"j": "new"}},
        ]));
        restore(&mut next, &before);
        assert_eq!(
            of(&next),
            &json!([
                {"destinations": ["elsewhere"]},
                {"destinations": ["c"], "secrets": {}},
                {"destinations": ["a"], "secrets": {"k": "1"}},
                {"destinations": ["a"], "secrets": {"k": "2"}},
                {"destinations": ["a"]},
                {"destinations": ["b"], "secrets": {"j": "new"}},
            ])
        );
    }

    #[test]
    fn a_record_of_another_form_is_left_as_it_is() {
        for routing in [json!(null), json!("x"), json!([1, null, []]), json!({})] {
            let (mut record, before) = (sandbox(&routing), sandbox(&json!([{"destinations": ["a"]}])));
            restore(&mut record, &before);
            assert_eq!(of(&record), &routing);
            hidden(record);
        }
    }
}

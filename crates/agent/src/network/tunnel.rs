//! Tunnels: their configuration is checked, and none is made.

use std::net::IpAddr;

use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::json::JsonBody;

/// The body of `PUT /network/tunnel/config`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Request {
    config: String,
}

/// `PUT /network/tunnel/config`.
pub(crate) async fn configure(JsonBody(request): JsonBody<Request>) -> Failure {
    if request.config.is_empty() {
        return Failure::bad("config is missing");
    }
    match check(&request.config) {
        Err(sentence) => Failure::unworkable(format!("invalid tunnel config: {sentence}")),
        Ok(()) => Failure::not_built("the configuration is fine, and this sandbox has no tunnels"),
    }
}

/// `DELETE /network/tunnel`.
pub(crate) async fn remove() -> Response {
    Failure::bad("there is no tunnel: no WireGuard client is running").into_response()
}

/// Checks a configuration: JSON in base64, with the fields of a WireGuard interface and its one peer.
fn check(config: &str) -> Result<(), String> {
    let json = STANDARD.decode(config.trim()).map_err(|_| "config is not base64".to_owned())?;
    let fields: Value =
        serde_json::from_slice(&json).map_err(|error| format!("config holds no JSON: {error}"))?;
    if !fields.is_object() {
        return Err("config holds no JSON object".to_owned());
    }
    let text = |name: &str| match &fields[name] {
        Value::String(text) if !text.is_empty() => Ok(text.as_str()),
        Value::Null | Value::String(_) => Err(format!("{name} is missing")),
        _ => Err(format!("{name} is no text")),
    };
    if !is_network(text("local_ip")?) {
        return Err("local_ip is no address with the length of its network".to_owned());
    }
    if !is_endpoint(text("peer_endpoint")?) {
        return Err("peer_endpoint is no host with a port".to_owned());
    }
    for name in ["peer_public_key", "private_key"] {
        if STANDARD.decode(text(name)?).map(|key| key.len()) != Ok(32) {
            return Err(format!("{name} is not base64 of 32 bytes"));
        }
    }
    numbers(&fields)?;
    match &fields["allowed_ips"] {
        Value::Null => {}
        Value::Array(networks) if networks.iter().all(|network| network.as_str().is_some_and(is_network)) => {
        }
        _ => return Err("allowed_ips is no list of networks".to_owned()),
    }
    for (name, fits) in [
        ("interface_name", fields["interface_name"].is_string()),
        ("route_all", fields["route_all"].is_boolean()),
    ] {
        if !fits && !fields[name].is_null() {
            return Err(format!("{name} is of another type"));
        }
    }
    Ok(())
}

fn numbers(fields: &Value) -> Result<(), String> {
    for (name, least, most) in
        [("mtu", 68, 65_535), ("listen_port", 0, 65_535), ("persistent_keepalive", 0, 65_535)]
    {
        let fits = match &fields[name] {
            Value::Null => true,
            // Zero is the same as nothing.
            value => value.as_u64().is_some_and(|number| number == 0 || (least..=most).contains(&number)),
        };
        if !fits {
            return Err(format!("{name} is no number from {least} to {most}"));
        }
    }
    Ok(())
}

fn is_network(text: &str) -> bool {
    let Some((ip, length)) = text.split_once('/') else { return false };
    let most = match ip.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}

fn is_endpoint(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    let host_fits = !host.is_empty() && (bracketed || !host.contains(':'));
    host_fits && port.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn with(changes: &Value) -> Result<(), String> {
        let key = STANDARD.encode([7; 32]);
        let mut fields = json!({
            "local_ip": "10.0.0.2/24", "peer_endpoint": "[::1]:51820", "peer_public_key": key, "private_key": key,
            "unknown": true,
        });
        for (name, value) in changes.as_object().unwrap() {
            fields[name] = value.clone();
        }
        check(&STANDARD.encode(fields.to_string()))
    }

    #[test]
    fn a_configuration_is_checked_field_by_field() {
        assert_eq!(with(&json!({})), Ok(()));
        assert_eq!(with(&json!({"mtu": 1420, "allowed_ips": ["::/0"], "listen_port": 0})), Ok(()));
        for bad in [
            json!({"local_ip": "10.0.0.2"}),
            json!({"local_ip": "10.0.0.2/33"}),
            json!({"peer_endpoint": "host"}),
            json!({"peer_endpoint": "::1:51820"}),
            json!({"peer_endpoint": "host:0"}),
            json!({"private_key": "AAAA"}),
            json!({"peer_public_key": null}),
            json!({"mtu": 67}),
            json!({"mtu": -1}),
            json!({"allowed_ips": "0.0.0.0/0"}),
            json!({"allowed_ips": ["x"]}),
            json!({"route_all": "yes"}),
        ] {
            assert!(with(&bad).is_err(), "{bad}");
        }
    }
}

//! Through the gateway a sandbox answers as the platform's own server was seen to answer.

#[path = "../../../agent/tests/conformance/replay/mod.rs"]
mod replay;

use crate::place::{Host, Place};

#[test]
fn recorded_exchanges_are_answered_through_the_gateway_as_recorded() {
    let place = Place::new();
    let host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    let workspace = host.about["workspace"].as_str().unwrap();
    let key = format!("Bearer {}", host.about["key"].as_str().unwrap());
    let base = format!("{}/{workspace}/sandboxes/box", host.url());
    let server = replay::Server::new(&base, &[("X-Blaxel-Authorization", &key)]);
    let problems = replay::problems(&server, &|_, _| ());
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
}

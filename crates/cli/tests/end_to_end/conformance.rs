//! Through the gateway a sandbox answers as the platform's own server was seen to answer.

#[path = "../../../agent/tests/conformance/replay/mod.rs"]
mod replay;

use libtest_mimic::{Failed, Trial};

use crate::stand::Stand;

pub(crate) fn trial() -> Trial {
    Trial::test("recorded exchanges are answered through the gateway as recorded", replayed)
}

fn replayed() -> Result<(), Failed> {
    let stand = Stand::start(&[]);
    stand.done(&["create", "box"]);
    let text =
        |key: &str| stand.said[key].as_str().unwrap_or_else(|| panic!("{key}: {}", stand.said)).to_owned();
    let base = format!("{}/{}/sandboxes/box", text("url"), text("workspace"));
    let key = format!("Bearer {}", text("key"));
    let server = replay::Server::new(&base, &[("X-Blaxel-Authorization", &key)]);
    let problems = replay::problems(&server);
    assert!(problems.is_empty(), "{} problems\n{}", problems.len(), problems.join("\n"));
    Ok(())
}

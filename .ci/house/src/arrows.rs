use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, Metadata, Package};

/// From each room to the rooms that it may use. What stands in no row may use none.
const ARROWS: [(&str, &[&str]); 12] = [
    (
        "reveille-cli",
        &[
            "reveille",
            "reveille-host",
            "reveille-agent",
            "reveille-faults",
            "reveille-grade",
            "reveille-relay",
            "reveille-wire",
        ],
    ),
    ("reveille-grade", &["reveille-faults"]),
    ("reveille-relay", &["reveille", "reveille-http1", "reveille-http2", "reveille-wire"]),
    ("reveille-python", &["reveille"]),
    ("reveille", &["reveille-http2", "reveille-retry", "reveille-wire"]),
    ("reveille-host", &["reveille-http1", "reveille-http2", "reveille-wire"]),
    ("reveille-agent", &["reveille-http1", "reveille-wire"]),
    ("reveille-http2", &["reveille-http1"]),
    ("reveille-http1", &[]),
    ("reveille-retry", &[]),
    ("reveille-wire", &[]),
    ("reveille-faults", &[]),
];

/// Dependencies from one room to another that the house does not have. Tests may use any room.
#[must_use]
pub fn forbidden_arrows(workspace: &Metadata) -> Vec<String> {
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let members = workspace.workspace_packages();
    let is_room = |name: &str| members.iter().any(|member| member.name.as_str() == name);
    let arrows = members.iter().flat_map(|room| uses(room).map(move |used| (room.name.as_str(), used)));
    arrows
        .filter(|(room, used)| is_room(used) && !allowed.get(room).is_some_and(|may| may.contains(used)))
        .map(|(room, used)| format!("{room} -> {used}"))
        .collect()
}

fn uses(room: &Package) -> impl Iterator<Item = &str> {
    let used = room.dependencies.iter().filter(|it| it.kind != DependencyKind::Development);
    used.map(|it| it.name.as_str())
}

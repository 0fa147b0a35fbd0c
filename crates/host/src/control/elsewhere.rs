//! What the platform's control plane has and this one has not.

use axum::http::{StatusCode, Uri};

use super::answer::Failure;

/// What is the platform's own, by the word that names it in a path: `/v0/WORD` and below. They are those of its
/// generated client, with the way to a token.
const RESOURCES: [&str; 26] = [
    "agents",
    "applications",
    "changelog",
    "configuration",
    "customdomains",
    "egressgateways",
    "egressips",
    "functions",
    "integrations",
    "jobs",
    "locations",
    "mcp",
    "models",
    "oauth",
    "pending-image-shares",
    "policies",
    "profile",
    "publicIps",
    "sandbox",
    "schedules",
    "service_accounts",
    "templates",
    "users",
    "volume_templates",
    "vpcs",
    "workspaces",
];

/// The same below `/v0/sandboxes/{name}`.
const OF_A_SANDBOX: [&str; 2] = ["archive", "unarchive"];

/// Says of what is not served whether the platform has it: a client that took a 404 would look for its sandbox.
pub(super) async fn not_served(uri: Uri) -> Failure {
    match platforms_own(uri.path()) {
        Some(word) => {
            let message = format!("{word}: the platform has this, the local host has not");
            Failure::new(StatusCode::NOT_IMPLEMENTED, "NOT_IMPLEMENTED", message)
        }
        None => Failure::new(StatusCode::NOT_FOUND, "NOT_FOUND", "the control plane has nothing there"),
    }
}

fn platforms_own(path: &str) -> Option<&str> {
    let mut words = path.strip_prefix("/v0/")?.split('/');
    match words.next()? {
        "sandboxes" => words.nth(1).filter(|word| OF_A_SANDBOX.contains(word)),
        word => Some(word).filter(|word| RESOURCES.contains(word)),
    }
}

//! What the platform of the scenarios answers while nothing is wrong.

use reveille_faults::{Answer, Body, Step};
use serde_json::{Value, json};

/// The path of the sandbox.
pub(crate) const SANDBOX: &str = "/acme/sandboxes/box";
/// The control plane's prefix.
pub(crate) const CONTROL: &str = "/v0";

/// The record of the sandbox, as the control plane has it.
pub(crate) fn record() -> Answer {
    json_answer(&json!({
        "metadata": {
            "name": "box", "displayName": "box", "workspace": "acme", "createdAt": "2026-11-27T00:00:00Z",
            "updatedAt": "2026-11-27T00:00:00Z", "labels": {},
        },
        "spec": {"enabled": true, "region": "us-pdx-1", "runtime": {"image": "blaxel/base-image:latest", "memory": 4096}},
        "status": "DEPLOYED", "state": "RUNNING", "events": [],
    }))
}

/// One answer that is good for each of the operations: whoever asks finds what it asks for.
pub(crate) fn good() -> Answer {
    json_answer(&json!({
        "mounts": [{"driveName": "data", "mountPath": "/mnt/data", "drivePath": "/", "readOnly": false}],
        "pid": "4711", "name": "proc-grade", "command": "true", "status": "completed",
        "startedAt": "Fri, 27 Nov 2026 00:00:00 GMT", "completedAt": "Fri, 27 Nov 2026 00:00:01 GMT",
        "exitCode": 0, "workingDir": "/", "logs": "", "stdout": "", "stderr": "", "restartOnFailure": false,
        "maxRestarts": 0, "restartCount": 0, "keepAlive": false,
        "version": "0.1.0", "gitCommit": "unknown", "buildTime": "unknown", "goVersion": "none", "os": "linux",
        "arch": "amd64", "uptime": "1s", "uptimeSeconds": 1.0, "upgradeCount": 0,
        "startedAtTime": "2026-11-27T00:00:00Z", "lastUpgrade": {},
    }))
}

/// A refusal of the window as gateways make them: a page that is no JSON.
pub(crate) fn refusal(status: u16) -> Answer {
    Step::status(status).header("content-type", "text/html").body("<html><body>not now</body></html>")
}

/// The platform's own refusal.
pub(crate) fn unavailable() -> Answer {
    platform(&json!({"error": {
        "code": "WORKLOAD_UNAVAILABLE", "status": 404, "message": "it is resuming", "origin": "platform",
        "retryable": true,
    }}))
}

/// The same with the proof that nobody has acted on the request.
pub(crate) fn not_dispatched() -> Answer {
    let body = json!({"error": {
        "code": "WORKLOAD_UNAVAILABLE", "status": 404, "message": "it is resuming", "origin": "platform",
        "retryable": true, "dispatch_state": "not_dispatched", "safe_to_retry_request": true,
    }});
    platform(&body).header("x-blaxel-dispatch-state", "not_dispatched")
}

fn platform(body: &Value) -> Answer {
    let answer =
        Step::status(404).header("content-type", "application/json").header("x-blaxel-source", "platform");
    answer.header("x-blaxel-error-code", "WORKLOAD_UNAVAILABLE").body(Body::from(body.to_string()))
}

fn json_answer(body: &Value) -> Answer {
    Step::ok(Body::from(body.to_string())).header("content-type", "application/json")
}

//! Requests that are put besides the recorded ones, so that every described answer is seen that can be provoked.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::replay::{Server, Watcher};

/// Puts them to `server`, which has no drives; the directory `root` is theirs.
pub(crate) fn put(server: &Server, root: &str, watcher: &Watcher<'_>) {
    let tree = json!({"files": {"a/b": "c"}});
    let process = json!({"command": "echo out", "name": "provoked", "waitForCompletion": true});
    std::os::unix::fs::symlink("loop", format!("{root}/loop")).expect("a link");
    let steps = [
        ("GET /process", None),
        ("POST /process", Some(process)),
        ("GET /process", None),
        ("GET /process/provoked/logs/stream", None),
        ("GET /process/nobody/logs/stream", None),
        ("PUT /filesystem/tree/ROOT/t", Some(tree.clone())),
        ("PUT /filesystem/tree//proc/t", Some(tree)),
        ("PUT /filesystem//proc/version", Some(json!({"content": "x"}))),
        ("GET /filesystem/ROOT/loop", None),
        ("GET /filesystem-search/ROOT?query=b", None),
        ("GET /filesystem-search/ROOT?query=b&maxResults=x", None),
        ("DELETE /filesystem/tree//proc/1?recursive=true", None),
        ("DELETE /filesystem//proc/version", None),
        ("POST /filesystem-multipart/initiate/ROOT/big", Some(json!("no object"))),
        ("DELETE /network/tunnel", None),
        ("GET /drives/mount", None),
        ("POST /drives/mount", Some(json!({"driveName": "d", "mountPath": format!("{root}/d")}))),
        ("DELETE /drives/mount/nothing", None),
        ("GET /watch/filesystem//nowhere", None),
        ("POST /upgrade", Some(json!({"version": "none"}))),
    ];
    for (line, json) in steps {
        let mut step = BTreeMap::from([("do", json!(line.replace("ROOT", root)))]);
        step.extend(json.map(|json| ("json", json)));
        show(server, &json!(step), watcher);
    }
}

/// Puts those of drives to `server`, which has some; the directory `root` is theirs.
pub(crate) fn put_drives(server: &Server, root: &str, watcher: &Watcher<'_>) {
    let place = format!("{root}/place");
    let mount =
        |name: &str| json!({"do": "POST /drives/mount", "json": {"driveName": name, "mountPath": place}});
    let unmount: Value = json!({"do": format!("DELETE /drives/mount{place}")});
    for step in [mount("one"), json!({"do": "GET /drives/mount"}), mount("other"), unmount] {
        show(server, &step, watcher);
    }
}

/// Puts one request, and shows `watcher` its answer.
fn show(server: &Server, step: &Value, watcher: &Watcher<'_>) {
    watcher(step, &server.put(step).expect("an answer"));
}

const MACHINE: &str = "only a fault of the machine brings it about";
const CHECKED: &str = "what is wrong with such a request is found as its kind, and answered with 400 or 404";
const OUTSIDE: &str = "there is no model outside to ask: 400 says so";
const NO_TUNNEL: &str = "there is no tunnel: 400, 422 and 501 say so";
const NO_GUEST: &str = "a sandbox without a guest has no environment to reload: 404 says so";
const STREAM: &str = "it has no end of its own; the recorded cases hold its lines";
const UPGRADE: &str = "an upgrade that fails shows in the health, as the vendor's server was recorded to do";

/// Described answers that no request above provokes, each with the reason.
pub(crate) const UNPROVOKED: &[(&str, &str)] = &[
    ("DELETE /filesystem-multipart/{uploadId}/abort 400", CHECKED),
    ("DELETE /filesystem-multipart/{uploadId}/abort 500", MACHINE),
    ("DELETE /filesystem/tree/{path} 400", CHECKED),
    ("DELETE /filesystem/tree/{path} 500", MACHINE),
    ("DELETE /filesystem/{path} 500", MACHINE),
    ("DELETE /network/process/{pid}/monitor 422", CHECKED),
    ("DELETE /network/process/{pid}/monitor 500", MACHINE),
    ("DELETE /network/tunnel 200", NO_TUNNEL),
    ("DELETE /network/tunnel 500", NO_TUNNEL),
    ("DELETE /process/{identifier} 422", CHECKED),
    ("DELETE /process/{identifier} 500", MACHINE),
    ("DELETE /process/{identifier}/kill 422", CHECKED),
    ("DELETE /process/{identifier}/kill 500", MACHINE),
    ("GET /codegen/reranking/{path} 200", OUTSIDE),
    ("GET /codegen/reranking/{path} 422", OUTSIDE),
    ("GET /codegen/reranking/{path} 503", OUTSIDE),
    ("GET /drives/mount 500", MACHINE),
    ("GET /filesystem-content-search/{path} 422", CHECKED),
    ("GET /filesystem-content-search/{path} 500", MACHINE),
    ("GET /filesystem-find/{path} 422", CHECKED),
    ("GET /filesystem-find/{path} 500", MACHINE),
    ("GET /filesystem-multipart 500", MACHINE),
    ("GET /filesystem-multipart/{uploadId}/parts 400", CHECKED),
    ("GET /filesystem-multipart/{uploadId}/parts 500", MACHINE),
    ("GET /filesystem-search/{path} 422", CHECKED),
    ("GET /filesystem-search/{path} 500", MACHINE),
    ("GET /filesystem/tree/{path} 422", CHECKED),
    ("GET /filesystem/tree/{path} 500", MACHINE),
    ("GET /filesystem/{path} 500", MACHINE),
    ("GET /network/process/{pid}/ports 422", CHECKED),
    ("GET /network/process/{pid}/ports 500", MACHINE),
    ("GET /process/{identifier}/logs 422", CHECKED),
    ("GET /process/{identifier}/logs 500", MACHINE),
    ("GET /process/{identifier}/logs/stream 422", CHECKED),
    ("GET /process/{identifier}/logs/stream 500", MACHINE),
    ("GET /watch/filesystem/{path} 200", STREAM),
    ("GET /watch/filesystem/{path} 500", MACHINE),
    ("POST /environment/reload 200", NO_GUEST),
    ("POST /environment/reload 500", NO_GUEST),
    ("POST /filesystem-multipart/initiate/{path} 500", MACHINE),
    ("POST /network/process/{pid}/monitor 422", CHECKED),
    ("POST /network/process/{pid}/monitor 500", MACHINE),
    ("POST /process 500", MACHINE),
    ("POST /upgrade 500", UPGRADE),
    ("PUT /codegen/fastapply/{path} 200", OUTSIDE),
    ("PUT /codegen/fastapply/{path} 422", OUTSIDE),
    ("PUT /codegen/fastapply/{path} 503", OUTSIDE),
    ("PUT /filesystem-multipart/{uploadId}/part 500", MACHINE),
    ("PUT /filesystem/tree/{path} 500", MACHINE),
    ("PUT /filesystem/{path} 500", MACHINE),
    ("PUT /network/tunnel/config 200", NO_TUNNEL),
    ("PUT /network/tunnel/config 500", NO_TUNNEL),
];

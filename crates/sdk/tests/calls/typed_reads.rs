//! No typed read takes a body that is cut, or none, for an empty result.

use std::fmt::Debug;

use reveille::{Client, Error, ErrorKind};
use reveille_faults::{End, FaultServer, Framing, Script, Step};

use crate::harness::client;

/// A read, the shortest answer that has something in it, and how the read is made.
type Read = (&'static str, &'static str, fn(&Client) -> Result<String, Error>);

fn shown<T: Debug>(read: Result<T, Error>) -> Result<String, Error> {
    read.map(|value| format!("{value:?}"))
}

const DIRECTORY: &str = r#"{"path":"/a","name":"a","files":[{"path":"/a/f","name":"f","permissions":"644","size":1,"lastModified":"","owner":"","group":""}],"subdirectories":[]}"#;
const TREE: &str = r#"{"path":"/a","name":"a","recursive":true,"files":[{"path":"/a/f","name":"f","permissions":"644","size":1,"lastModified":"","owner":"","group":""}],"subdirectories":[]}"#;

/// Every typed read that there is, but for those of files' contents, which are no JSON.
const READS: [Read; 26] = [
    ("health", r#"{"status":"ok"}"#, |c| shown(c.sandbox("b").system().health().wait())),
    ("mounts", r#"{"mounts":[{"driveName":"a","mountPath":"/a"}]}"#, |c| {
        shown(c.sandbox("b").drives().list().wait())
    }),
    ("sockets", r#"{"pid":7,"ports":[{"pid":7}]}"#, |c| shown(c.sandbox("b").ports().of(7).wait())),
    ("processes", r#"[{"pid":"7"}]"#, |c| shown(c.sandbox("b").processes().list().wait())),
    ("process", r#"{"pid":"7"}"#, |c| shown(c.sandbox("b").processes().get("7").wait())),
    ("end", r#"{"pid":"7","status":"failed"}"#, |c| shown(c.sandbox("b").processes().wait("7").wait())),
    ("logs", r#"{"stdout":"a"}"#, |c| shown(c.sandbox("b").processes().logs("7").wait())),
    ("position", r#"{"stdout":7,"stderr":1}"#, |c| {
        shown(c.sandbox("b").processes().position("7", None).wait())
    }),
    ("directory", DIRECTORY, |c| shown(c.sandbox("b").files().list("/a").wait())),
    ("tree", TREE, |c| shown(c.sandbox("b").files().tree("/a").wait())),
    ("found", r#"{"matches":[{"path":"f","type":"file"}],"total":1}"#, |c| {
        shown(c.sandbox("b").files().find("/a").wait())
    }),
    ("fuzzy", r#"{"matches":[{"path":"f","score":1,"type":"file"}],"total":1}"#, |c| {
        shown(c.sandbox("b").files().search("/a", "f").wait())
    }),
    ("lines", r#"{"query":"f","matches":[{"path":"f","line":1,"column":1,"text":"f"}],"total":1}"#, |c| {
        shown(c.sandbox("b").files().grep("/a", "f").wait())
    }),
    ("tools", r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","inputSchema":{}}]}}"#, |c| {
        shown(c.sandbox("b").mcp().list_tools().wait())
    }),
    ("message", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, |c| {
        shown(c.sandbox("b").mcp().send(&serde_json::json!({"method": "ping"})).wait())
    }),
    ("previews", r#"[{"metadata":{"name":"a"}}]"#, |c| shown(c.sandbox("b").previews().list().wait())),
    ("preview", r#"{"metadata":{"name":"a"}}"#, |c| shown(c.sandbox("b").previews().get("a").wait())),
    ("tokens", r#"[{"spec":{"token":"a"}}]"#, |c| shown(c.sandbox("b").previews().tokens("a").wait())),
    ("sandboxes", r#"{"data":[{"metadata":{"name":"a"}}],"meta":{}}"#, |c| {
        shown(c.sandboxes().list().wait())
    }),
    ("sandbox", r#"{"metadata":{"name":"a"}}"#, |c| shown(c.sandboxes().get("a").wait())),
    ("by id", r#"{"metadata":{"name":"a"}}"#, |c| shown(c.sandboxes().get_by_external_id("a").wait())),
    ("volumes", r#"{"data":[{"metadata":{"name":"a"}}],"meta":{}}"#, |c| shown(c.volumes().list().wait())),
    ("volume", r#"{"metadata":{"name":"a"}}"#, |c| shown(c.volumes().get("a").wait())),
    ("drives", r#"{"data":[{"metadata":{"name":"a"}}],"meta":{}}"#, |c| shown(c.drives().list().wait())),
    ("drive", r#"{"metadata":{"name":"a"}}"#, |c| shown(c.drives().get("a").wait())),
    ("images", r#"{"data":[{"metadata":{"name":"a"}}],"meta":{}}"#, |c| shown(c.images().list().wait())),
];

#[test]
fn what_is_cut_at_any_byte_is_asked_for_again() {
    for (name, whole, read) in READS {
        let server = FaultServer::start(Step::ok(whole)).unwrap();
        let wanted = read(&client(&server)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let cuts = (0..whole.len() as u64).flat_map(|cut| {
            [Step::from(Step::ok(whole).cut_body(cut, End::Close)), Step::from(Step::ok(whole))]
        });
        let server = FaultServer::start(cuts.fold(Script::new(), Script::step)).unwrap();
        let client = client(&server);
        for cut in 0..whole.len() {
            let got = read(&client).unwrap_or_else(|error| panic!("{name}, cut at {cut}: {error}"));
            assert_eq!(got, wanted, "{name}, cut at {cut}");
        }
        assert_eq!(server.arrivals().len(), 2 * whole.len(), "{name}");
    }
}

#[test]
fn what_is_cut_where_nobody_can_know_is_an_error() {
    for (name, whole, read) in READS {
        let cuts = (0..whole.len())
            .map(|cut| Step::from(Step::ok(&whole.as_bytes()[..cut]).framing(Framing::UntilClose)));
        let server = FaultServer::start(cuts.fold(Script::new(), Script::step)).unwrap();
        let client = client(&server);
        for cut in 0..whole.len() {
            let error = read(&client).expect_err(&format!("{name}, cut at {cut}"));
            assert_eq!(error.kind(), ErrorKind::Decode, "{name}, cut at {cut}: {error}");
        }
    }
}

#[test]
fn an_answer_without_a_body_is_an_error() {
    for (name, _, read) in READS {
        let server = FaultServer::start(Step::ok("")).unwrap();
        let error = read(&client(&server)).expect_err(name);
        assert_eq!(error.kind(), ErrorKind::Decode, "{name}: {error}");
    }
}

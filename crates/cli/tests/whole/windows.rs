//! Every operation, in windows of every length, at gateways of every kind.

use std::path::Path;

use serde_json::Value;

use crate::place::{Host, Place, Said, serve};

const WINDOWS: [&str; 4] = ["0ms", "50ms", "300ms", "1500ms"];

/// What the gateway does while the sandbox wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waking {
    Hold,
    Reject503,
    Reject404,
    Reject404NotDispatched,
    Reset,
}

impl Waking {
    const ALL: [Self; 5] =
        [Self::Hold, Self::Reject503, Self::Reject404, Self::Reject404NotDispatched, Self::Reset];

    fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Hold => &["--while-waking", "hold"],
            Self::Reject503 => &["--while-waking", "reject", "--reject-with", "503"],
            Self::Reject404 => &["--while-waking", "reject", "--reject-with", "404"],
            Self::Reject404NotDispatched => {
                &["--while-waking", "reject", "--reject-with", "404-not-dispatched"]
            }
            Self::Reset => &["--while-waking", "reset"],
        }
    }
}

/// An operation, as it is typed, and where it goes.
struct Operation {
    line: Vec<String>,
    /// The method and the path that the gateway sees.
    request: String,
    kind: Kind,
    place: At,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Read,
    Mutation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// A server inside the sandbox, which could forge what the gateway says.
    App,
    Agent,
    /// The same, where the machine has to allow mounts.
    Drives,
}

/// Sandboxes see the files of the machine, so that each mounts in a directory of its own.
fn operations(port: u16, directory: &Path) -> Vec<Operation> {
    let (port, directory) = (port.to_string(), directory.display().to_string());
    let filled = |text: &str| text.replace("PORT", &port).replace("DIR", &directory);
    let of = |line: &str, request: &str, kind, place| {
        let line = filled(line).split(' ').map(str::to_owned).collect();
        Operation { line, request: filled(request), kind, place }
    };
    vec![
        of("fetch box PORT /a", "GET /port/PORT/a", Kind::Read, At::App),
        of("fetch box PORT /a -X HEAD", "HEAD /port/PORT/a", Kind::Read, At::App),
        of("fetch box PORT /a -X OPTIONS", "OPTIONS /port/PORT/a", Kind::Read, At::App),
        of("fetch box PORT /a -d order", "POST /port/PORT/a", Kind::Mutation, At::App),
        of("drive list box", "GET /drives/mount", Kind::Read, At::Agent),
        of("health box", "GET /health", Kind::Read, At::Agent),
        of("drive mount box data DIR/mounted", "POST /drives/mount", Kind::Mutation, At::Drives),
        of("drive unmount box DIR/mounted", "DELETE /drives/mountDIR/mounted", Kind::Mutation, At::Drives),
        of("upgrade box --no-wait", "POST /upgrade", Kind::Mutation, At::Agent),
    ]
}

impl Operation {
    /// Whether a request that the gateway tells of is this operation's.
    fn is(&self, request: &Value) -> bool {
        format!("{} {}", request["method"].as_str().unwrap(), request["path"].as_str().unwrap())
            == self.request
    }
}

#[test]
fn every_read_arrives_through_every_window_and_no_mutation_arrives_twice() {
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let cells = Waking::ALL.into_iter().flat_map(|waking| WINDOWS.map(|window| (waking, window)));
        let running: Vec<_> =
            cells.map(|(waking, window)| scope.spawn(move || cell(waking, window))).collect();
        running.into_iter().flat_map(|cell| cell.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All operations at one gateway with one window; what did not go as it should.
fn cell(waking: Waking, window: &str) -> Vec<String> {
    let place = Place::new();
    let flags: Vec<&str> = waking.flags().iter().copied().chain(["--resume-delay", window]).collect();
    let host = Host::start(&place, &flags);
    place.run(["create", "box"]).done();
    let port = serve(&place, "box");
    let mut wrong = Vec::new();
    let operations = operations(port, place.path());
    for operation in &operations {
        place.run(["sleep", "box"]).done();
        let first = Tried::new(&place, &host, operation);
        let retried = operation.kind == Kind::Read
            || (waking == Waking::Reject404NotDispatched && operation.place != At::App);
        let as_wanted = match (waking, retried) {
            (Waking::Hold, _) => first.is_done(&host, operation) && first.attempts == 1,
            (_, true) => first.is_done(&host, operation) && first.attempts > 1,
            (_, false) => {
                first.code == Some(1) && first.attempts == 1 && first.inside == 0 && first.may_have_run
            }
        };
        let mut tell = |what: &str, tried: &Tried| {
            wrong.push(format!(
                "{waking:?}, {window}, {}: {what}: {tried:?}: {}",
                operation.line.join(" "),
                tried.said
            ));
        };
        if !as_wanted {
            tell("from standby", &first);
        }
        if first.inside == 0 {
            // No request that one of the operations makes.
            place.run(["fetch", "--no-probe", "box", &port.to_string(), "/wake"]).done();
            let again = Tried::new(&place, &host, operation);
            if !(again.is_done(&host, operation) && again.attempts == 1) {
                tell("once awake", &again);
            }
        }
    }
    // What would still be on its way here comes before the last of these.
    for mark in ["/1", "/2", "/3"] {
        place.run(["fetch", "--no-probe", "box", &port.to_string(), mark]).done();
    }
    host.passed(1, |request| request["path"] == *format!("/port/{port}/3"));
    let late = host.passed(0, |request| operations.iter().any(|operation| operation.is(request)));
    wrong.extend(late.iter().map(|request| format!("{waking:?}, {window}: one more: {request}")));
    wrong
}

/// What was said of an operation, and what the gateway saw of it.
#[derive(Debug)]
struct Tried {
    code: Option<i32>,
    attempts: usize,
    may_have_run: bool,
    /// What the gateway saw, in order.
    seen: Vec<String>,
    inside: usize,
    said: String,
}

impl Tried {
    fn new(place: &Place, host: &Host, operation: &Operation) -> Self {
        let said = place.run(operation.line.iter().map(String::as_str).chain(["--json", "--no-probe"]));
        let facts = facts(&said);
        let attempts = facts["attempts"].as_array().map_or(0, Vec::len);
        let passages = host.passed(attempts, |request| operation.is(request));
        Self {
            code: said.code,
            attempts,
            may_have_run: facts["mayHaveRun"] == true,
            seen: passages.iter().map(in_a_word).collect(),
            inside: passages
                .iter()
                .filter(|passage| passage["what"] == "answered" || passage["what"] == "broken")
                .count(),
            said: said.text() + &said.err,
        }
    }

    /// Whether it was done, once, and nothing arrived that was not told of.
    fn is_done(&self, host: &Host, operation: &Operation) -> bool {
        let worked = self.code == Some(0) || (operation.place == At::Drives && !host.mounts());
        worked && self.inside == 1 && self.seen.len() == self.attempts
    }
}

fn in_a_word(passage: &Value) -> String {
    let word = |key: &str| passage[key].as_str().unwrap_or_default().to_owned();
    format!("{} {} {}", word("method"), word("path"), word("what"))
}

fn facts(said: &Said) -> Value {
    let text = if said.code == Some(0) { said.text() } else { said.err.clone() };
    text.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok()).unwrap_or_default()["reveille"].clone()
}

//! Every operation, from standby, through every kind of resume window: what the caller gets, and what arrived on
//! the other side.
//!
//! The built binary drives the built host. Each combination has a host of its own, and all of them run side by
//! side, since most of their time is spent waiting for windows.

use std::time::Instant;

use libtest_mimic::Trial;
use serde_json::Value;

use crate::stand::{Ran, Stand};

/// How long a window is, in milliseconds.
const WINDOWS: [u32; 4] = [0, 50, 300, 1_500];

/// What the gateway does with a request while the sandbox wakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Hold,
    Reject503,
    Reject404,
    Reject404NotDispatched,
    Reset,
}

impl Mode {
    const ALL: [Self; 5] =
        [Self::Hold, Self::Reject503, Self::Reject404, Self::Reject404NotDispatched, Self::Reset];

    fn name(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Reject503 => "reject 503",
            Self::Reject404 => "reject 404",
            Self::Reject404NotDispatched => "reject 404, not dispatched",
            Self::Reset => "reset",
        }
    }

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

    /// Whether a mutation gets through: it is held, or its refusal is proven by the platform itself.
    fn lets_through(self, kind: Kind) -> bool {
        match self {
            Self::Hold => true,
            Self::Reject404NotDispatched => kind == Kind::PlatformMutation,
            Self::Reject503 | Self::Reject404 | Self::Reset => false,
        }
    }
}

/// What a repeat of an operation would do, and who answers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Behind a port, where an app could forge the platform's proof.
    AppMutation,
    PlatformMutation,
}

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    Mode::ALL.into_iter().flat_map(|mode| {
        WINDOWS.into_iter().map(move |window| {
            let name = format!("{}: a window of {window} ms", mode.name());
            Trial::test(name, move || {
                Combination::start(mode, window).run();
                Ok(())
            })
        })
    })
}

struct Combination {
    mode: Mode,
    window: u32,
    stand: Stand,
    port: String,
    /// Where drives are mounted: a directory of the test's own, as sandboxes see the files of the machine.
    place: String,
}

impl Combination {
    fn start(mode: Mode, window: u32) -> Self {
        let delay = format!("{window}ms");
        let flags = [mode.flags(), &["--resume-delay", &delay, "--standby-after", "1h"]].concat();
        let stand = Stand::start(&flags);
        stand.done(&["create", "box"]);
        let port = free_port();
        let demo = format!("{} demo --port {port}", env!("CARGO_BIN_EXE_reveille"));
        stand.done(&["exec", "-d", "box", "--", &demo]);
        let place = stand.home().path().join("mnt").display().to_string();
        let this = Self { mode, window, stand, port, place };
        // The server needs a moment to listen; a fetch survives the 502 of a port where nobody listens yet.
        this.ledger();
        this
    }

    fn run(&self) {
        for method in ["GET", "HEAD", "OPTIONS"] {
            self.read_arrives_once(method);
        }
        self.post_arrives_once_or_never();
        self.health_is_answered();
        self.a_drive_is_mounted_once_or_never();
        self.mounts_are_listed(&[&self.place]);
        self.a_drive_is_unmounted_once_or_never();
        self.mounts_are_listed(&[]);
        self.an_upgrade_happens_once_or_never();
    }

    fn read_arrives_once(&self, method: &str) {
        let id = format!("x-demo-id: {method}");
        let ran =
            self.run_from_standby(&["--json", "fetch", "box", &self.port, "/", "-X", method, "-H", &id]);
        assert_eq!(ran.code, Some(0), "{ran}");
        self.was_patient(&ran);
        assert_eq!(self.arrivals(method), 1, "{method} arrived once, since nothing refused was handed on");
    }

    fn post_arrives_once_or_never(&self) {
        let post = [
            "fetch",
            "box",
            &self.port,
            "/orders",
            "-X",
            "POST",
            "-d",
            "{}",
            "-H",
            "x-demo-id: POST",
            "--fail",
        ];
        let ran = self.run_from_standby(&post);
        let through = self.mode.lets_through(Kind::AppMutation);
        assert_eq!(ran.code == Some(0), through, "{ran}");
        self.stand.done(&["wake", "box"]);
        assert_eq!(self.arrivals("POST"), u64::from(through), "{ran}");
        if !through {
            self.stand.done(&post);
            assert_eq!(self.arrivals("POST"), 1);
        }
    }

    fn health_is_answered(&self) {
        let ran = self.run_from_standby(&["--json", "health", "box"]);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(ran.json()["status"], "ok", "{ran}");
        self.was_patient(&ran);
    }

    fn a_drive_is_mounted_once_or_never(&self) {
        let mount = ["drive", "mount", "box", "data", &self.place];
        let ran = self.run_from_standby(&mount);
        self.mutation(&ran, || self.mounts() == [self.place.clone()], &mount);
    }

    fn a_drive_is_unmounted_once_or_never(&self) {
        let unmount = ["drive", "unmount", "box", &self.place];
        let ran = self.run_from_standby(&unmount);
        self.mutation(&ran, || self.mounts().is_empty(), &unmount);
    }

    fn an_upgrade_happens_once_or_never(&self) {
        let before = self.upgrades();
        let ran = self.run_from_standby(&["upgrade", "box"]);
        let through = self.mode.lets_through(Kind::PlatformMutation);
        assert_eq!(ran.code == Some(0), through, "{ran}");
        self.stand.done(&["wake", "box"]);
        let expected = before + u64::from(through);
        let begun = Instant::now();
        while self.upgrades() != expected && begun.elapsed().as_secs() < 10 {
            std::thread::yield_now();
        }
        assert_eq!(self.upgrades(), expected, "{ran}");
        assert_eq!(self.arrivals("GET"), 1, "the demo server kept its memory");
    }

    fn mutation(&self, ran: &Ran, happened: impl Fn() -> bool, again: &[&str]) {
        let through = self.mode.lets_through(Kind::PlatformMutation);
        assert_eq!(ran.code == Some(0), through, "{ran}");
        self.stand.done(&["wake", "box"]);
        assert_eq!(happened(), through, "{ran}");
        if !through {
            self.stand.done(again);
            assert!(happened());
        }
    }

    fn mounts_are_listed(&self, expected: &[&str]) {
        let ran = self.run_from_standby(&["--json", "drive", "list", "box"]);
        assert_eq!(ran.code, Some(0), "{ran}");
        assert_eq!(paths(&ran.json()), expected, "{ran}");
        self.was_patient(&ran);
    }

    fn run_from_standby(&self, arguments: &[&str]) -> Ran {
        self.stand.done(&["sleep", "box"]);
        let begun = Instant::now();
        let ran = self.stand.run(arguments);
        let took = begun.elapsed().as_millis();
        if ran.code == Some(0) {
            assert!(
                took >= u128::from(self.window),
                "it took {took} ms, which is less than the window: {ran}"
            );
        }
        ran
    }

    /// A read that was held has one attempt, and one that was refused more.
    fn was_patient(&self, ran: &Ran) {
        let json = ran.json();
        let attempts = json["reveille"]["attempts"].as_array().map_or(0, Vec::len);
        match self.mode {
            Mode::Hold => assert_eq!(attempts, 1, "{ran}"),
            _ => assert!((2..=6).contains(&attempts), "{attempts} attempts: {ran}"),
        }
    }

    fn ledger(&self) -> Value {
        let text = self.stand.done(&["fetch", "box", &self.port, "/ledger"]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn arrivals(&self, id: &str) -> u64 {
        self.ledger()["byId"][id].as_u64().unwrap_or_default()
    }

    fn mounts(&self) -> Vec<String> {
        paths(&self.stand.run(&["--json", "drive", "list", "box"]).json())
    }

    fn upgrades(&self) -> u64 {
        self.stand.run(&["--json", "health", "box"]).json()["upgradeCount"].as_u64().expect("a count")
    }
}

fn paths(listed: &Value) -> Vec<String> {
    let mounts = listed["mounts"].as_array().map(Vec::as_slice).unwrap_or_default();
    mounts.iter().filter_map(|mount| mount["mountPath"].as_str().map(str::to_owned)).collect()
}

/// A port that nobody listens on now.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").port().to_string()
}

//! Somebody at a terminal, who works at one in a sandbox.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

use crate::ends::{runs, seconds_of_its_own};
use crate::place::{Host, Place, eventually, signal};

const PATIENCE: Duration = Duration::from_secs(30);

/// A terminal with somebody at it, and a command of ours.
pub(crate) struct Seat {
    child: Child,
    keys: File,
    screen: Arc<Mutex<Vec<u8>>>,
}

impl Seat {
    pub(crate) fn take(place: &Place, arguments: &[&str]) -> Self {
        Self::of_size(place, arguments, 90)
    }

    /// One of so many columns.
    fn of_size(place: &Place, arguments: &[&str], columns: u16) -> Self {
        let (pty, pts) = pty_process::blocking::open().unwrap();
        resize(&pty, columns, 20);
        let program = place.command();
        let mut command =
            pty_process::blocking::Command::new(program.get_program()).args(arguments).env_clear();
        for (name, value) in program.get_envs() {
            command = command.env(name, value.unwrap());
        }
        let child = command.env("TERM", "xterm").current_dir(place.path()).spawn(pts).unwrap();
        let keys = File::from(OwnedFd::from(pty));
        let mut output = keys.try_clone().unwrap();
        let screen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let seen = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut buffer) {
                seen.lock().unwrap().extend_from_slice(&buffer[..read]);
            }
        });
        Self { child, keys, screen }
    }

    fn types(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn until(&self, wanted: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.screen().contains(wanted) {
            assert!(Instant::now() < end, "no {wanted:?} in {:?}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether every key is handed on as it is.
    fn is_raw(&self) -> bool {
        !tcgetattr(&self.keys).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    #[track_caller]
    pub(crate) fn code(&mut self) -> i32 {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap();
            }
            assert!(Instant::now() < end, "it does not end: {:?}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        // It has ended where the test has got so far.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn resize(terminal: impl AsFd, cols: u16, rows: u16) {
    let size = Winsize { ws_col: cols, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

fn with_box() -> (Place, Host) {
    let place = Place::new();
    let host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    (place, host)
}

#[test]
fn a_shell_runs_at_a_terminal_of_this_size_and_ends_with_its_own_code() {
    let (place, _host) = with_box();
    let mut seat = Seat::take(&place, &["shell", "box", "--shell", "/bin/sh"]);
    seat.types("stty size; echo do''ne\n");
    seat.until("20 90");
    seat.until("done");
    assert!(seat.is_raw());
    resize(&seat.keys, 110, 25);
    signal(seat.pid(), "WINCH");
    // The shell learns of it as soon as it can.
    let end = Instant::now() + PATIENCE;
    while !seat.screen().contains("25 110") {
        assert!(Instant::now() < end, "{:?}", seat.screen());
        seat.types("stty size\n");
        std::thread::sleep(Duration::from_millis(50));
    }
    seat.types("exit 7\n");
    assert_eq!(seat.code(), 7);
    assert!(!seat.is_raw(), "the terminal is as it was");
}

#[test]
fn keys_that_mean_something_here_go_there() {
    let (place, _host) = with_box();
    let mut seat = Seat::take(&place, &["shell", "box", "--shell", "/bin/sh"]);
    // The program has the terminal once it runs.
    seat.types("sh -c 'echo ru\"\"ns; exec sleep 300' || echo inter''rupted; echo st''ill\n");
    seat.until("runs");
    seat.types("\x03");
    seat.types("echo ne''xt\n");
    seat.until("next");
    seat.types("exit 0\n");
    assert_eq!(seat.code(), 0);
}

#[test]
fn one_leaves_a_shell_that_goes_on_and_finds_it_again() {
    let (place, _host) = with_box();
    let mut seat = Seat::take(&place, &["shell", "box", "--session", "work", "--shell", "/bin/sh"]);
    seat.types("kept=here; echo re''ady\n");
    seat.until("ready");
    seat.types("\r~.");
    assert_eq!(seat.code(), 0);
    seat.until("reveille shell box --session work");
    assert!(!seat.is_raw());
    let mut seat = Seat::take(&place, &["shell", "box", "--session", "work"]);
    seat.types("echo it is $kept; exit 3\n");
    seat.until("it is here");
    assert_eq!(seat.code(), 3);
}

#[test]
fn a_terminal_is_as_it_was_however_it_ends() {
    let (place, _host) = with_box();
    for name in ["TERM", "HUP", "INT"] {
        let seconds = seconds_of_its_own();
        let mut seat = Seat::take(&place, &["shell", "box", "--shell", "/bin/sh"]);
        seat.types(&format!("echo re''ady; sleep {seconds}\n"));
        seat.until("ready");
        assert!(seat.is_raw());
        signal(seat.pid(), name);
        assert_eq!(seat.code(), 130, "{name}");
        assert!(!seat.is_raw(), "{name}");
        eventually("nothing that was hung up on goes on", || !runs(&seconds));
    }
    // The sandbox is deleted meanwhile.
    let mut seat = Seat::take(&place, &["shell", "box", "--shell", "/bin/sh"]);
    seat.types("echo re''ady\n");
    seat.until("ready");
    place.run(["delete", "box"]).done();
    assert_eq!(seat.code(), 1);
    assert!(!seat.is_raw());
    seat.until("it is not there any more");
}

#[test]
fn a_command_at_a_terminal_has_its_code_its_variables_and_its_directory() {
    let (place, _host) = with_box();
    let mut seat = Seat::take(
        &place,
        &["exec", "-it", "-e", "A=it's", "-w", "/tmp", "box", "--", "test -t 0 && pwd && echo $A; exit 5"],
    );
    seat.until("/tmp\r\nit's\r\n");
    assert_eq!(seat.code(), 5);
    let mut seat = Seat::take(&place, &["exec", "-t", "box", "sh", "-c", "kill -9 $$"]);
    assert_eq!(seat.code(), 137);
    seat.until("SIGKILL");
}

#[test]
fn a_shell_goes_on_over_a_nap_and_an_upgrade() {
    let (place, _host) = with_box();
    let mut seat = Seat::take(&place, &["shell", "box", "--shell", "/bin/sh"]);
    seat.types("kept=here; echo re''ady\n");
    seat.until("ready");
    place.run(["sleep", "box"]).done();
    seat.types("echo after a nap: $kept\n");
    seat.until("after a nap: here");
    place.run(["upgrade", "box"]).done();
    seat.types("echo after an upgrade: $kept\n");
    seat.until("after an upgrade: here");
    seat.types("exit 0\n");
    assert_eq!(seat.code(), 0);
    let screen = seat.screen();
    assert_eq!(screen.matches("after a nap: here").count(), 1, "{screen:?}");
    assert!(!screen.contains("[reveille:"), "nothing may be lost: {screen:?}");
}

#[test]
fn a_terminal_is_wanted_where_there_is_none_and_there_is_no_json_of_it() {
    let (place, _host) = with_box();
    for line in [&["exec", "-t", "box", "ls"][..], &["shell", "box"]] {
        let said = place.run(line);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("no terminal"), "{said:?}");
    }
    let mut seat = Seat::take(&place, &["shell", "box", "--json"]);
    assert_eq!(seat.code(), 2);
    eventually("it says why", || seat.screen().contains("no JSON"));
    let mut seat = Seat::take(&place, &["shell", "box", "--shell", "/no/such/shell"]);
    assert_eq!(seat.code(), 1);
    eventually("it says why", || seat.screen().contains("could not be started"));
    assert!(!seat.is_raw());
}

#[test]
fn one_whose_sandbox_is_not_heard_any_more_is_told_and_can_leave() {
    let (place, mut host) = with_box();
    let mut seat = Seat::take(&place, &["shell", "box", "--shell", "/bin/sh"]);
    seat.types("echo he''re\n");
    seat.until("here");
    host.signal("KILL");
    seat.until("the connection was lost, and is tried again");
    seat.types("\r~.");
    assert_eq!(seat.code(), 0);
    // What is left of it ends with the next one.
    let _next = Host::start(&place, &[]);
}

#[test]
fn a_session_may_have_any_name_that_is_text() {
    let (place, _host) = with_box();
    let name = "a/b?c=d&e#f%2fg h\n\u{e4}+";
    let mut seat = Seat::take(&place, &["shell", "box", "--session", name, "--shell", "/bin/sh"]);
    seat.types("kept=here; echo re''ady\n");
    seat.until("ready");
    seat.types("\r~.");
    assert_eq!(seat.code(), 0);
    let mut seat = Seat::take(&place, &["shell", "box", "--session", name]);
    seat.types("echo it is $kept; exit 0\n");
    seat.until("it is here");
    assert_eq!(seat.code(), 0);
}

#[test]
fn a_window_without_a_size_is_one_of_the_usual_size_there() {
    let (place, _host) = with_box();
    let mut seat = Seat::take(&place, &["shell", "box", "--shell", "/bin/sh"]);
    seat.types("stty size\n");
    seat.until("20 90");
    resize(&seat.keys, 0, 0);
    signal(seat.pid(), "WINCH");
    let end = Instant::now() + PATIENCE;
    while !seat.screen().contains("24 80") {
        assert!(Instant::now() < end, "{:?}", seat.screen());
        seat.types("stty size\n");
        std::thread::sleep(Duration::from_millis(50));
    }
    seat.types("exit 0\n");
    assert_eq!(seat.code(), 0);
}

#[test]
fn what_is_no_text_is_refused_and_nothing_is_sent() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let bad = std::ffi::OsStr::from_bytes(b"a\xffb");
    for line in [
        &["shell"][..],
        &["shell", "box", "--session"],
        &["exec", "-t", "box", "--"],
        &["run", "--"],
        &["ports"],
        &["forward", "box"],
        &["mcp"],
        &["logs", "box"],
        &["logs", "box", "web", "--since"],
    ] {
        let words = line.iter().map(std::ffi::OsStr::new).chain([bad]);
        let said = place.run(words);
        assert_eq!(said.code, Some(2), "{line:?}: {said:?}");
        assert!(said.err.starts_with("error: "), "{said:?}");
    }
}

#[test]
fn what_is_wrong_with_a_command_breaks_between_words_on_a_narrow_terminal() {
    let place = Place::new();
    for line in [
        &["exec", "-t", "box"][..],
        &["logs", "--since", "the day before yesterday \u{1b}[2J", "box", "w"],
        &["forward", "box", "nowhere:3000"],
        &["shell"],
        &["no-such-command"],
    ] {
        let mut seat = Seat::of_size(&place, line, 40);
        assert_eq!(seat.code(), 2);
        eventually("it says why", || seat.screen().contains("error:"));
        let plain = seat.screen().replace("\u{1b}[31m", "").replace("\u{1b}[1m", "").replace("\u{1b}[0m", "");
        assert!(!plain.contains('\u{1b}'), "{plain:?}");
        for line in plain.lines() {
            assert!(line.len() <= 40 || !line.trim().contains(' '), "{line:?} of {plain:?}");
        }
    }
}

#[test]
fn a_copy_shows_a_bar_at_a_terminal_and_to_nobody_else() {
    let (place, _host) = with_box();
    File::create(place.path().join("large")).unwrap().set_len(64 << 20).unwrap();
    let mut seat = Seat::take(&place, &["cp", "large", "box:/tmp/large"]);
    assert_eq!(seat.code(), 0);
    seat.until("copied to box:/tmp/large");
    assert!(seat.screen().contains('█'), "{:?}", seat.screen());
    let said = place.run(["cp", "box:/tmp/large", "back"]).done();
    assert!(!said.err.contains('█') && !said.text().contains('█'), "{said:?}");
    assert_eq!(std::fs::metadata(place.path().join("back")).unwrap().len(), 64 << 20);
}

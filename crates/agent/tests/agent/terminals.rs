use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::asking::PATIENCE;
use crate::running::Running;

/// A terminal as a client sees it.
struct Terminal(WebSocket<TcpStream>);

impl Terminal {
    fn open(agent: &Running, query: &str) -> Self {
        let stream = TcpStream::connect(&agent.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}/terminal/ws?{query}", agent.host);
        Self(tungstenite::client(url, stream).unwrap().0)
    }

    fn send(&mut self, message: &Value) {
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    fn input(&mut self, data: &str) {
        self.send(&json!({"type": "input", "data": data}));
    }

    /// The next message that is text.
    fn next(&mut self) -> Option<Value> {
        loop {
            match self.0.read().unwrap() {
                Message::Text(text) => {
                    assert!(text.ends_with('\n'), "{text:?}");
                    return Some(serde_json::from_str(&text).unwrap());
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Reads until what appeared holds `wanted`, and gives all of it.
    fn until(&mut self, wanted: &str) -> String {
        let (mut screen, end) = (String::new(), Instant::now() + PATIENCE);
        while !screen.contains(wanted) {
            assert!(Instant::now() < end, "no {wanted:?} in {screen:?}");
            let message = self.next().unwrap_or_else(|| panic!("it ended without {wanted:?}: {screen:?}"));
            assert_eq!(message["type"], "output", "{message}");
            screen.push_str(message["data"].as_str().unwrap());
        }
        screen
    }
}

const SH: &str = "shell=/bin/sh";

#[test]
fn what_is_typed_runs_and_what_it_says_appears() {
    let agent = Running::start(&[]);
    let mut terminal = Terminal::open(&agent, SH);
    terminal.input("echo a$((1+1))b\n");
    terminal.until("a2b");
}

#[test]
fn a_shell_begins_in_the_directory_that_has_the_name_now() {
    let above = tempfile::tempdir().unwrap();
    let place = above.path().join("work");
    std::fs::create_dir(&place).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_reveille-agent"));
    command.args(["agent", "--listen", "127.0.0.1:0"]).current_dir(&place).env_remove("WORKDIR");
    let agent = Running::started(command);
    std::fs::remove_dir(&place).unwrap();
    std::fs::create_dir(&place).unwrap();
    std::fs::write(place.join("made-anew"), "").unwrap();
    let mut terminal = Terminal::open(&agent, SH);
    terminal.input("ls\n");
    terminal.until("made-anew");
}

#[test]
fn a_window_that_says_no_size_has_the_usual_one() {
    let agent = Running::start(&[]);
    for query in ["cols=0&rows=0", "cols=-1&rows=many", ""] {
        let mut terminal = Terminal::open(&agent, &format!("{SH}&sessionId=s{}&{query}", query.len()));
        terminal.input("stty size\n");
        terminal.until("24 80");
    }
}

#[test]
fn a_new_size_takes_effect_at_once() {
    let agent = Running::start(&[]);
    let mut terminal = Terminal::open(&agent, &format!("{SH}&cols=90&rows=20"));
    terminal.input("stty size\n");
    terminal.until("20 90");
    terminal.send(&json!({"type": "resize", "cols": 100, "rows": 30}));
    terminal.input("stty size\n");
    terminal.until("30 100");
}

#[test]
fn a_session_outlives_its_connection_and_shows_its_screen_again() {
    let agent = Running::start(&[]);
    let mut first = Terminal::open(&agent, &format!("{SH}&sessionId=work"));
    first.input("kept=value; echo is$((2+3))set\n");
    first.until("is5set");
    drop(first);
    let mut again = Terminal::open(&agent, &format!("{SH}&sessionId=work"));
    let screen = again.next().unwrap();
    assert!(screen["data"].as_str().unwrap().contains("is5set"), "{screen}");
    again.input("echo the$kept\n");
    again.until("thevalue");
}

#[test]
fn what_is_written_while_nobody_looks_is_kept_to_the_end() {
    let agent = Running::start(&[]);
    let mut first = Terminal::open(&agent, &format!("{SH}&sessionId=loud"));
    first.input("(seq 1 200000; echo do''ne) > /dev/tty\n");
    drop(first);
    let mut again = Terminal::open(&agent, &format!("{SH}&sessionId=loud"));
    let screen = again.until("done");
    assert!(screen.contains("200000"), "{} bytes", screen.len());
}

#[test]
fn what_is_no_message_of_a_terminal_is_passed_over() {
    let agent = Running::start(&[]);
    let mut terminal = Terminal::open(&agent, SH);
    for nonsense in ["nonsense", "{}", r#"{"type":"dance"}"#, r#"{"type":"resize","cols":-5,"rows":"x"}"#] {
        terminal.0.send(Message::text(nonsense)).unwrap();
    }
    terminal.0.send(Message::binary(vec![0xFF, 0x00])).unwrap();
    terminal.input("echo st$((7*7))ill\n");
    terminal.until("st49ill");
}

#[test]
fn a_shell_that_ends_closes_the_connections_of_all_who_look() {
    let agent = Running::start(&[]);
    let mut first = Terminal::open(&agent, SH);
    first.input("echo th$((1+1))ere; sleep 300 &\n");
    first.until("th2ere");
    let mut second = Terminal::open(&agent, SH);
    second.until("th2ere");
    second.input("stty -echo; echo last$((1+1)); exit 7\n");
    for mut terminal in [first, second] {
        terminal.until("last2");
        let end = loop {
            match terminal.0.read().unwrap() {
                Message::Close(end) => break end.unwrap(),
                Message::Text(_) => {}
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((end.code, end.reason.as_str()), (CloseCode::Normal, "Shell exited"));
    }
}

#[test]
fn a_session_that_is_over_begins_anew() {
    let agent = Running::start(&[]);
    let mut first = Terminal::open(&agent, &format!("{SH}&exit=true"));
    first.input("exit\n");
    while first.next().is_some() {}
    let mut second = Terminal::open(&agent, SH);
    second.input("echo ne$((3*3))w\n");
    second.until("ne9w");
}

#[test]
fn a_shell_that_is_not_there_is_said_so() {
    let agent = Running::start(&[]);
    for query in ["shell=/no/such/shell", "shell=/bin/sh&workingDir=/no/such/folder"] {
        let mut terminal = Terminal::open(&agent, &format!("{query}&sessionId={}", query.len()));
        let said = terminal.next().unwrap();
        assert_eq!(said["type"], "error", "{said}");
        assert!(said["data"].as_str().unwrap().contains("No such file"), "{said}");
    }
}

#[test]
fn letters_of_several_bytes_arrive_whole() {
    let agent = Running::start(&[]);
    let mut terminal = Terminal::open(&agent, SH);
    terminal
        .input("for i in 1 2 3; do printf '\\303'; printf '\\244\\342'; printf '\\202\\254'; done; echo\n");
    terminal.until("ä€ä€ä€");
}

#[test]
fn a_session_survives_an_upgrade_of_its_agent() {
    let agent = Running::start(&[]);
    let mut before = Terminal::open(&agent, &format!("{SH}&sessionId=up"));
    before.input("kept=value; echo is$((2+3))set\n");
    before.until("is5set");
    agent.ask("POST", "/upgrade", None);
    agent.upgraded(1);
    let mut after = Terminal::open(&agent, &format!("{SH}&sessionId=up"));
    let screen = after.next().unwrap();
    assert!(screen["data"].as_str().unwrap().contains("is5set"), "{screen}");
    after.input("echo the$kept\n");
    after.until("thevalue");
}

#[test]
fn a_client_that_reads_nothing_does_not_stop_the_shell() {
    let agent = Running::start(&[]);
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("through");
    let mut deaf = Terminal::open(&agent, &format!("{SH}&sessionId=deaf"));
    deaf.input(&format!("seq 1 3000000 > /dev/tty; touch {}\n", mark.display()));
    let end = Instant::now() + 3 * PATIENCE;
    while !mark.exists() {
        assert!(Instant::now() < end, "the shell waits for a client that does not read");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn there_is_a_page_for_a_look_and_the_endpoint_wants_a_websocket() {
    let agent = Running::start(&[]);
    let mut page = agent.send("GET", "/terminal", &[], None);
    assert_eq!(page.status, 200);
    assert!(page.read().unwrap().starts_with(b"<!doctype html>"));
    let (status, said) = agent.ask("GET", "/terminal/ws", None);
    assert_eq!(status, 400, "{said}");
}

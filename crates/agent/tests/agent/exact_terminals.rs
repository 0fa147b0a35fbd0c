use std::net::TcpStream;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reveille_wire::header::{STREAM, STREAM_EXACT, TERMINAL};
use reveille_wire::{TerminalOutput, terminal_bytes};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::asking::PATIENCE;
use crate::running::Running;

/// A terminal as our own client sees it.
struct Terminal {
    socket: WebSocket<TcpStream>,
    /// What the session is called.
    id: String,
    /// How many bytes have come.
    seen: usize,
    /// How many bytes that were typed have arrived.
    taken: usize,
}

impl Terminal {
    fn open(agent: &Running, query: &str) -> Self {
        Self::try_open(agent, query).unwrap()
    }

    /// Opens one, or gives the status with which it was refused.
    fn try_open(agent: &Running, query: &str) -> Result<Self, u16> {
        let stream = TcpStream::connect(&agent.host).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{}/terminal/ws?shell=/bin/sh&{query}", agent.host);
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert(STREAM, STREAM_EXACT.parse().unwrap());
        match tungstenite::client(request, stream) {
            Ok((socket, response)) => {
                assert_eq!(response.headers()[STREAM], STREAM_EXACT);
                let id = response.headers()[TERMINAL].to_str().unwrap().to_owned();
                Ok(Self { socket, id, seen: 0, taken: 0 })
            }
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(refused))) => {
                Err(refused.status().as_u16())
            }
            Err(other) => panic!("{other}"),
        }
    }

    fn send(&mut self, message: &Value) {
        self.socket.send(Message::text(message.to_string())).unwrap();
    }

    fn input(&mut self, at: usize, data: &str) {
        self.send(&json!({"type": "input", "data": data, "at": at}));
    }

    fn next(&mut self) -> Option<Value> {
        loop {
            match self.socket.read().unwrap() {
                Message::Text(text) => {
                    let told: Value = serde_json::from_str(&text).unwrap();
                    self.seen += shown(&told).len();
                    if told["type"] == "taken" {
                        self.taken = usize::try_from(told["input"].as_u64().unwrap()).unwrap();
                    }
                    return Some(told);
                }
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Reads until what appeared holds `wanted`, and gives all of it.
    fn until(&mut self, wanted: &str) -> String {
        let screen = self.until_bytes(wanted.as_bytes());
        String::from_utf8_lossy(&screen).into_owned()
    }

    fn until_bytes(&mut self, wanted: &[u8]) -> Vec<u8> {
        let mut screen = Vec::new();
        while !screen.windows(wanted.len()).any(|part| part == wanted) {
            let told = self.next().unwrap_or_else(|| panic!("it ended without {wanted:?}: {screen:?}"));
            screen.extend(shown(&told));
        }
        screen
    }

    /// Reads until `bytes` that were typed have arrived.
    fn until_taken(&mut self, bytes: usize) {
        while self.taken < bytes {
            self.next().unwrap();
        }
    }

    /// Everything until it is over, and the last word.
    fn read_to_end(&mut self) -> (String, Value) {
        let (mut screen, mut last) = (Vec::new(), Value::Null);
        while let Some(told) = self.next() {
            screen.extend(shown(&told));
            last = told;
        }
        (String::from_utf8_lossy(&screen).into_owned(), last)
    }
}

/// The part of a query that has a command run.
fn command(line: &str) -> String {
    format!("command={}", utf8_percent_encode(line, NON_ALPHANUMERIC))
}

/// The bytes that a message shows.
fn shown(told: &Value) -> Vec<u8> {
    let told: TerminalOutput = serde_json::from_value(told.clone()).unwrap();
    let TerminalOutput::Output { data, encoding } = told else { return Vec::new() };
    terminal_bytes(&data, encoding).unwrap().into_owned()
}

#[test]
fn the_end_of_a_shell_says_how_it_ended() {
    let agent = Running::start(&[]);
    for (at, (command, end)) in [
        ("exit 3", json!({"type": "exit", "code": 3})),
        ("true", json!({"type": "exit", "code": 0})),
        ("kill -9 $$", json!({"type": "exit", "signal": 9})),
    ]
    .into_iter()
    .enumerate()
    {
        let mut terminal = Terminal::open(&agent, &format!("sessionId=end{at}&{}", self::command(command)));
        assert_eq!(terminal.read_to_end().1, end, "{command}");
    }
}

#[test]
fn a_command_runs_at_a_terminal_of_the_size_that_was_asked_for() {
    let agent = Running::start(&[]);
    let mut terminal =
        Terminal::open(&agent, &format!("{}&cols=97&rows=31", command("stty size; test -t 0")));
    let (screen, end) = terminal.read_to_end();
    assert!(screen.contains("31 97"), "{screen:?}");
    assert_eq!(end["code"], 0);
}

#[test]
fn what_was_seen_is_not_shown_again_and_what_was_typed_is_not_typed_again() {
    let agent = Running::start(&[]);
    let mut first = Terminal::open(&agent, "sessionId=s&client=me");
    first.input(0, "echo one$((1+1))\n");
    let screen = first.until("one2\r\n");
    first.until_taken(17);
    let (id, seen) = (first.id.clone(), first.seen);
    drop(first);
    let mut again = Terminal::open(&agent, &format!("sessionId=s&client=me&terminal={id}&from={seen}"));
    assert_eq!(again.next().unwrap(), json!({"type": "taken", "input": 17}));
    again.input(0, "echo one$((1+1))\necho two$((1+1))\n");
    let more = again.until("two2");
    assert!(!more.contains("one2"), "{screen:?} and then {more:?}");
}

#[test]
fn what_comes_with_a_gap_before_it_is_not_typed() {
    let agent = Running::start(&[]);
    let mut terminal = Terminal::open(&agent, "client=me");
    terminal.input(5, "echo never$((1+1))\n");
    terminal.input(0, "echo then$((1+1))\n");
    assert!(!terminal.until("then2").contains("never2"));
}

#[test]
fn two_who_type_are_counted_each_by_itself() {
    let agent = Running::start(&[]);
    let mut one = Terminal::open(&agent, "sessionId=s&client=one");
    let mut other = Terminal::open(&agent, "sessionId=s&client=other");
    one.input(0, "echo a$((1+1))\n");
    one.until_taken(15);
    other.input(0, "echo b$((1+1))\n");
    other.until_taken(15);
    one.until("b2");
    assert_eq!((one.taken, other.taken), (15, 15));
}

#[test]
fn bytes_that_are_no_text_go_both_ways_as_they_are() {
    let agent = Running::start(&[]);
    let command = command(
        r"stty raw -echo; printf ready; dd bs=1 count=4 2>/dev/null | od -An -tx1; printf '\377\200'",
    );
    let mut terminal = Terminal::open(&agent, &format!("{command}&client=me"));
    terminal.until("ready");
    // ff 00 80 c3
    terminal.send(&json!({"type": "input", "data": "/wCAww==", "encoding": "base64", "at": 0}));
    let screen = terminal.until_bytes(b"\xff\x80");
    assert!(String::from_utf8_lossy(&screen).contains("ff 00 80 c3"), "{screen:?}");
}

#[test]
fn one_who_was_away_learns_of_the_end_and_one_who_asks_for_another_of_its_absence() {
    let agent = Running::start(&[]);
    let mut first = Terminal::open(&agent, "sessionId=s&client=me");
    first.input(0, "echo last; exit 7\n");
    let id = first.id.clone();
    first.until_taken(18);
    drop(first);
    let mut again = Terminal::open(&agent, &format!("sessionId=s&client=me&terminal={id}&from=0"));
    let (screen, end) = again.read_to_end();
    assert!(screen.contains("last"), "{screen:?}");
    assert_eq!(end, json!({"type": "exit", "code": 7}));
    for query in ["sessionId=s&terminal=0123", &format!("sessionId=other&terminal={id}")] {
        assert_eq!(Terminal::try_open(&agent, query).err(), Some(404), "{query}");
    }
}

#[test]
fn a_hang_up_ends_the_shell_and_what_it_runs() {
    let agent = Running::start(&[]);
    let mut terminal = Terminal::open(&agent, &command("echo up; sleep 300"));
    terminal.until("up");
    terminal.send(&json!({"type": "hangup"}));
    assert_eq!(terminal.read_to_end().1, json!({"type": "exit", "signal": 1}));
}

#[test]
fn a_shell_that_is_not_there_is_an_answer_like_any_other() {
    let agent = Running::start(&[]);
    for query in ["shell=/no/such/shell", "workingDir=/no/such/folder"] {
        let query = query.to_owned() + "&sessionId=" + &query.len().to_string();
        // The first of two that are said counts.
        let stream = TcpStream::connect(&agent.host).unwrap();
        let mut request = format!("ws://{}/terminal/ws?{query}", agent.host).into_client_request().unwrap();
        request.headers_mut().insert(STREAM, STREAM_EXACT.parse().unwrap());
        match tungstenite::client(request, stream) {
            Err(tungstenite::HandshakeError::Failure(tungstenite::Error::Http(refused))) => {
                assert_eq!(refused.status().as_u16(), 422, "{query}");
            }
            other => panic!("{query}: {other:?}"),
        }
    }
}

#[test]
fn one_who_looks_and_moves_sees_all_of_a_long_output() {
    let agent = Running::start(&[]);
    let mut terminal = Terminal::open(&agent, &command("seq -w 400000"));
    let (screen, end) = terminal.read_to_end();
    assert_eq!(end["code"], 0);
    let numbers: Vec<&str> = screen.split("\r\n").filter(|line| !line.is_empty()).collect();
    assert_eq!(numbers.len(), 400_000);
    assert!(numbers.iter().enumerate().all(|(at, number)| number.parse() == Ok(at + 1)));
}

#[test]
fn a_session_goes_on_after_an_upgrade_where_it_was() {
    let agent = Running::start(&[]);
    let mut before = Terminal::open(&agent, "sessionId=up&client=me");
    before.input(0, "kept=value; echo is$((2+3))set\n");
    before.until("is5set\r\n");
    before.until_taken(31);
    let (id, seen) = (before.id.clone(), before.seen);
    agent.ask("POST", "/upgrade", None);
    agent.upgraded(1);
    let mut after = Terminal::open(&agent, &format!("sessionId=up&client=me&terminal={id}&from={seen}"));
    assert_eq!(after.next().unwrap(), json!({"type": "taken", "input": 31}));
    after.input(31, "echo the$kept; exit 5\n");
    let (screen, end) = after.read_to_end();
    assert!(screen.contains("thevalue") && !screen.contains("is5set"), "{screen:?}");
    assert_eq!(end, json!({"type": "exit", "code": 5}), "the next program notices the end of the shell");
}

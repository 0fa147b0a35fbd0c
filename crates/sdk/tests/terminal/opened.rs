//! A terminal is opened, used and ended.

use std::sync::mpsc;
use std::time::Duration;

use futures_util::StreamExt;
use reveille::{ErrorKind, TerminalEvent};
use serde_json::json;

use crate::server::{Server, act, answer};
use crate::{HEALTHY, all, builder, client};

#[test]
fn what_is_typed_arrives_and_the_end_says_how_the_shell_ended() {
    let (tell, heard) = mpsc::channel();
    let server = Server::start(
        HEALTHY,
        vec![act(move |visit| {
            assert!(visit.line.contains("cols=100&rows=30"), "{}", visit.line);
            assert!(visit.line.contains("workingDir=%2Fapp"), "{}", visit.line);
            assert!(visit.line.contains("sessionId=work"), "{}", visit.line);
            let mut shown = visit.exact("s1");
            shown.taken(0);
            assert_eq!(shown.hear(), json!({"type": "input", "data": "ls\n", "at": 0}));
            tell.send(()).unwrap();
            shown.taken(3);
            assert_eq!(shown.hear(), json!({"type": "resize", "cols": 80, "rows": 20}));
            shown.output("a.txt\r\n");
            shown.exit(7);
        })],
    );
    let terminal = client(&server).sandbox("box").terminal();
    let terminal = terminal.size(100, 30).dir("/app").session("work").wait().unwrap();
    assert!(terminal.is_exact());
    let input = terminal.input();
    input.send("ls\n").wait().unwrap();
    // The window changes after what was typed has arrived.
    heard.recv().unwrap();
    input.resize(80, 20);
    let (screen, events, error) = all(terminal);
    assert_eq!((screen.as_str(), error.map(|error| error.to_string())), ("a.txt\r\n", None));
    let [TerminalEvent::Ended(end)] = events[..] else { panic!("{events:?}") };
    assert_eq!((end.code, end.signal), (Some(7), None));
    let error = input.send("x").wait().unwrap_err();
    assert!(error.to_string().contains("work: it is over"), "{error}");
}

#[test]
fn the_same_in_async_code_on_a_runtime_of_one_thread() {
    let server = Server::start(
        HEALTHY,
        vec![act(|visit| {
            let mut shown = visit.exact("s1");
            shown.taken(0);
            let typed = shown.hear()["data"].as_str().unwrap().to_owned();
            shown.output(&typed);
            shown.exit(0);
        })],
    );
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut terminal = client(&server).sandbox("box").terminal().await.unwrap();
        terminal.input().send("ä€").await.unwrap();
        let event = terminal.next().await.unwrap().unwrap();
        assert_eq!(event, TerminalEvent::Output("ä€".into()));
        assert!(matches!(terminal.next().await, Some(Ok(TerminalEvent::Ended(_)))));
        assert!(terminal.next().await.is_none());
    });
}

#[test]
fn a_sandbox_that_sleeps_is_woken_first_and_the_session_is_begun_once() {
    let server = Server::start(HEALTHY, vec![act(|visit| visit.exact("s1").exit(0))]);
    let client = reveille::Client::builder().api_key("key").workspace("acme").run_url(server.url());
    let terminal = client.build().unwrap().sandbox("box").terminal().wait().unwrap();
    assert_eq!(all(terminal).1.len(), 1);
    let lines = server.lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("/health") && lines[1].contains("/terminal/ws"), "{lines:?}");
}

#[test]
fn an_opening_that_may_have_begun_a_shell_is_not_repeated() {
    let server = Server::start(HEALTHY, vec![act(drop)]);
    let error = client(&server).sandbox("box").terminal().wait().unwrap_err();
    assert!(error.may_have_run(), "{error}");
    assert_eq!(server.lines().len(), 1);
}

#[test]
fn a_shell_that_cannot_be_started_is_an_error_that_says_why() {
    let refused =
        answer("422 Unprocessable Entity", "", r#"{"error":"the terminal \"/no\" could not be started"}"#);
    let server = Server::start(HEALTHY, vec![act(move |visit| visit.say(&refused))]);
    let error = client(&server).sandbox("box").terminal().shell("/no").wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert!(error.to_string().contains("could not be started"), "{error}");
    // The platform says it at the terminal itself.
    let server = Server::start(
        HEALTHY,
        vec![act(|visit| visit.platform().say(&json!({"type": "error", "data": "no such shell"})))],
    );
    let (_, _, error) = all(client(&server).sandbox("box").terminal().wait().unwrap());
    assert!(error.unwrap().to_string().contains("no such shell"));
}

#[test]
fn a_server_that_speaks_something_else_is_an_error_and_no_terminal() {
    let other = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: bm8=\r\n\r\n";
    for said in [answer("200 OK", "", "hello"), other.to_owned()] {
        let server = Server::start(HEALTHY, vec![act(move |visit| visit.say(&said))]);
        let error = client(&server).sandbox("box").terminal().wait().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error}");
    }
}

#[test]
fn a_command_is_run_only_where_the_sandbox_knows_of_it() {
    let old = "HTTP/1.1 200 OK\r\ncontent-length: 15\r\nconnection: close\r\n\r\n{\"status\":\"ok\"}";
    let server = Server::start(old, Vec::new());
    let error = client(&server).sandbox("box").terminal().command("top").wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Input, "{error}");
    let server = Server::start(
        HEALTHY,
        vec![act(|visit| {
            assert!(visit.line.contains("command=top%20-n%201"), "{}", visit.line);
            visit.exact("s1").exit(0);
        })],
    );
    let terminal = client(&server).sandbox("box").terminal().command("top -n 1").wait().unwrap();
    assert_eq!(all(terminal).1.len(), 1);
}

#[test]
fn a_terminal_that_is_dropped_ends_its_connection() {
    let (tell, told) = mpsc::channel();
    let server = Server::start(
        HEALTHY,
        vec![act(move |visit| {
            let mut shown = visit.exact("s1");
            shown.taken(0);
            shown.until_left();
            tell.send(()).unwrap();
        })],
    );
    drop(client(&server).sandbox("box").terminal().wait().unwrap());
    told.recv_timeout(Duration::from_secs(30)).unwrap();
}

#[test]
fn a_deadline_ends_a_terminal_with_an_error() {
    // A machine that is busy with much else gets more time to open one.
    let opened = [200, 2_000, 20_000].into_iter().find_map(|millis| {
        let server = Server::start(
            HEALTHY,
            vec![act(|visit| {
                let mut shown = visit.exact("s1");
                shown.taken(0);
                shown.until_left();
            })],
        );
        let terminal = client(&server).sandbox("box").terminal().deadline(Duration::from_millis(millis));
        terminal.wait().ok()
    });
    let (_, _, error) = all(opened.unwrap());
    assert!(error.unwrap().to_string().contains("deadline"));
}

#[test]
fn what_is_no_message_of_a_terminal_is_an_error_and_no_end() {
    use tokio_tungstenite::tungstenite::Message;
    for garbage in [
        Message::text("nonsense"),
        Message::text(r#"{"type":"output","data":5}"#),
        Message::text(r#"{"type":"output","data":"!","encoding":"base64"}"#),
        Message::binary(vec![0xFF, 0x00]),
    ] {
        let said = format!("{garbage:?}");
        let server = Server::start(
            HEALTHY,
            vec![act(move |visit| {
                let mut shown = visit.exact("s1");
                shown.output("good");
                shown.0.send(garbage).unwrap();
                shown.until_left();
            })],
        );
        let (screen, events, error) = all(client(&server).sandbox("box").terminal().wait().unwrap());
        assert_eq!((screen.as_str(), events.len()), ("good", 0), "{said}");
        assert!(error.unwrap().to_string().contains("not what the protocol says"), "{said}");
    }
}

#[test]
fn bytes_that_are_no_websocket_are_an_error() {
    // A code that means nothing, a text that is none, a frame of 2^63 bytes, and letters.
    let no_text = b"\x81\x02\xff\xfe";
    let endless = b"\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff";
    for garbage in [&[0xFF; 16][..], no_text, endless, &[b'H'; 200]] {
        let server = Server::start(
            HEALTHY,
            vec![act(move |visit| {
                use std::io::Write;
                let mut shown = visit.exact("s1");
                shown.0.get_mut().write_all(garbage).unwrap();
                shown.until_left();
            })],
        );
        let terminal = builder(&server.url()).build().unwrap().sandbox("box").terminal().wait().unwrap();
        let (_, _, error) = all(terminal);
        assert!(error.unwrap().to_string().contains("not what the protocol says"), "{garbage:?}");
    }
}

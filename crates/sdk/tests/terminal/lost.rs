//! A terminal whose connection is lost.

use std::sync::mpsc;

use reveille::{Bytes, RetryPolicy, TerminalEvent};
use serde_json::json;

use crate::server::{Server, act, answer};
use crate::{HEALTHY, all, builder, client};

const GOES_ON: TerminalEvent = TerminalEvent::Reconnected { unsure: Bytes::new(), repeats: false };

#[test]
fn what_was_not_taken_is_typed_again_and_what_was_seen_is_not_shown_again() {
    let server = Server::start(
        HEALTHY,
        vec![
            act(|visit| {
                let mut shown = visit.exact("s1");
                shown.taken(0);
                shown.output("one ");
                assert_eq!(shown.hear()["data"], "abc");
                shown.taken(2);
                shown.say(&json!({"type": "output", "data": "/w==", "encoding": "base64"}));
            }),
            act(|visit| {
                assert!(visit.line.contains("&terminal=s1&from=5"), "{}", visit.line);
                let mut shown = visit.exact("s1");
                shown.taken(2);
                assert_eq!(shown.hear(), json!({"type": "input", "data": "c", "at": 2}));
                shown.output("two");
                shown.exit(0);
            }),
        ],
    );
    let terminal = client(&server).sandbox("box").terminal().wait().unwrap();
    terminal.input().send("abc").wait().unwrap();
    let mut bytes = Vec::new();
    let mut events = Vec::new();
    for event in terminal {
        match event.unwrap() {
            TerminalEvent::Output(output) => bytes.extend_from_slice(&output),
            event => events.push(event),
        }
    }
    assert_eq!(bytes, b"one \xfftwo");
    assert_eq!(events[0], GOES_ON);
    assert!(matches!(events[1..], [TerminalEvent::Ended(_)]), "{events:?}");
}

#[test]
fn that_there_is_no_connection_is_told_once_where_it_lasts() {
    let away = || act(|visit| visit.say(&answer("503 Service Unavailable", "", "")));
    let first = act(|visit| visit.exact("s1").output("a"));
    let last = act(|visit| visit.exact("s1").exit(0));
    let server = Server::start(HEALTHY, vec![first, away(), away(), last]);
    let once = RetryPolicy::builder().retries(0).build().unwrap();
    let client = builder(&server.url()).retry(once).build().unwrap();
    let (screen, events, _) = all(client.sandbox("box").terminal().wait().unwrap());
    assert_eq!((screen.as_str(), &events[..2]), ("a", &[TerminalEvent::Disconnected, GOES_ON][..]));
    assert!(matches!(events[2..], [TerminalEvent::Ended(_)]), "{events:?}");
}

#[test]
fn a_connection_may_be_cut_at_every_byte() {
    let whole = "abcdefgh";
    let acts = (0..whole.len()).map(|at| {
        act(move |visit| {
            assert!(at == 0 || visit.line.contains(&format!("from={at}")), "{}", visit.line);
            let mut shown = visit.exact("s1");
            shown.taken(at.min(3));
            shown.output(&whole[at..=at]);
        })
    });
    let last = act(|visit| visit.exact("s1").exit(0));
    let server = Server::start(HEALTHY, acts.chain([last]).collect());
    let terminal = client(&server).sandbox("box").terminal().wait().unwrap();
    terminal.input().send("xyz").wait().unwrap();
    let (screen, events, error) = all(terminal);
    assert_eq!((screen.as_str(), error.map(|error| error.to_string())), (whole, None));
    assert_eq!(events.iter().filter(|event| **event == GOES_ON).count(), whole.len());
}

#[test]
fn what_a_terminal_that_does_not_count_may_have_lost_is_told_and_not_typed_again() {
    let (tell, heard) = mpsc::channel();
    let server = Server::start(
        HEALTHY,
        vec![
            act(move |visit| {
                let mut shown = visit.platform();
                assert_eq!(shown.hear(), json!({"type": "input", "data": "known"}));
                tell.send(()).unwrap();
                // The ping behind it is answered when the next message is read.
                assert_eq!(shown.hear(), json!({"type": "input", "data": "unsure"}));
            }),
            act(|visit| {
                let mut shown = visit.platform();
                shown.output("screen");
                assert_eq!(shown.hear(), json!({"type": "input", "data": "more"}));
                shown.exit(0);
            }),
        ],
    );
    let terminal = client(&server).sandbox("box").terminal().wait().unwrap();
    assert!(!terminal.is_exact());
    let input = terminal.input();
    input.send("known").wait().unwrap();
    // Together they would be one thing that is typed.
    heard.recv().unwrap();
    input.send("unsure").wait().unwrap();
    let mut events = Vec::new();
    for event in terminal {
        let event = event.unwrap();
        if matches!(event, TerminalEvent::Reconnected { .. }) {
            input.send("more").wait().unwrap();
        }
        events.push(event);
    }
    assert_eq!(events[0], TerminalEvent::Reconnected { unsure: "unsure".into(), repeats: true });
    assert_eq!(events[1], TerminalEvent::Output("screen".into()));
    assert!(matches!(events[2..], [TerminalEvent::Ended(_)]), "{events:?}");
}

#[test]
fn letters_that_are_typed_in_pieces_reach_a_terminal_of_the_platform_whole() {
    let server = Server::start(
        HEALTHY,
        vec![act(|visit| {
            let mut shown = visit.platform();
            let mut typed = String::new();
            while typed.chars().count() < 4 {
                typed.push_str(shown.hear()["data"].as_str().unwrap());
            }
            shown.output(&typed);
            shown.exit(0);
        })],
    );
    let terminal = client(&server).sandbox("box").terminal().wait().unwrap();
    for byte in "aä€".bytes().chain([0xFF]) {
        terminal.input().send(vec![byte]).wait().unwrap();
    }
    assert_eq!(all(terminal).0, "aä€\u{fffd}");
}

#[test]
fn output_that_is_not_kept_any_more_is_told() {
    let server = Server::start(
        HEALTHY,
        vec![
            act(|visit| visit.exact("s1").output("a")),
            act(|visit| {
                let mut shown = visit.exact("s1");
                shown.taken(0);
                shown.say(&json!({"type": "truncated", "bytes": 41}));
                shown.output("z");
            }),
            act(|visit| {
                assert!(visit.line.contains("from=43"), "{}", visit.line);
                visit.exact("s1").exit(0);
            }),
        ],
    );
    let (screen, events, _) = all(client(&server).sandbox("box").terminal().wait().unwrap());
    assert_eq!(screen, "az");
    assert!(events.contains(&TerminalEvent::Missing { bytes: 41 }), "{events:?}");
}

#[test]
fn a_session_that_is_gone_is_an_error_that_says_so_and_no_new_one() {
    let absent = answer("404 Not Found", "reveille-boot: b1\r\n", r#"{"error":"it is not there"}"#);
    let anew = answer("404 Not Found", "reveille-boot: b2\r\n", r#"{"error":"it is not there"}"#);
    for (said, wanted) in [(absent, "not there any more"), (anew, "started anew")] {
        let server = Server::start(
            HEALTHY,
            vec![act(|visit| visit.exact("s1").output("a")), act(move |visit| visit.say(&said))],
        );
        let (screen, _, error) = all(client(&server).sandbox("box").terminal().wait().unwrap());
        let error = error.unwrap();
        assert!(screen == "a" && error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn a_terminal_that_has_forgotten_what_was_typed_is_an_error() {
    let server = Server::start(
        HEALTHY,
        vec![
            act(|visit| {
                let mut shown = visit.exact("s1");
                shown.taken(0);
                shown.hear();
                shown.taken(3);
            }),
            act(|visit| {
                let mut shown = visit.exact("s1");
                shown.taken(0);
                shown.until_left();
            }),
        ],
    );
    let terminal = client(&server).sandbox("box").terminal().wait().unwrap();
    terminal.input().send("abc").wait().unwrap();
    let (_, _, error) = all(terminal);
    assert!(error.unwrap().to_string().contains("does not know any more what was typed"));
}

#[test]
fn a_connection_that_breaks_again_and_again_is_given_up() {
    let acts = (0..14).map(|_| act(|visit| drop(visit.exact("s1")))).collect();
    let server = Server::start(HEALTHY, acts);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (_, _, error) = runtime.block_on(async {
        let terminal = client(&server).sandbox("box").terminal().await.unwrap();
        tokio::task::spawn_blocking(|| all(terminal)).await.unwrap()
    });
    assert!(error.unwrap().to_string().contains("again and again"));
}

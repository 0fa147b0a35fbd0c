//! How much there may be at a time.

use std::io::{Read, Write};

use reveille_faults::{Body, FaultServer, Moment, Script, Step};

use crate::place::{Answer, BOX, connect, get, plain, post, settings, start};

#[test]
fn a_request_for_which_there_is_no_room_is_refused_with_the_proof_of_it() {
    let script = Script::new().on("GET", BOX, Step::hang(Moment::AfterRequest)).then(Step::ok(""));
    let platform = FaultServer::start(script).unwrap();
    let mut small = settings(plain(&platform.url()));
    small.exchanges = 1;
    let relay = start(small);
    let mut first = connect(&relay);
    write!(first, "GET {BOX}/port/1/ HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    platform.wait_for_arrivals(1).wait().unwrap();
    let answer = post(&relay, "/process", "{}");
    assert_eq!((answer.status, answer.header("x-blaxel-dispatch-state")), (503, Some("not_dispatched")));
    drop(first);
    platform.wait_for_cancelled(1).wait().unwrap();
    crate::place::eventually("there is room again", || {
        crate::place::ask(&relay, "GET", "/v0/sandboxes", "").status == 200
    });
}

#[test]
fn a_connection_for_which_there_is_no_room_is_told_so() {
    let platform = FaultServer::start(Step::ok("here")).unwrap();
    let mut small = settings(plain(&platform.url()));
    small.connections = 1;
    let relay = start(small);
    let mut first = connect(&relay);
    write!(first, "GET {BOX}/health HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    first.read_exact(&mut [0; 15]).unwrap();
    let mut second = connect(&relay);
    let mut all = Vec::new();
    second.read_to_end(&mut all).unwrap();
    let answer = Answer::of(&all);
    assert_eq!((answer.status, answer.header("x-blaxel-dispatch-state")), (503, Some("not_dispatched")));
    assert_eq!(answer.header("content-length"), Some(answer.body.len().to_string().as_str()));
}

#[test]
fn a_client_that_reads_nothing_stands_in_nobodys_way() {
    let script = Script::new().on("GET", &format!("{BOX}/port/1/flood"), Step::ok(Body::endless("x")));
    let platform = FaultServer::start(script.then(Step::ok("here"))).unwrap();
    let relay = start(settings(plain(&platform.url())));
    let silent: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = connect(&relay);
            write!(stream, "GET {BOX}/port/1/flood HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    platform.wait_for_arrivals(20).wait().unwrap();
    for _ in 0..20 {
        assert_eq!(get(&relay, "/health").text(), "here");
    }
    drop(silent);
    platform.wait_for_cancelled(20).wait().unwrap();
}

#[test]
fn a_thousand_clients_are_served_at_once() {
    let script = Script::new().step(Step::status(503).times(100)).then(Step::ok("here"));
    let platform = FaultServer::start(script).unwrap();
    // Every read has more attempts than there are refusals.
    let patient = plain(&platform.url()).retries(100);
    let relay = start(settings(patient));
    let mut clients: Vec<_> = (0..1_000).map(|_| connect(&relay)).collect();
    for client in &mut clients {
        write!(client, "GET {BOX}/health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    }
    for client in &mut clients {
        let mut all = Vec::new();
        client.read_to_end(&mut all).unwrap();
        let answer = Answer::of(&all);
        assert_eq!((answer.status, answer.text()), (200, "here".to_owned()), "{answer:?}");
    }
    // A read goes out once more where its platform is silent for long.
    let arrived = platform.arrivals().len();
    assert!((1_100..=2_200).contains(&arrived), "{arrived}");
}

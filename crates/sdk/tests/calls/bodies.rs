//! Bodies that are sent, and whether they can be sent again (B18, D36, D39).

use std::io::Write;

use futures_util::stream;
use reveille::{Body, StopReason};
use reveille_faults::{Code, End, FaultServer, Script, Step};

use crate::harness::{BOTH, HTTP2, client, everywhere};

fn window() -> Script {
    Script::new().step(Step::status(503)).then(Step::ok("done"))
}

#[test]
fn b18_a_read_with_a_body_is_tried_again_where_the_body_can_be() {
    everywhere(BOTH, window, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/").body("query");
        way.finish(fetch.with_history()).unwrap();
        let sent = server.arrivals_of("GET");
        assert_eq!((sent.len(), sent[1].body.length), (2, 5), "{way:?}");
        assert_eq!(sent[0].body.sha256, sent[1].body.sha256);
    });
}

#[test]
fn d39_a_stream_is_sent_once_and_says_why() {
    everywhere(BOTH, window, |server, client, way| {
        let body = Body::stream(stream::iter([Ok("once".into())]));
        let fetch = client.sandbox("box").network().fetch(3000, "/").body(body);
        let (page, _) = way.finish(fetch.with_history()).unwrap();
        assert_eq!(page.stop_reason(), Some(StopReason::BodyOnce), "{way:?}");
        assert_eq!(server.arrivals().len(), 1, "{way:?}");
    });
}

#[test]
fn d39_a_stream_is_sent_once_even_with_a_proof() {
    let script = || Script::new().step(Step::reset_stream(Code::REFUSED_STREAM)).then(Step::ok(""));
    everywhere(HTTP2, script, |server, client, way| {
        let body = Body::stream(stream::iter([Ok("once".into())]));
        let fetch = client.sandbox("box").network().fetch(3000, "/").post().body(body);
        let error = way.finish(fetch.with_history()).unwrap_err();
        assert_eq!((error.stop_reason(), error.may_have_run()), (Some(StopReason::BodyOnce), false));
        assert_eq!(server.arrivals().len(), 1);
    });
}

#[test]
fn d39_a_body_that_is_made_anew_is_sent_again() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&vec![b'x'; 200_000]).unwrap();
    everywhere(BOTH, window, |server, client, way| {
        let fetch =
            client.sandbox("box").network().fetch(3000, "/").put().vouched().body(Body::file(file.path()));
        way.finish(fetch.with_history()).unwrap();
        let lengths: Vec<u64> = server.arrivals().iter().map(|arrival| arrival.body.length).collect();
        assert_eq!(lengths, [200_000, 200_000], "{way:?}");
    });
}

#[test]
fn a_body_that_cannot_be_read_is_the_callers_fault() {
    let server = FaultServer::start(window()).unwrap();
    let network = client(&server).sandbox("box").network();
    let error = network.fetch(3000, "/").post().body(Body::file("/no/such/file")).wait().unwrap_err();
    assert_eq!((error.kind(), error.may_have_run()), (reveille::ErrorKind::Input, false));
    assert!(server.arrivals().is_empty());
}

#[test]
fn d36_a_typed_read_never_sees_bytes_of_a_broken_attempt() {
    let cut = r#"{"mounts":[{"driveName":"a","mountPath":"/a"}]}"#;
    let script =
        || Script::new().step(Step::ok(cut).cut_body(14, End::Close)).then(Step::ok(r#"{"mounts":[]}"#));
    everywhere(BOTH, script, |server, client, way| {
        let (mounts, history) = way.finish(client.sandbox("box").drives().list().with_history()).unwrap();
        assert_eq!((mounts.len(), history.to_string().as_str()), (0, "body cut, 200"));
        assert_eq!(server.arrivals().len(), 2);
    });
}

#[test]
fn a_stream_of_a_known_length_says_it_and_is_held_to_it() {
    let pieces = || stream::iter([Ok("ab".into()), Ok("cd".into())]);
    everywhere(
        BOTH,
        || Step::ok("").into(),
        |server, client, way| {
            let post =
                client.sandbox("box").network().fetch(3000, "/").post().body(Body::stream_of(4, pieces()));
            way.finish(post.with_history()).unwrap();
            let arrival = &server.arrivals()[0];
            assert_eq!((arrival.body.length, arrival.header("content-length")), (4, Some("4")), "{way:?}");
        },
    );
    for said in [3, 5] {
        let server = FaultServer::start(Step::ok("")).unwrap();
        let post = client(&server).sandbox("box").network().fetch(3000, "/").post();
        let ended = post.body(Body::stream_of(said, pieces())).wait();
        assert_eq!(ended.unwrap_err().kind(), reveille::ErrorKind::Input, "{said}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_is_sent_to_its_end_whatever_length_it_tells_and_a_pipe_is_none() {
    everywhere(
        BOTH,
        || Script::new().then(Step::ok("done")),
        |server, client, way| {
            let post =
                |path: &str| client.sandbox("box").network().fetch(3000, "/").post().body(Body::file(path));
            way.finish(post("/proc/version").with_history()).unwrap();
            assert_eq!(
                server.arrivals()[0].body.length,
                std::fs::read("/proc/version").unwrap().len() as u64
            );
            let (reader, _writer) = std::io::pipe().unwrap();
            let pipe = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&reader));
            let error = way.finish(post(&pipe).with_history()).unwrap_err();
            assert!(!error.may_have_run() && error.to_string().contains("could not be read"), "{error}");
            assert_eq!(server.arrivals().len(), 1);
        },
    );
}

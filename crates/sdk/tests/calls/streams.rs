//! Streams: they start like any other call, and end with the thing or with an error that says how far it came.

use futures_util::StreamExt;
use reveille::{Error, ErrorKind, StopReason};
use reveille_faults::{Body, End, FaultServer, Script, Step};

use crate::harness::{BOTH, client, everywhere};

#[test]
fn a_download_survives_the_window_and_comes_in_pieces() {
    let script = || Script::new().step(Step::status(503)).then(Step::ok(Body::repeat("x", 1_000_000)));
    everywhere(BOTH, script, |server, client, way| {
        let call = client.sandbox("box").network().fetch(3000, "/file").stream();
        let (download, history) = way.finish(call.with_history()).unwrap();
        assert_eq!((history.to_string().as_str(), download.content_length()), ("503, 200", Some(1_000_000)));
        let sizes: Result<Vec<usize>, Error> = download.into_iter().map(|piece| Ok(piece?.len())).collect();
        assert_eq!(sizes.unwrap().iter().sum::<usize>(), 1_000_000, "{way:?}");
        assert_eq!(server.arrivals().len(), 2);
    });
}

#[test]
fn d33_a_download_that_breaks_says_how_much_has_come() {
    for received in [0, 1, 99_999] {
        let script = || Script::from(Step::ok(Body::repeat("x", 100_000)).cut_body(received, End::Close));
        everywhere(BOTH, script, |server, client, way| {
            let call = client.sandbox("box").network().fetch(3000, "/file").stream();
            let (download, _) = way.finish(call.with_history()).unwrap();
            let error = download.into_iter().find_map(Result::err).unwrap();
            assert_eq!(error.kind(), ErrorKind::Interrupted);
            assert!(error.to_string().contains(&format!("after {received} of 100000 bytes")), "{error}");
            assert_eq!(server.arrivals().len(), 1);
        });
    }
}

#[test]
fn a_download_gives_the_last_status_when_the_retries_are_spent() {
    let server = FaultServer::start(Script::from(Step::status(503).body("asleep"))).unwrap();
    let download = client(&server).sandbox("box").network().fetch(3000, "/file").stream().wait().unwrap();
    assert_eq!((download.status().as_u16(), download.stop_reason()), (503, Some(StopReason::Exhausted)));
    let body: Vec<u8> = download.into_iter().flat_map(|piece| piece.unwrap()).collect();
    assert_eq!(body, b"asleep");
}

#[test]
fn e40_a_download_that_is_dropped_is_ended_at_the_server() {
    everywhere(
        BOTH,
        || Step::ok(Body::endless("x")).into(),
        |server, client, way| {
            let call = client.sandbox("box").network().fetch(3000, "/file").stream();
            let (download, _) = way.finish(call.with_history()).unwrap();
            drop(download);
            server.wait_for_cancelled(1).wait().unwrap();
        },
    );
}

#[tokio::test]
async fn a_stream_is_read_on_the_callers_runtime() {
    let server = FaultServer::start(Step::ok(Body::repeat("x", 300_000))).unwrap();
    let mut download = client(&server).sandbox("box").network().fetch(3000, "/").stream().await.unwrap();
    let mut total = 0;
    while let Some(piece) = download.next().await {
        total += piece.unwrap().len();
    }
    assert_eq!(total, 300_000);
}

//! Section A, points 9 and 10: what only HTTP/2 can say.

use reveille::{Dispatch, Proof};
use reveille_faults::{Code, End, GoAway, Moment, Script, Step};

use crate::harness::{HTTP2, everywhere};

fn then_ok(fault: Step) -> Script {
    Script::new().step(fault).then(Step::ok("done"))
}

#[test]
fn a9_a_goaway_that_does_not_cover_the_stream_proves_whatever_its_reason() {
    for code in [Code::NO_ERROR, Code::ENHANCE_YOUR_CALM, Code::INTERNAL_ERROR] {
        let script = || then_ok(Step::goaway(GoAway::not_covering().code(code)));
        everywhere(HTTP2, script, |server, client, way| {
            let fetch = client.sandbox("box").network().fetch(3000, "/").post().body("order");
            let (page, history) = way.finish(fetch.with_history()).unwrap();
            assert_eq!(
                (page.text().as_ref(), history.to_string().as_str()),
                ("done", "goaway, 200"),
                "{code}"
            );
            let first = history.iter().next().unwrap().dispatch;
            assert_eq!(first, Dispatch::NotDispatched(Proof::GoAway), "{code}");
            assert_eq!((server.arrivals_of("POST").len(), server.counts().connections), (2, 2), "{code}");
        });
    }
}

#[test]
fn a9_a_goaway_that_covers_the_stream_is_waited_out() {
    let sudden = || Step::goaway(GoAway::covering().then_answer(Step::ok("late")));
    let graceful = || Step::goaway(GoAway::covering().graceful().then_answer(Step::ok("late")));
    for fault in [sudden as fn() -> Step, graceful] {
        everywhere(
            HTTP2,
            || then_ok(fault()),
            |server, client, way| {
                let fetch = client.sandbox("box").network().fetch(3000, "/").post();
                let (page, history) = way.finish(fetch.with_history()).unwrap();
                assert_eq!((page.text().as_ref(), history.len(), server.arrivals().len()), ("late", 1, 1));
            },
        );
    }
}

#[test]
fn a9_a_connection_that_ends_under_a_covered_stream_proves_nothing() {
    let script = || then_ok(Step::goaway(GoAway::covering().then(End::Close)));
    everywhere(HTTP2, script, |server, client, way| {
        let network = client.sandbox("box").network();
        let error = way.finish(network.fetch(3000, "/").post().with_history()).unwrap_err();
        assert!(error.may_have_run(), "{way:?}: {error}");
        assert_eq!(server.arrivals_of("POST").len(), 1);
    });
    everywhere(HTTP2, script, |server, client, way| {
        way.finish(client.sandbox("box").network().fetch(3000, "/").with_history()).unwrap();
        assert_eq!(server.arrivals_of("GET").len(), 2);
    });
}

#[test]
fn a10_a_refused_stream_proves_that_nothing_ran() {
    let script = || then_ok(Step::reset_stream(Code::REFUSED_STREAM));
    everywhere(HTTP2, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/").post().body("order");
        let (_, history) = way.finish(fetch.with_history()).unwrap();
        assert_eq!(history.to_string(), "stream refused, 200");
        assert_eq!(server.arrivals_of("POST").len(), 2);
    });
}

#[test]
fn a10_other_stream_resets_prove_nothing() {
    let codes = [
        Code::INTERNAL_ERROR,
        Code::CANCEL,
        Code::ENHANCE_YOUR_CALM,
        Code::NO_ERROR,
        Code::HTTP_1_1_REQUIRED,
        Code::PROTOCOL_ERROR,
    ];
    for code in codes {
        everywhere(
            HTTP2,
            || then_ok(Step::reset_stream(code)),
            |server, client, way| {
                let network = client.sandbox("box").network();
                let error = way.finish(network.fetch(3000, "/").post().with_history()).unwrap_err();
                assert!(error.may_have_run(), "{code} {way:?}: {error}");
                assert_eq!(server.arrivals_of("POST").len(), 1, "{code}");
            },
        );
        everywhere(
            HTTP2,
            || then_ok(Step::reset_stream(code)),
            |server, client, way| {
                way.finish(client.sandbox("box").network().fetch(3000, "/").with_history()).unwrap();
                assert_eq!(server.arrivals_of("GET").len(), 2, "{code}");
            },
        );
    }
}

#[test]
fn a10_a_peer_that_always_drains_ends_with_the_budget() {
    let script = || Script::from(Step::goaway(GoAway::not_covering()));
    everywhere(HTTP2, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/").post();
        let error = way.finish(fetch.with_history()).unwrap_err();
        assert_eq!((error.attempts(), error.may_have_run()), (6, false));
        assert_eq!((server.arrivals_of("POST").len(), server.counts().connections), (6, 6));
    });
}

#[test]
fn a5_a_reset_of_the_connection_proves_nothing() {
    everywhere(
        HTTP2,
        || then_ok(Step::reset(Moment::AfterRequest)),
        |server, client, way| {
            let network = client.sandbox("box").network();
            let error = way.finish(network.fetch(3000, "/").post().with_history()).unwrap_err();
            assert!(error.may_have_run(), "{way:?}: {error}");
            assert_eq!(server.arrivals_of("POST").len(), 1);
        },
    );
}

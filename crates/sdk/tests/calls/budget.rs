//! Section C: budget and time.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reveille::{ErrorKind, RetryPolicy, Seen, StopReason};
use reveille_faults::{FaultServer, Moment, Script, Step};

use crate::harness::{BOTH, HTTP1, client, everywhere, in_time, quick};

#[test]
fn c26_the_budget_counts_retries_and_nothing_else() {
    for (retries, arrivals) in [(0, 1), (1, 2), (5, 6)] {
        everywhere(
            BOTH,
            || Step::status(503).into(),
            |server, client, way| {
                let fetch =
                    client.sandbox("box").network().fetch(3000, "/").retry(quick().with_retries(retries));
                let (page, _) = way.finish(fetch.with_history()).unwrap();
                assert_eq!(server.arrivals().len(), arrivals, "{retries} {way:?}");
                let stop = if retries == 0 { StopReason::RetriesOff } else { StopReason::Exhausted };
                assert_eq!(page.stop_reason(), Some(stop));
            },
        );
    }
}

#[test]
fn c26_no_retry_is_a_budget_of_none() {
    everywhere(
        HTTP1,
        || Step::reset(Moment::AfterRequest).into(),
        |server, client, way| {
            let call = client.sandbox("box").system().health().no_retry().with_history();
            let error = way.finish(call).unwrap_err();
            assert_eq!((error.attempts(), server.arrivals().len()), (1, 1));
            assert!(error.is_retryable(), "{error}");
        },
    );
}

#[test]
fn c26_all_causes_share_the_budget() {
    let script = || {
        let head = Script::new().step(Step::status(503)).step(Step::reset(Moment::AfterRequest));
        head.step(Step::close(Moment::AfterRequest)).then(Step::status(429))
    };
    everywhere(HTTP1, script, |server, client, way| {
        let call = client.sandbox("box").system().health().with_history();
        let error = way.finish(call).unwrap_err();
        assert_eq!(error.history().unwrap().to_string(), "503, reset, closed, 429, 429, 429");
        assert_eq!(server.arrivals().len(), 6);
        assert!(!error.is_retryable(), "the retries were made already");
    });
}

#[test]
fn c30_a_deadline_that_leaves_no_time_for_the_wait_ends_the_call_before_it() {
    let patient =
        RetryPolicy::builder().base(Duration::from_secs(600)).cap(Duration::from_secs(600)).build().unwrap();
    let deadline = Duration::from_secs(60);
    everywhere(
        BOTH,
        || Step::status(503).into(),
        |server, client, way| {
            let began = Instant::now();
            let call = client.sandbox("box").system().health().retry(patient).deadline(deadline);
            let error = way.finish(call.with_history()).unwrap_err();
            assert_eq!((error.stop_reason(), server.arrivals().len()), (Some(StopReason::Deadline), 1));
            assert!(began.elapsed() < deadline, "it did not wait for nothing");
        },
    );
}

#[test]
fn c30_a_deadline_cuts_an_attempt_in_flight() {
    everywhere(
        BOTH,
        || Step::hang(Moment::AfterRequest).into(),
        |server, client, way| {
            let network = client.sandbox("box").network();
            in_time(|deadline| {
                let read = network.fetch(3000, "/").deadline(deadline);
                let error = way.finish(read.with_history()).unwrap_err();
                assert_eq!(error.stop_reason(), Some(StopReason::Deadline), "{way:?}: {error}");
                (!server.arrivals().is_empty()).then_some(())
            });
            in_time(|deadline| {
                let mutation = network.fetch(3000, "/").post().deadline(deadline);
                let error = way.finish(mutation.with_history()).unwrap_err();
                assert_eq!(error.stop_reason(), Some(StopReason::Deadline), "{way:?}: {error}");
                assert!(error.attempts() <= 1, "{way:?}: {error}");
                error.may_have_run().then_some(())
            });
        },
    );
}

#[test]
fn c30_a_deadline_cuts_a_body() {
    let server = FaultServer::start(Step::ok("x").delay_body(Duration::from_secs(60))).unwrap();
    let fetch = client(&server).sandbox("box").network().fetch(3000, "/").deadline(Duration::from_millis(60));
    let error = fetch.wait().unwrap_err();
    assert_eq!((error.kind(), error.stop_reason()), (ErrorKind::Unavailable, Some(StopReason::Deadline)));
}

#[test]
fn c30_an_attempt_timeout_leaves_room_for_another() {
    let script = || Script::new().step(Step::hang(Moment::AfterRequest)).then(Step::ok("ok"));
    everywhere(BOTH, script, |_, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/").retry(quick().with_retries(1_000));
        let fetch = fetch.attempt_timeout(Duration::from_millis(100));
        let (_, history) = way.finish(fetch.with_history()).unwrap();
        // On a machine that is busy with much else, another attempt may take as long.
        let told = history.to_string();
        let before = told.strip_suffix("attempt time-out, 200").unwrap_or_else(|| panic!("{told}"));
        assert!(before.split(", ").all(|seen| seen.is_empty() || seen == "attempt time-out"), "{told}");
    });
    let hang = || Step::hang(Moment::AfterRequest).into();
    everywhere(BOTH, hang, |server, client, way| {
        in_time(|most| {
            let fetch = client.sandbox("box").network().fetch(3000, "/").post().attempt_timeout(most);
            way.finish(fetch.with_history()).unwrap_err().may_have_run().then_some(())
        });
        assert_eq!(server.wait_for_arrivals(1).wait().unwrap().len(), 1);
    });
}

#[test]
fn a_deadline_of_nothing_sends_nothing() {
    let server = FaultServer::start(Step::ok("")).unwrap();
    let fetch = client(&server).sandbox("box").network().fetch(3000, "/").deadline(Duration::ZERO);
    assert_eq!(fetch.wait().unwrap_err().stop_reason(), Some(StopReason::Deadline));
    assert!(server.arrivals().is_empty());
}

#[test]
fn every_attempt_is_told_as_it_ends() {
    everywhere(
        BOTH,
        || Script::new().step(Step::status(503)).then(Step::ok("{}")),
        |_, client, way| {
            let told = Arc::new(Mutex::new(Vec::new()));
            let ear = Arc::clone(&told);
            let hook = move |attempt: &reveille::Attempt| ear.lock().unwrap().push(*attempt);
            way.finish(client.sandbox("box").system().health().on_attempt(hook).with_history()).unwrap();
            let told = told.lock().unwrap();
            assert!(matches!(told[0].seen, Seen::Status(status) if status.as_u16() == 503));
            assert!(told[0].wait >= Duration::from_millis(1) && told[1].wait.is_zero());
            assert_eq!(told.len(), 2);
        },
    );
}

#[test]
fn the_standby_preset_waits_as_long_as_the_window_lasts() {
    let window = Step::status(503).lasting(Duration::from_millis(700));
    let server = FaultServer::start(Script::new().step(window).then(Step::ok("awake"))).unwrap();
    let fetch = client(&server).sandbox("box").network().fetch(3000, "/").retry(RetryPolicy::standby());
    assert_eq!(fetch.wait().unwrap().text(), "awake");
}

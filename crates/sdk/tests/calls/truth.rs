//! What an answer or an error says of the request is true.

use std::time::Duration;

use reveille::{AnsweredBy, ErrorKind, Method, Replay, RetryPolicy, Site, StopReason};
use reveille_faults::{Body, End, FaultServer, Moment, Script, Step};

use crate::harness::{BOTH, HTTP1, client, everywhere, in_time, quick};

#[test]
fn a_vouched_request_that_met_the_window_before_its_answer_may_have_run() {
    let script = || Script::new().step(Step::status(503)).then(Step::status(409));
    everywhere(BOTH, script, |_, client, way| {
        let put = client.sandbox("box").network().fetch(3000, "/").put().vouched();
        let (page, _) = way.finish(put.with_history()).unwrap();
        assert_eq!((page.status().as_u16(), page.stop_reason()), (409, None));
        assert!(page.may_have_run());
        let error = page.error_for_status().unwrap_err();
        assert!(error.may_have_run() && error.kind() == ErrorKind::Conflict, "{error}");
    });
}

#[test]
fn a_read_never_may_have_run_and_an_answered_mutation_says_itself_what_it_did() {
    let server = FaultServer::start(Step::status(409)).unwrap();
    let network = client(&server).sandbox("box").network();
    assert!(!network.fetch(3000, "/").post().wait().unwrap().may_have_run());
    let server = FaultServer::start(Step::status(503)).unwrap();
    let network = client(&server).sandbox("box").network();
    assert!(!network.fetch(3000, "/").wait().unwrap().may_have_run());
    assert!(network.fetch(3000, "/").post().wait().unwrap().may_have_run());
    assert!(network.fetch(3000, "/").post().stream().wait().unwrap().may_have_run());
}

#[test]
fn what_was_said_of_repeats_survives_what_is_said_of_the_method() {
    let request = |server: &FaultServer| client(server).sandbox("box").network().fetch(3000, "/");
    let arrivals = |server: &FaultServer| server.arrivals().len();
    let window = || FaultServer::start(Script::new().step(Step::status(503)).then(Step::ok(""))).unwrap();

    let server = window();
    request(&server).mutation().get().wait().unwrap();
    assert_eq!(arrivals(&server), 1, "a mutation stays one");
    let server = window();
    request(&server).vouched().post().wait().unwrap();
    assert_eq!(arrivals(&server), 2, "what is vouched for stays so");
    let server = window();
    request(&server).post().replay(Replay::Read).method(Method::PUT).wait().unwrap();
    assert_eq!(arrivals(&server), 2, "a declared read stays one");
    let server = window();
    assert!(!request(&server).vouched().wait().unwrap().may_have_run(), "a read stays one");
}

#[test]
fn a_request_without_a_type_is_a_read_by_its_method_alone() {
    for (method, arrivals) in [("GET", 2), ("HEAD", 2), ("OPTIONS", 2), ("POST", 1), ("get", 1), ("QUERY", 1)]
    {
        let server = FaultServer::start(Script::new().step(Step::status(503)).then(Step::ok(""))).unwrap();
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        client(&server).sandbox("box").request(method.clone(), "/novel").wait().unwrap();
        client(&server).request(method.clone(), "/novel").wait().unwrap();
        assert_eq!(server.arrivals().len(), arrivals + 1, "{method}");
        assert_eq!(server.arrivals()[arrivals - 1].path(), "/acme/sandboxes/box/novel");
        assert_eq!(server.arrivals()[arrivals].path(), "/novel");
    }
}

#[test]
fn a_request_without_a_type_stays_within_its_sandbox_and_keeps_its_query() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let sandbox = client(&server).sandbox("box");
    sandbox
        .request(Method::GET, "../other/health?a=b%2Fc")
        .header("x-own", "1")
        .query("d", "e")
        .wait()
        .unwrap();
    assert_eq!(server.arrivals()[0].target, "/acme/sandboxes/box/other/health?a=b%2Fc&d=e");
    assert_eq!(server.arrivals()[0].header("x-own"), Some("1"));
}

#[test]
fn an_answer_says_who_made_it() {
    let server = FaultServer::start(Step::status(404).body(r#"{"error":"no such thing"}"#)).unwrap();
    let client = client(&server);
    let page = client.sandbox("box").network().fetch(3000, "/").wait().unwrap();
    assert_eq!((page.answered_by(), page.explanation().as_deref()), (AnsweredBy::App, Some("no such thing")));
    let error = client.sandbox("box").system().health().wait().unwrap_err();
    assert_eq!((error.answered_by(), error.site()), (Some(AnsweredBy::Agent), Some(Site::Agent)));
    let error = client.sandboxes().get("box").wait().unwrap_err();
    assert_eq!((error.answered_by(), error.site()), (Some(AnsweredBy::Platform), Some(Site::ControlPlane)));
    assert_eq!((error.method(), error.path()), (Some(&Method::GET), Some("/sandboxes/box")));
    let gateways = Step::status(404).header("x-blaxel-source", "platform");
    let server = FaultServer::start(Script::from(gateways)).unwrap();
    let page = crate::harness::client(&server).sandbox("box").network().fetch(3000, "/").wait().unwrap();
    assert_eq!(page.answered_by(), AnsweredBy::Platform);
}

#[test]
fn an_apps_last_word_is_kept_when_the_retries_are_spent() {
    let script = || Step::status(503).body(r#"{"error":"the database is away"}"#).into();
    everywhere(HTTP1, script, |_, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/");
        let (page, _) = way.finish(fetch.with_history()).unwrap();
        assert_eq!((page.answered_by(), page.stop_reason()), (AnsweredBy::App, Some(StopReason::Exhausted)));
        let error = page.error_for_status().unwrap_err();
        assert_eq!(error.answered_by(), Some(AnsweredBy::App));
        let said = error.to_string();
        assert!(said.ends_with("503): the database is away; stopped: retries spent"), "{said}");
    });
    let server = FaultServer::start(Step::status(503).body(r#"{"error":"away"}"#)).unwrap();
    let begun = client(&server).sandbox("box").network().fetch(3000, "/").stream().wait().unwrap();
    assert_eq!(begun.error_for_status().unwrap_err().explanation(), Some("away"));
}

#[test]
fn a_page_that_is_cut_keeps_what_came_of_it_and_whose_it_is() {
    let script = || Step::ok("0123456789").cut_body(4, End::Close).into();
    everywhere(BOTH, script, |server, client, way| {
        let fetch = client.sandbox("box").network().fetch(3000, "/");
        let error = way.finish(fetch.with_history()).unwrap_err();
        assert_eq!((error.answered_by(), error.status().unwrap().as_u16()), (Some(AnsweredBy::App), 200));
        assert_eq!(&error.body().unwrap()[..], b"0123");
        assert_eq!(server.arrivals().len(), 6);
    });
}

#[test]
fn a_page_that_is_slow_keeps_what_came_of_it() {
    let server = FaultServer::start(Step::ok("0123456789").cut_body(4, End::Hang)).unwrap();
    let came = in_time(|deadline| {
        let fetch = client(&server).sandbox("box").network().fetch(3000, "/").deadline(deadline);
        let error = fetch.wait().unwrap_err();
        assert_eq!(error.stop_reason(), Some(StopReason::Deadline));
        error.body().filter(|came| !came.is_empty()).cloned()
    });
    assert_eq!(&came[..], b"0123");
}

#[test]
fn a_deadline_ends_a_stream_that_always_has_more() {
    let server = FaultServer::start(Step::ok(Body::endless("x"))).unwrap();
    let last = in_time(|deadline| {
        let stream = client(&server).sandbox("box").network().fetch(3000, "/").deadline(deadline);
        stream.stream().wait().ok()?.into_iter().last()
    });
    let error = last.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert!(error.to_string().contains("out of time"), "{error}");
}

#[test]
fn a_clients_deadline_bounds_calls_streams_and_executions() {
    let server = FaultServer::start(Step::ok(Body::endless("\n"))).unwrap();
    let last = in_time(|deadline| {
        let client = crate::harness::builder(&server.url()).deadline(deadline).build().unwrap();
        client.sandbox("box").processes().exec("yes").stream().wait().ok()?.into_iter().last()
    });
    let error = last.unwrap_err();
    assert!(error.to_string().contains("out of time"), "{error}");
    let server = FaultServer::start(Step::hang(Moment::AfterRequest)).unwrap();
    let builder = crate::harness::builder(&server.url()).deadline(Duration::from_millis(100));
    let error = builder.build().unwrap().sandbox("box").system().health().wait().unwrap_err();
    assert_eq!(error.stop_reason(), Some(StopReason::Deadline));
}

#[test]
fn what_is_printed_of_a_response_for_debugging_is_what_happened() {
    let server = FaultServer::start(Script::new().step(Step::status(503)).then(Step::ok("page"))).unwrap();
    let page = client(&server).sandbox("box").network().fetch(3000, "/").wait().unwrap();
    let shown = format!("{page:?}");
    assert_eq!(shown.matches("Attempt {").count(), 2, "{shown}");
}

#[test]
fn a_policy_of_the_client_keeps_what_a_number_of_retries_does_not_say() {
    let server = FaultServer::start(Step::status(503)).unwrap();
    let client = crate::harness::builder(&server.url()).retries(2).build().unwrap();
    assert_eq!(client.policy(), quick().with_retries(2));
    assert_eq!(client.sandbox("box").system().health().wait().unwrap_err().attempts(), 3);
    assert_ne!(client.policy(), RetryPolicy::new().with_retries(2));
}

#[test]
fn a_list_is_followed_from_page_to_page_and_one_that_cannot_be_says_so() {
    let page = |meta: &str| Step::ok(format!(r#"{{"data":[{{}}],"meta":{meta}}}"#));
    // (the pages, how many are read, what is said at the end)
    let onward = |cursor: &str| page(&format!(r#"{{"hasMore":true,"nextCursor":"{cursor}"}}"#));
    let rows = [
        (Script::new().step(onward("a")).step(Step::status(503)).step(onward("b")).then(page("{}")), 3, None),
        (Script::from(page(r#"{"hasMore":true}"#)), 1, Some("goes on, and not where")),
        (Script::new().step(onward("a")).then(onward("a")), 2, Some("goes on, and not where")),
        (Script::new().step(onward("a")).then(Step::status(403)), 1, Some("403")),
    ];
    for (script, read, said) in rows {
        let server = FaultServer::start(script).unwrap();
        let mut pages = client(&server).sandboxes().list().limit(1).pages().into_iter();
        let count = pages.by_ref().take_while(Result::is_ok).count();
        // `take_while` has eaten the error: the server tells what was asked for.
        assert!(pages.next().is_none(), "nothing comes after an error or the end");
        assert_eq!(count, read, "{said:?}");
        let error = client(&server).sandboxes().list().pages().into_iter().find_map(Result::err);
        match said {
            Some(said) => assert!(error.unwrap().to_string().contains(said), "{said}"),
            None => assert!(error.is_none()),
        }
    }
    let server = FaultServer::start(Script::new().step(onward("a b")).then(page("{}"))).unwrap();
    assert_eq!(client(&server).sandboxes().list().limit(7).pages().into_iter().count(), 2);
    let targets: Vec<_> = server.arrivals().iter().map(|arrival| arrival.target.clone()).collect();
    assert_eq!(targets, ["/sandboxes?limit=7", "/sandboxes?limit=7&cursor=a%20b"]);
}

#[test]
fn a_typed_read_never_takes_a_cut_body_for_an_empty_result() {
    let whole =
        r#"{"pid":7,"ports":[{"pid":7,"localPort":3000}],"mounts":[{"driveName":"a","mountPath":"/a"}]}"#;
    for cut in 0..whole.len() {
        let cut = u64::try_from(cut).unwrap();
        let once = || {
            let script = Script::new().step(Step::ok(whole).cut_body(cut, End::Close)).then(Step::ok(whole));
            FaultServer::start(script).unwrap()
        };
        let server = once();
        let sockets = client(&server).sandbox("box").ports().of(7).wait().unwrap();
        assert_eq!((sockets.len(), server.arrivals().len()), (1, 2), "cut at {cut}");
        let server = once();
        let mounts = client(&server).sandbox("box").drives().list().wait().unwrap();
        assert_eq!((mounts.len(), server.arrivals().len()), (1, 2), "cut at {cut}");
    }
}

//! Access tokens: what a failure to get one says of a call, who shares it, and who may throw a token away.

use std::future::IntoFuture;

use futures_util::future::join_all;
use reveille::{Client, Error, ErrorKind};
use reveille_faults::{FaultServer, Moment, Script, Step, Steps};

use crate::harness::quick;

const GRANT: &str = r#"{"access_token":"t","expires_in":3600}"#;

fn client(server: &FaultServer) -> Client {
    let builder = Client::builder().client_credentials("id", "secret").workspace("acme").retry(quick());
    builder.no_probe().api_url(server.url()).run_url(server.url()).build().unwrap()
}

#[test]
fn a_call_whose_token_was_not_to_be_had_was_not_sent() {
    type Row = (fn() -> Step, ErrorKind, usize);
    let rows: [Row; 4] = [
        (|| Step::reset(Moment::AfterRequest), ErrorKind::Unavailable, 6),
        (|| Step::status(503).into(), ErrorKind::Unavailable, 6),
        (|| Step::status(401).into(), ErrorKind::Denied, 1),
        (|| Step::ok("<html>").into(), ErrorKind::Decode, 1),
    ];
    for (answer, kind, asked) in rows {
        let server = FaultServer::start(Script::from(answer())).unwrap();
        let sandbox = client(&server).sandbox("box");
        let read = sandbox.system().health().wait().unwrap_err();
        let mutation = sandbox.drives().mount("data", "/mnt/data").wait().unwrap_err();
        for error in [&read, &mutation] {
            assert_eq!((error.kind(), error.attempts()), (kind, 0), "{error}");
            assert!(!error.may_have_run(), "{error}");
        }
        let said = mutation.to_string();
        assert!(said.starts_with("POST /drives/mount: no access token: POST /oauth/token: "), "{said}");
        assert!(said.ends_with("it was not sent"), "{said}");
        assert!(server.arrivals().iter().all(|arrival| arrival.path() == "/oauth/token"));
        assert_eq!(server.arrivals().len(), 2 * asked);
    }
}

#[test]
fn a_vouched_call_that_was_sent_before_its_token_was_gone_may_have_run() {
    let used_up = r#"{"access_token":"t","expires_in":0}"#;
    let tokens = Steps::new().step(Step::ok(used_up)).then(Step::status(403));
    let server =
        FaultServer::start(Script::new().on("POST", "/oauth/token", tokens).on("*", "/", Step::status(503)))
            .unwrap();
    let put = client(&server).sandbox("box").network().fetch(3000, "/").put().vouched();
    let error = put.wait().unwrap_err();
    assert!(error.may_have_run(), "{error}");
    assert_eq!((error.kind(), error.history().unwrap().to_string().as_str()), (ErrorKind::Denied, "503"));
}

#[tokio::test]
async fn callers_that_wait_for_one_token_share_its_failure() {
    let server = FaultServer::start(Step::status(503)).unwrap();
    let client = client(&server);
    let calls = (0..10).map(|_| client.sandbox("box").system().health().into_future());
    let errors: Vec<Error> = join_all(calls).await.into_iter().map(Result::unwrap_err).collect();
    assert!(errors.iter().all(Error::is_unavailable));
    assert_eq!(server.arrivals().len(), 6, "one token was asked for, as often as a read is tried");
    // A failure is shared, and not kept.
    assert!(client.sandbox("box").system().health().await.is_err());
    assert_eq!(server.arrivals().len(), 12);
}

#[test]
fn an_apps_own_401_leaves_the_token_where_it_is() {
    let script = Script::new().on("POST", "/oauth/token", Step::ok(GRANT)).on("*", "/", Step::status(401));
    let server = FaultServer::start(script).unwrap();
    let sandbox = client(&server).sandbox("box");
    for _ in 0..3 {
        assert_eq!(sandbox.network().fetch(3000, "/private").wait().unwrap().status().as_u16(), 401);
    }
    assert_eq!(server.arrivals_of("POST").len(), 1);
    // The agent's 401 is the platform's word.
    assert!(sandbox.system().health().wait().is_err() && sandbox.system().health().wait().is_err());
    assert_eq!(server.arrivals_of("POST").len(), 2);
}

#[test]
fn the_platforms_401_in_place_of_an_app_throws_the_token_away() {
    let refused = Step::status(401).header("x-blaxel-source", "platform");
    let script = Script::new().on("POST", "/oauth/token", Step::ok(GRANT)).on("*", "/", refused);
    let server = FaultServer::start(script).unwrap();
    let sandbox = client(&server).sandbox("box");
    for _ in 0..2 {
        assert_eq!(sandbox.network().fetch(3000, "/").wait().unwrap().status().as_u16(), 401);
    }
    assert_eq!(server.arrivals_of("POST").len(), 2);
}

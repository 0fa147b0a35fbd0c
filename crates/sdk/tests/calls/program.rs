//! Section E: what a program does around its calls.

use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use reveille::{Client, ErrorKind, RetryPolicy};
use reveille_faults::{FaultServer, Moment, Refusing, Script, Step};

use crate::harness::{BOTH, Way, builder, client, everywhere, quick};

#[tokio::test]
async fn e40_a_call_that_is_dropped_while_it_waits_for_the_head_is_ended_at_the_server() {
    for version in BOTH {
        let server = FaultServer::start(Step::hang(Moment::AfterRequest)).unwrap();
        let client = builder(&server.url()).http_version(*version).build().unwrap();
        let call = client.sandbox("box").network().fetch(3000, "/").into_future();
        tokio::select! {
            _ = call => panic!("it hangs"),
            arrived = server.wait_for_arrivals(1) => drop(arrived.unwrap()),
        }
        server.wait_for_cancelled(1).await.unwrap();
        assert_eq!(server.arrivals().len(), 1);
    }
}

#[tokio::test]
async fn e40_a_call_that_is_dropped_during_its_wait_sends_nothing_more() {
    let server = FaultServer::start(Step::status(503)).unwrap();
    let soon = RetryPolicy::builder().base(Duration::from_millis(80)).jitter(Duration::ZERO).retries(1);
    let soon = soon.build().unwrap();
    let (told, mut waits) = tokio::sync::mpsc::unbounded_channel();
    let hook = move |_: &reveille::Attempt| assert!(told.send(()).is_ok());
    let fetch = client(&server).sandbox("box").network().fetch(3000, "/").retry(soon).on_attempt(hook);
    tokio::select! {
        _ = fetch.into_future() => panic!("it is not done"),
        _ = waits.recv() => {}
    }
    // One that begins to wait later has been repeated when the first would have been.
    let later = client(&server).sandbox("box").network().fetch(3000, "/later").retry(soon).await;
    assert_eq!(later.unwrap().history().len(), 2);
    let paths: Vec<_> = server.arrivals().iter().map(|arrival| arrival.path().to_owned()).collect();
    assert!(paths.len() == 3 && paths[1..].iter().all(|path| path.ends_with("/later")), "{paths:?}");
}

#[test]
fn e40_a_call_that_is_never_awaited_sends_nothing() {
    let server = FaultServer::start(Step::ok("")).unwrap();
    let client = client(&server);
    drop(client.sandbox("box").network().fetch(3000, "/"));
    drop(client.sandbox("box").network().fetch(3000, "/").into_future());
    client.sandbox("box").network().fetch(3000, "/probe").wait().unwrap();
    assert_eq!(server.arrivals().len(), 1);
}

#[test]
fn e41_one_client_outlives_many_runtimes() {
    everywhere(
        BOTH,
        || Step::ok("{}").into(),
        |server, client, _| {
            for way in
                [Way::Awaited, Way::Waited, Way::Awaited, Way::AwaitedOnThreads, Way::WaitedInsideARuntime]
            {
                let (_, history) =
                    way.finish(client.sandbox("box").system().health().with_history()).unwrap();
                assert_eq!(history.len(), 1);
            }
            assert_eq!(server.counts().arrivals, 5);
        },
    );
}

#[test]
fn e41_a_runtime_keeps_its_connections_and_takes_them_with_it() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let client = client(&server);
    for ended in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for _ in 0..4 {
                let (_, history) = client.sandbox("box").system().health().with_history().await.unwrap();
                assert_eq!(history.to_string(), "200");
            }
        });
        assert_eq!(server.counts().connections, ended + 1);
    }
}

#[test]
fn e41_a_thread_that_waits_uses_its_connection_again() {
    // Another test's thread may have taken the runtime from the shelf.
    let used_again = (0..100).any(|_| {
        let server = FaultServer::start(Step::ok("{}")).unwrap();
        let client = client(&server);
        for _ in 0..3 {
            client.sandbox("box").system().health().wait().unwrap();
        }
        server.counts().connections == 1
    });
    assert!(used_again, "every call had a connection of its own");
}

#[test]
fn e41_a_runtime_without_sockets_and_timers_is_no_hindrance() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let client = client(&server);
    let bare = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (_, history) =
        bare().block_on(client.sandbox("box").system().health().with_history().into_future()).unwrap();
    assert_eq!(history.to_string(), "200");
    bare().block_on(async { client.sandbox("box").system().health().wait() }).unwrap();
}

#[test]
fn e41_many_threads_share_one_client() {
    let server =
        FaultServer::start(Script::new().step(Step::status(503).times(20)).then(Step::ok("{}"))).unwrap();
    let client = client(&server);
    let threads: Vec<_> = (0..20)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || {
                client.sandbox("box").system().health().retry(quick().with_retries(50)).wait()
            })
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap().is_ok()));
    assert_eq!(server.arrivals().len(), 40);
}

#[test]
fn e42_a_hook_that_panics_breaks_its_own_call_and_nothing_else() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let client = client(&server);
    let call = client.sandbox("box").system().health().on_attempt(|_| panic!("the caller's own"));
    assert!(catch_unwind(AssertUnwindSafe(|| call.wait())).is_err());
    assert!(client.sandbox("box").system().health().wait().is_ok());
}

#[test]
fn e42_a_hook_may_use_the_client() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let client = client(&server);
    let again = client.clone();
    let hook = move |_: &reveille::Attempt| drop(again.sandbox("box").system().health().wait().unwrap());
    client.sandbox("box").system().health().on_attempt(hook).wait().unwrap();
    assert_eq!(server.arrivals().len(), 2);
}

#[test]
fn e43_the_credentials_are_made_anew_for_each_attempt() {
    // A token without a life is asked for again every time.
    let grant = |n: u32| Step::ok(format!(r#"{{"access_token":"t{n}","expires_in":0}}"#));
    let tokens = reveille_faults::Steps::new().step(grant(1)).step(grant(2)).then(grant(3));
    let health = reveille_faults::Steps::new().step(Step::status(503)).then(Step::ok("{}"));
    let script = Script::new().on("POST", "/oauth/token", tokens).on("GET", "/", health);
    let server = FaultServer::start(script).unwrap();
    let url = server.url();
    let builder =
        Client::builder().client_credentials("id", "secret").workspace("acme").retry(quick()).no_probe();
    let client = builder.api_url(&url).run_url(&url).build().unwrap();
    client.sandbox("box").system().health().wait().unwrap();
    let seen: Vec<_> = server
        .arrivals_of("GET")
        .iter()
        .map(|arrival| arrival.header("x-blaxel-authorization").unwrap().to_owned())
        .collect();
    assert_eq!(seen, ["Bearer t1", "Bearer t2"]);
    let login = server.arrivals_of("POST")[0].header("authorization").map(str::to_owned);
    assert_eq!(login.as_deref(), Some("Basic aWQ6c2VjcmV0"));
}

#[test]
fn e43_a_token_is_used_until_it_is_refused() {
    let grant = Step::ok(r#"{"access_token":"t","expires_in":3600}"#);
    let health = reveille_faults::Steps::new()
        .step(Step::ok("{}").times(2))
        .step(Step::status(401))
        .then(Step::ok("{}"));
    let server =
        FaultServer::start(Script::new().on("POST", "/oauth/token", grant).on("GET", "/", health)).unwrap();
    let url = server.url();
    let builder = Client::builder().client_credentials("id", "secret").workspace("acme");
    let client = builder.api_url(&url).run_url(&url).build().unwrap();
    let health = || client.sandbox("box").system().health().wait();
    assert!(health().is_ok() && health().is_ok());
    assert_eq!(server.arrivals_of("POST").len(), 1);
    assert_eq!(health().unwrap_err().kind(), ErrorKind::Denied);
    assert!(health().is_ok());
    assert_eq!(server.arrivals_of("POST").len(), 2);
}

#[test]
fn e45_the_cause_of_an_error_can_be_found_by_its_type() {
    let nobody = Refusing::new().unwrap();
    let client = builder(&nobody.url()).build().unwrap();
    let error = client.sandbox("box").system().health().no_retry().wait().unwrap_err();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    let found = std::iter::from_fn(|| {
        let this = next?;
        next = this.source();
        Some(this)
    })
    .find_map(|cause| cause.downcast_ref::<std::io::Error>());
    assert_eq!(found.map(std::io::Error::kind), Some(std::io::ErrorKind::ConnectionRefused));
}

#[test]
fn e46_a_loop_around_a_call_does_not_multiply_its_retries() {
    let server = FaultServer::start(Step::status(503)).unwrap();
    let client = client(&server);
    let error =
        reveille::retry_blocking(quick(), || client.sandbox("box").system().health().wait()).unwrap_err();
    assert!(!error.is_retryable());
    assert_eq!(server.arrivals().len(), 6);
}

#[test]
fn e46_a_loop_around_a_call_without_retries_is_the_one_owner() {
    let script = || Script::new().step(Step::status(503).times(3)).then(Step::ok("{}"));
    let server = FaultServer::start(script()).unwrap();
    let client = client(&server);
    reveille::retry_blocking(quick(), || client.sandbox("box").system().health().no_retry().wait()).unwrap();
    assert_eq!(server.arrivals().len(), 4);
}

#[test]
fn what_cannot_be_sent_is_an_error_of_the_call() {
    let server = FaultServer::start(Step::ok("")).unwrap();
    let client = client(&server);
    let network = client.sandbox("box").network();
    let errors = [
        network.fetch(0, "/").wait().unwrap_err(),
        network.fetch(70_000, "/").wait().unwrap_err(),
        network.fetch(80, &"x".repeat(60_001)).wait().unwrap_err(),
        network.fetch(80, "/").header("a b", "c").wait().unwrap_err(),
        network.fetch(80, "/").header("a", "b\nc").wait().unwrap_err(),
        network.fetch(80, "/").header("content-length", "5").wait().unwrap_err(),
        client.sandbox("No_Name").system().health().wait().unwrap_err(),
        client.sandbox_at("ftp://h").system().health().wait().unwrap_err(),
        client.sandbox("box").drives().mount("..", "/m").wait().unwrap_err(),
        client.sandbox("box").drives().mount("d", "/a/../b").wait().unwrap_err(),
        client.sandbox("box").drives().mount("d", "/a").drive_path("x").wait().unwrap_err(),
        client.sandbox("box").processes().get("..").wait().unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Input, 0), "{error}");
    }
    assert!(server.arrivals().is_empty());
}

#[test]
fn a_request_carries_who_it_is_from_and_what_it_asks() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let client = client(&server);
    client
        .sandbox("box")
        .network()
        .fetch(3000, "a b")
        .query("k&", "v=1")
        .header("x-own", "1")
        .wait()
        .unwrap();
    let arrival = &server.arrivals()[0];
    assert_eq!(arrival.target, "/acme/sandboxes/box/port/3000/a%20b?k%26=v%3D1");
    assert_eq!(arrival.header("x-blaxel-workspace"), Some("acme"));
    assert_eq!(arrival.header("blaxel-version"), Some("2026-04-28"));
    assert_eq!(arrival.header("x-own"), Some("1"));
    assert!(arrival.header("user-agent").unwrap().contains("reveille/"));
}

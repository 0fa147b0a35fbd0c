//! What the SDK's calls do together, against a host that refuses while a sandbox wakes.

use std::future::IntoFuture;
use std::time::Duration;

use futures_util::future::join_all;
use reveille::{Client, ClientBuilder, HttpVersion, LocalHost, RetryPolicy, StopReason};
use serde_json::Value;

use crate::place::{Host, Place, serve};

/// A client of the host, as clients are by default.
fn client(place: &Place) -> ClientBuilder {
    let file = place.path().join("state/reveille").join(LocalHost::FILE);
    let host: LocalHost = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    Client::builder().local_host(host).retry(RetryPolicy::new())
}

fn orders(host: &Host, count: usize) -> Vec<Value> {
    host.passed(count, |request| {
        request["method"] == "POST" && request["path"].as_str().unwrap().contains("/orders")
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn mutations_from_standby_succeed_through_a_refusing_window_and_arrive_once() {
    let place = Place::new();
    let host = Host::start(&place, &["--while-waking", "reject", "--resume-delay", "300ms"]);
    place.run(["create", "box"]).done();
    let port = serve(&place, "box");
    for version in [HttpVersion::Negotiated, HttpVersion::Http2] {
        let client = client(&place).http_version(version).build().unwrap();
        let network = client.sandbox("box").network();
        for round in 0..3 {
            client.sandboxes().sleep("box").wait().unwrap();
            let path = format!("/orders/{round}");
            let page = network.fetch(port, &path).post().body("tea").wait().unwrap();
            let seen = orders(&host, 1);
            assert_eq!((page.status().as_u16(), page.history().len()), (200, 1), "{:?}", page.history());
            assert!(page.history().waited_for_probe() > Duration::from_millis(100), "{}", page.history());
            assert_eq!((seen.len(), &seen[0]["what"]), (1, &"answered".into()), "{version:?}: {seen:?}");
        }
    }
}

#[test]
fn a_hundred_callers_wake_a_sandbox_with_few_refusals() {
    let place = Place::new();
    let host = Host::start(&place, &["--while-waking", "reject", "--resume-delay", "800ms"]);
    place.run(["create", "box"]).done();
    let port = serve(&place, "box");
    let client = client(&place).build().unwrap();
    client.sandboxes().sleep("box").wait().unwrap();
    runtime().block_on(async {
        let calls = (0..100).map(|n| {
            let fetch = client.sandbox("box").network().fetch(port, &format!("/orders/{n}"));
            if n % 2 == 0 { fetch.into_future() } else { fetch.post().into_future() }
        });
        for page in join_all(calls).await {
            let page = page.unwrap();
            assert_eq!((page.status().as_u16(), page.stop_reason()), (200, None), "{}", page.history());
        }
    });
    assert_eq!(orders(&host, 50).len(), 50, "each mutation arrives once");
    let refused = host.passed(0, |request| request["what"] == "refused").len();
    // A probe is refused a few times, and a read once at the most: where the first one is not answered soon, the others
    // do not wait for it.
    assert!(refused <= 50 + 15, "{refused} refusals");
}

#[test]
fn a_mutation_that_has_no_time_for_the_window_is_not_sent() {
    let place = Place::new();
    let host = Host::start(&place, &["--while-waking", "reject", "--resume-delay", "1h"]);
    place.run(["create", "box"]).done();
    place.run(["sleep", "box"]).done();
    let client = client(&place).build().unwrap();
    let post = client.sandbox("box").network().fetch(80, "/orders").post();
    let error = post.deadline(Duration::from_secs(60)).wait().unwrap_err();
    assert!(error.is_unavailable() && !error.may_have_run(), "{error}");
    assert_eq!(error.stop_reason(), Some(StopReason::NoWord), "{error}");
    assert!(error.retry_after().is_some_and(|after| after > Duration::from_secs(3_000)), "{error}");
    assert!(orders(&host, 0).is_empty());
}

//! What the calls of one client know of a sandbox together.
//!
//! The window is the fault server's: it opens with the first request and is open by the server's clock.

use std::future::IntoFuture;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use reveille::{Client, ErrorKind, FaultKind, RetryPolicy, Seen, StopReason};
use reveille_faults::{Arrival, FaultServer, Moment, Refusing, Script, Step};

use crate::harness::{BOTH, probing};

const HEALTH: &str = "/acme/sandboxes/box/health";

/// A gateway that refuses for so long, once it was asked.
fn window(millis: u64) -> Script {
    let refusing = Step::status(503).lasting(Duration::from_millis(millis));
    Script::new().step(refusing).then(Step::ok(r#"{"status":"ok","mounts":[]}"#))
}

fn client(server: &FaultServer) -> Client {
    probing(&server.url()).retry(RetryPolicy::new()).build().unwrap()
}

fn is_probe(arrival: &Arrival) -> bool {
    arrival.method == "GET" && arrival.path() == HEALTH
}

fn of_its_own(server: &FaultServer) -> Vec<Arrival> {
    server.arrivals().into_iter().filter(|arrival| !is_probe(arrival)).collect()
}

#[test]
fn a_mutation_from_standby_succeeds_and_arrives_once() {
    for version in BOTH {
        let server = FaultServer::start(window(300)).unwrap();
        let client = probing(&server.url()).retry(RetryPolicy::new()).http_version(*version).build().unwrap();
        let post = client.sandbox("box").network().fetch(3000, "/orders").post().body("tea");
        let (page, history) = post.with_history().wait().unwrap();
        assert_eq!((page.status().as_u16(), history.len(), page.may_have_run()), (200, 1, false));
        assert!(history.to_string().starts_with("waited "), "{history}");
        assert!(history.to_string().ends_with(" for the probe, 200"), "{history}");
        assert_eq!(server.arrivals_of("POST").len(), 1, "{version:?}");
        assert!(history.waited_for_probe() >= Duration::from_millis(290), "{history}");
    }
}

#[test]
fn a_mutation_whose_window_is_longer_than_its_budget_was_not_sent() {
    let server = FaultServer::start(window(600_000)).unwrap();
    let client = client(&server);
    let patient = RetryPolicy::builder().base(Duration::from_millis(500)).cap(Duration::from_millis(500));
    let patient = patient.jitter(Duration::ZERO).retries(4).build().unwrap();
    let post = client.sandbox("box").network().fetch(3000, "/orders").post().retry(patient);
    let error = post.wait().unwrap_err();
    assert_eq!((error.kind(), error.stop_reason()), (ErrorKind::Unavailable, Some(StopReason::NoWord)));
    assert_eq!((error.attempts(), error.may_have_run()), (0, false));
    let said = error.to_string();
    let begins = "POST /port/3000/orders: the sandbox did not wake in time: 503 (waited ";
    assert!(said.starts_with(begins) && said.ends_with(" s for the probe); it was not sent"), "{said}");
    assert!(of_its_own(&server).is_empty());
}

#[test]
fn what_is_answered_after_the_word_is_told_without_it() {
    let refused = Step::status(404).body(r#"{"error": "there is no such drive"}"#);
    let server = FaultServer::start(
        Script::new().on("PUT", "/", refused.clone()).on("POST", "/", refused).then(Step::ok("{}")),
    )
    .unwrap();
    let mount = client(&server).sandbox("box").drives().mount("data", "/mnt/data").wait();
    let error = mount.unwrap_err();
    assert!(error.history().is_some_and(|history| !history.waited_for_probe().is_zero()), "{error}");
    assert_eq!(error.to_string(), "POST /drives/mount: 404: there is no such drive");
}

#[test]
fn a_deadline_ends_the_waiting_for_the_word() {
    let server = FaultServer::start(window(600_000)).unwrap();
    let mount = client(&server).sandbox("box").drives().mount("data", "/mnt/data");
    let error = mount.deadline(Duration::from_millis(200)).wait().unwrap_err();
    assert!(error.is_unavailable() && !error.may_have_run(), "{error}");
    assert!(of_its_own(&server).is_empty());
}

#[test]
fn a_read_that_meets_the_window_arrives_as_soon_as_the_sandbox_is_there() {
    let server = FaultServer::start(window(300)).unwrap();
    let (page, history) =
        client(&server).sandbox("box").network().fetch(3000, "/status").with_history().wait().unwrap();
    assert_eq!((page.status().as_u16(), page.stop_reason()), (200, None));
    assert_eq!(history.len(), 2, "it was sent at once, and again at the word: {history}");
    assert!(!history.waited_for_probe().is_zero(), "{history}");
    assert_eq!(of_its_own(&server).len(), 2);
}

#[tokio::test]
async fn a_hundred_callers_send_few_refused_requests_and_are_released_together() {
    let server = FaultServer::start(window(700)).unwrap();
    let client = client(&server);
    let reads = (0..100).map(|_| client.sandbox("box").network().fetch(3000, "/status").into_future());
    let pages = join_all(reads).await;
    assert!(pages.iter().all(|page| page.as_ref().is_ok_and(|page| page.status().is_success())));
    let answered = 100 + 1;
    let refused = server.arrivals().len() - answered;
    // A probe is refused a few times, and a read once at the most: where the first one is not answered soon, the others
    // do not wait for it.
    assert!(refused <= 100 + 15, "{refused} refused requests");
    assert!(pages.iter().flatten().all(|page| page.history().len() <= 2));
}

#[tokio::test]
async fn mutations_side_by_side_need_one_probe_and_arrive_once_each() {
    let server = FaultServer::start(window(200)).unwrap();
    let client = client(&server);
    let posts = (0..50)
        .map(|n| client.sandbox("box").network().fetch(3000, &format!("/orders/{n}")).post().into_future());
    assert!(join_all(posts).await.iter().all(Result::is_ok));
    let paths: std::collections::BTreeSet<_> =
        server.arrivals_of("POST").iter().map(|arrival| arrival.path().to_owned()).collect();
    assert_eq!((paths.len(), server.arrivals_of("POST").len()), (50, 50));
    assert!(server.arrivals_of("GET").len() <= 12, "{}", server.arrivals_of("GET").len());
}

#[test]
fn a_word_holds_and_a_mutation_after_it_is_preceded_by_nothing() {
    let server = FaultServer::start(Step::ok(r#"{"status":"ok"}"#)).unwrap();
    let client = client(&server);
    let network = client.sandbox("box").network();
    network.fetch(3000, "/").post().wait().unwrap();
    network.fetch(3000, "/").post().wait().unwrap();
    network.fetch(3000, "/").wait().unwrap();
    assert_eq!(server.arrivals().iter().filter(|arrival| is_probe(arrival)).count(), 1);
    // Put to sleep through this client, it is asked again.
    client.sandboxes().sleep("box").wait().unwrap();
    network.fetch(3000, "/").post().wait().unwrap();
    assert_eq!(server.arrivals().iter().filter(|arrival| is_probe(arrival)).count(), 2);
}

#[test]
fn a_word_holds_no_longer_than_it_is_fresh() {
    let server = FaultServer::start(Step::ok("")).unwrap();
    let client = probing(&server.url()).retry(RetryPolicy::new()).fresh(Duration::ZERO).build().unwrap();
    for _ in 0..3 {
        client.sandbox("box").network().fetch(3000, "/").post().wait().unwrap();
    }
    assert_eq!(server.arrivals_of("GET").len(), 3);
}

#[test]
fn nothing_is_sent_but_what_is_asked_for_where_the_probe_is_off() {
    let server = FaultServer::start(Step::ok("")).unwrap();
    let by_default = || probing(&server.url()).retry(RetryPolicy::new());
    let post = |client: Client| client.sandbox("box").network().fetch(3000, "/").post();
    post(by_default().no_probe().build().unwrap()).wait().unwrap();
    post(by_default().build().unwrap()).no_probe().wait().unwrap();
    post(by_default().retries(0).build().unwrap()).wait().unwrap();
    post(by_default().build().unwrap()).no_retry().wait().unwrap();
    let typed = by_default().build().unwrap().sandbox_at(format!("{}/acme/sandboxes/box", server.url()));
    typed.network().fetch(3000, "/").post().wait().unwrap();
    typed.authorized().network().fetch(3000, "/").post().wait().unwrap();
    assert_eq!((server.arrivals().len(), server.arrivals_of("POST").len()), (6, 6));
}

#[test]
fn calls_to_the_control_plane_neither_wait_nor_tell() {
    let server = FaultServer::start(Step::ok("{}")).unwrap();
    let client = client(&server);
    client.sandboxes().create("box").wait().unwrap();
    client.sandboxes().get("box").wait().unwrap();
    assert!(!server.arrivals().iter().any(is_probe));
    client.sandbox("box").network().fetch(3000, "/").post().wait().unwrap();
    assert!(server.arrivals().iter().any(is_probe));
}

#[test]
fn an_answer_that_is_no_word_lets_everybody_meet_its_own_error() {
    let absent = Step::status(404).header("x-blaxel-source", "platform");
    for answer in [absent.into(), Step::from(Step::status(401)), Step::status(403).into()] {
        let server = FaultServer::start(Script::from(answer)).unwrap();
        let client = client(&server);
        let error = client.sandbox("box").drives().mount("data", "/mnt/data").wait().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Denied), "{error}");
        assert_eq!(server.arrivals_of("POST").len(), 1);
    }
}

#[test]
fn an_app_that_refuses_while_the_sandbox_is_awake_is_tried_as_its_own_schedule_says() {
    let script = Script::new().on("GET", HEALTH, Step::ok("{}")).on("*", "/", Step::status(503));
    let server = FaultServer::start(script).unwrap();
    let even = Duration::from_millis(500);
    let policy = RetryPolicy::builder().base(even).cap(even).jitter(Duration::ZERO).build().unwrap();
    let client = probing(&server.url()).retry(policy).build().unwrap();
    let page = client.sandbox("box").network().fetch(3000, "/").wait().unwrap();
    // The wait for the word may have taken the time of a retry.
    let sent = page.history().len();
    assert!(page.status().as_u16() == 503 && (3..=6).contains(&sent), "{}", page.history());
    assert_eq!(page.stop_reason(), Some(StopReason::Exhausted));
    assert_eq!(of_its_own(&server).len(), sent);
    // A mutation is sent once, and stops.
    let post = client.sandbox("box").network().fetch(3000, "/").post().wait().unwrap();
    assert_eq!((post.status().as_u16(), post.may_have_run()), (503, true));
    assert_eq!(server.arrivals_of("POST").len(), 1);
}

#[test]
fn a_mutation_is_never_sent_twice_whatever_meets_it_after_the_word() {
    let rows: [fn() -> Step; 3] =
        [|| Step::status(503).into(), || Step::reset(Moment::AfterRequest), || Step::status(429).into()];
    for answer in rows {
        let script = Script::new().on("GET", HEALTH, Step::ok("{}")).on("*", "/", answer());
        let server = FaultServer::start(script).unwrap();
        let ended = client(&server).sandbox("box").network().fetch(3000, "/").post().wait();
        assert!(ended.map_or_else(|error| error.may_have_run(), |page| page.may_have_run()));
        assert_eq!(server.arrivals_of("POST").len(), 1);
    }
}

#[tokio::test]
async fn a_caller_that_leaves_takes_nobody_down() {
    let server = FaultServer::start(window(300)).unwrap();
    let client = client(&server);
    let post = |path: &str| client.sandbox("box").network().fetch(3000, path).post().into_future();
    let (first, second) = (post("/first"), post("/second"));
    let second = tokio::spawn(second);
    // Whichever of the two looks, the first one goes away in the middle of it.
    tokio::select! {
        biased;
        looked = server.wait_for_arrivals(1) => drop(looked.unwrap()),
        _ = first => panic!("it is not awake"),
    }
    assert_eq!(second.await.unwrap().unwrap().status().as_u16(), 200);
    let paths: Vec<_> = server
        .arrivals_of("POST")
        .iter()
        .map(|arrival| arrival.path().rsplit('/').next().map(str::to_owned))
        .collect();
    assert_eq!(paths, [Some("second".to_owned())]);
}

#[test]
fn a_server_that_names_a_time_is_not_asked_before() {
    let refusing = Step::status(503).header("retry-after", "1").lasting(Duration::from_millis(100));
    let server = FaultServer::start(Script::new().step(refusing).then(Step::ok("{}"))).unwrap();
    client(&server).sandbox("box").network().fetch(3000, "/").post().wait().unwrap();
    let arrivals = server.arrivals();
    assert_eq!(arrivals.len(), 3, "a probe that was refused, one after the time, and the mutation");
    let between = arrivals[1].at.saturating_sub(arrivals[0].at);
    assert!(between >= Duration::from_millis(990), "{between:?}");
}

#[test]
fn a_mutation_that_has_no_time_for_what_the_server_asks_is_not_sent() {
    let refusing = Step::status(503).header("retry-after", "3600");
    let server = FaultServer::start(Script::from(refusing)).unwrap();
    let error = client(&server).sandbox("box").network().fetch(3000, "/").post().wait().unwrap_err();
    assert_eq!((error.stop_reason(), error.may_have_run()), (Some(StopReason::NoWord), false), "{error}");
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3_600)));
    assert_eq!(server.arrivals().len(), 1, "one probe, and nothing else");
    // A read meets the answer itself.
    let page = client(&server).sandbox("box").network().fetch(3000, "/").wait().unwrap();
    assert_eq!(page.status().as_u16(), 503);
}

#[test]
fn a_gateway_that_is_down_is_named_by_a_mutation_that_was_not_sent() {
    let nobody = Refusing::new().unwrap();
    let even = Duration::from_millis(500);
    let policy = RetryPolicy::builder().base(even).cap(even).jitter(Duration::ZERO).build().unwrap();
    let client = probing(&nobody.url()).retry(policy).build().unwrap();
    let error = client.sandbox("box").network().fetch(3000, "/").post().wait().unwrap_err();
    assert!(error.is_unavailable() && !error.may_have_run(), "{error}");
    assert_eq!(error.probe_saw(), Some(Seen::Fault(FaultKind::Refused)));
    assert!(error.to_string().contains("did not wake in time: connection refused"), "{error}");
}

#[tokio::test]
async fn a_stream_that_brings_bytes_keeps_the_word_fresh() {
    let feed = Step::ok("news").delay_body(Duration::from_millis(2_100));
    let script = Script::new().on("GET", "/acme/sandboxes/box/port", feed).on("*", "/", Step::ok("{}"));
    let server = FaultServer::start(script).unwrap();
    let client =
        probing(&server.url()).retry(RetryPolicy::new()).fresh(Duration::from_secs(2)).build().unwrap();
    let network = client.sandbox("box").network();
    let mut stream = network.fetch(3000, "/feed").stream().await.unwrap();
    while stream.next().await.transpose().unwrap().is_some() {}
    network.fetch(3000, "/").post().await.unwrap();
    assert!(!server.arrivals().iter().any(is_probe));
}

#[test]
fn wake_ends_when_the_sandbox_has_answered_and_says_why_it_has_not() {
    let server = FaultServer::start(window(200)).unwrap();
    let (awake, history) = client(&server).sandbox("box").wake().with_history().wait().unwrap();
    let () = awake;
    assert!(history.to_string().contains("for the probe"), "{history}");
    // Whatever the sandbox says, it is awake.
    let server = FaultServer::start(Step::status(500)).unwrap();
    client(&server).sandbox("box").wake().wait().unwrap();
    let absent = Step::status(404).header("x-blaxel-source", "platform");
    let server = FaultServer::start(Script::from(absent)).unwrap();
    assert_eq!(client(&server).sandbox("box").wake().wait().unwrap_err().kind(), ErrorKind::NotFound);
    let server = FaultServer::start(window(600_000)).unwrap();
    let wake = client(&server).sandbox("box").wake().deadline(Duration::from_millis(200));
    assert!(wake.wait().unwrap_err().is_unavailable());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_that_come_and_go_at_random_leave_nobody_waiting_for_ever() {
    for seed in 0..8 {
        let mut random = fastrand::Rng::with_seed(seed);
        let server = FaultServer::start(window(random.u64(50..600))).unwrap();
        let client = client(&server);
        let calls: Vec<_> = (0..40)
            .map(|n| {
                let fetch = client.sandbox("box").network().fetch(3000, &format!("/{n}"));
                let fetch = if random.bool() { fetch.post() } else { fetch };
                let (after, leaves) = (random.u64(0..300), random.bool().then(|| random.u64(0..400)));
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(after)).await;
                    match leaves {
                        Some(soon) => {
                            tokio::time::timeout(Duration::from_millis(soon), fetch.into_future()).await.ok()
                        }
                        None => Some(fetch.await),
                    }
                })
            })
            .collect();
        for call in calls {
            // Whoever stays is answered: its own schedule has more than five seconds.
            if let Some(ended) = call.await.unwrap() {
                assert!(ended.is_ok_and(|page| page.status().is_success()), "seed {seed}");
            }
        }
        let mut posts: Vec<_> = server.arrivals_of("POST").iter().map(|post| post.target.clone()).collect();
        let sent = posts.len();
        posts.sort();
        posts.dedup();
        assert_eq!(posts.len(), sent, "no mutation was sent twice: seed {seed}");
    }
}

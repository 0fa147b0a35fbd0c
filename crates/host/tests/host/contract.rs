//! What a host makes of an engine that is late, silent, or not the only one that commands.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Full};

use crate::Stand;
use crate::client::request;

const APP: &str = "/local/sandboxes/box/x";
const BOX: &str = "/v0/sandboxes/box";

/// When an engine is given up on.
const SOON: Duration = Duration::from_millis(500);

/// Waits for what another task is about to bring about.
async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn asleep(stand: &Stand) -> usize {
    stand.engine.app("box").arrived_asleep.load(Ordering::SeqCst)
}

fn creates(stand: &Stand) -> usize {
    stand.engine.creates.load(Ordering::SeqCst)
}

/// A host that gives up on its engine soon.
async fn impatient() -> Stand {
    Stand::with_box(|settings| settings.limits.engine = SOON).await
}

#[tokio::test]
async fn a_sleep_that_was_given_up_on_does_not_land_on_an_awake_sandbox() {
    let stand = impatient().await;
    stand.engine.script(|script| script.gated_sleep = true);
    let failed = stand.client.post(&format!("{BOX}/standby"), "").await;
    assert_eq!(failed.status(), 500, "{failed:?}");
    assert_eq!(stand.client.get(APP).await.status(), 200);
    // It is let go only now, after something later.
    stand.engine.go.notify_one();
    for _ in 0..10 {
        assert_eq!(stand.client.get(APP).await.status(), 200);
    }
    assert_eq!((stand.engine.is_awake("box"), asleep(&stand)), (true, 0));
}

#[tokio::test]
async fn a_sleep_that_was_given_up_on_is_tried_again_in_the_next_idle_period() {
    let stand = Stand::with(|settings| {
        settings.limits.engine = SOON;
        settings.standby_after = Duration::from_millis(30);
    })
    .await;
    stand.engine.script(|script| script.gated_sleep = true);
    let made = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
    assert_eq!(made.status(), 200, "{made:?}");
    until(|| stand.engine.sleeps() >= 1).await;
    stand.engine.script(|script| script.gated_sleep = false);
    until(|| !stand.engine.is_awake("box")).await;
    assert!(stand.engine.sleeps() >= 2);
    stand.engine.go.notify_one();
    assert_eq!(stand.client.get(APP).await.status(), 200);
    assert_eq!(asleep(&stand), 0);
}

#[tokio::test]
async fn a_waking_that_was_given_up_on_does_not_leave_it_awake_for_ever() {
    let stand = Stand::with_sleeping_box(|settings| {
        settings.limits.engine = SOON;
        settings.standby_after = Duration::from_millis(200);
    })
    .await;
    stand.engine.script(|script| script.gated_wake = true);
    let failed = stand.client.get(APP).await;
    assert_eq!(failed.code(), "WORKLOAD_UNAVAILABLE", "{failed:?}");
    stand.engine.script(|script| script.gated_wake = false);
    stand.engine.go.notify_one();
    let sleeps = stand.engine.sleeps();
    // Whether the late waking lands before or after, in the end it sleeps.
    until(|| stand.engine.sleeps() > sleeps && !stand.engine.is_awake("box")).await;
    assert_eq!(stand.client.get(APP).await.status(), 200);
}

#[tokio::test]
async fn a_create_that_was_given_up_on_does_not_outlive_the_delete() {
    let stand = Stand::with(|settings| settings.limits.engine = SOON).await;
    stand.engine.script(|script| script.gated_wake = true);
    let failed = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
    assert_eq!(failed.status(), 500, "{failed:?}");
    assert_eq!(stand.client.get(BOX).await.status(), 404, "what was not made is not listed");
    let wakes = stand.engine.wakes();
    stand.engine.let_go().await;
    assert!(!stand.engine.has("box"), "a ghost");
    stand.engine.script(|script| script.gated_wake = false);
    assert_eq!(stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await.status(), 200);
    assert!(stand.engine.wakes() > wakes);
}

#[tokio::test]
async fn a_delete_waits_for_no_waking_and_leaves_no_ghost() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    stand.engine.script(|script| script.gated_wake = true);
    let (client, wakes) = (stand.client.clone(), stand.engine.wakes());
    let waking = tokio::spawn(async move { client.post(&format!("{BOX}/resume"), "").await });
    until(|| stand.engine.wakes() > wakes).await;
    let deleted = stand.client.method(Method::DELETE, BOX, "").await;
    assert_eq!(deleted.status(), 200, "{deleted:?}");
    stand.engine.let_go().await;
    assert_eq!(waking.await.unwrap().status(), 404);
    assert!(!stand.engine.has("box"), "a ghost");
}

#[tokio::test]
async fn a_delete_beside_a_standby_leaves_no_ghost() {
    let stand = Stand::with_box(|_| {}).await;
    stand.engine.script(|script| script.gated_sleep = true);
    let client = stand.client.clone();
    let standby = tokio::spawn(async move { client.post(&format!("{BOX}/standby"), "").await });
    until(|| stand.engine.sleeps() == 1).await;
    assert_eq!(stand.client.method(Method::DELETE, BOX, "").await.status(), 200);
    stand.engine.go.notify_one();
    standby.await.unwrap();
    assert!(!stand.engine.has("box"));
    assert_eq!(stand.client.get(BOX).await.status(), 404);
}

#[tokio::test]
async fn a_delete_that_was_given_up_on_does_not_take_what_was_used_since() {
    let stand = impatient().await;
    stand.engine.script(|script| script.gated_delete = true);
    assert_eq!(stand.client.method(Method::DELETE, BOX, "").await.status(), 500);
    assert_eq!(stand.client.get(APP).await.status(), 200);
    stand.engine.script(|script| script.gated_delete = false);
    stand.engine.let_go().await;
    assert!(stand.engine.has("box"), "a late delete removed what is in use");
    assert_eq!(stand.client.get(APP).await.status(), 200);
    assert_eq!(creates(&stand), 1);
    assert_eq!(stand.client.method(Method::DELETE, BOX, "").await.status(), 200);
}

#[tokio::test]
async fn after_a_delete_that_failed_somebody_watches_for_idleness() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(30)).await;
    stand.engine.app("box").keep_alive.store(true, Ordering::SeqCst);
    stand.engine.script(|script| script.failing_deletes = 1);
    assert_eq!(stand.client.method(Method::DELETE, BOX, "").await.status(), 500);
    stand.engine.app("box").keep_alive.store(false, Ordering::SeqCst);
    until(|| !stand.engine.is_awake("box")).await;
    assert_eq!(stand.client.get(APP).await.status(), 200);
    until(|| !stand.engine.is_awake("box")).await;
}

#[tokio::test]
async fn after_a_sleep_that_failed_the_next_idle_period_works() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(30)).await;
    stand.engine.script(|script| script.failing_sleeps = 2);
    assert_eq!(stand.client.get(APP).await.status(), 200);
    until(|| !stand.engine.is_awake("box")).await;
    assert_eq!(stand.client.get(APP).await.status(), 200);
    stand.engine.script(|script| assert_eq!(script.failing_sleeps, 0));
}

#[tokio::test]
async fn an_engine_that_says_nothing_is_no_absence() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    stand.engine.script(|script| script.is_silent = true);
    for _ in 0..3 {
        let answer = stand.client.get(APP).await;
        assert_eq!(answer.code(), "WORKLOAD_UNAVAILABLE", "{answer:?}");
        assert!(answer.text().contains("the cluster does not answer"), "{answer:?}");
    }
    assert_eq!(stand.client.get(BOX).await.status(), 200, "the record is shown");
    assert_eq!(creates(&stand), 1, "nothing is made because of an outage");
    stand.engine.script(|script| script.is_silent = false);
    assert_eq!(stand.client.get(APP).await.status(), 200);
    assert_eq!(creates(&stand), 1);
}

#[tokio::test]
async fn awake_at_another_address_is_adopted_and_still_goes_to_sleep_from_here() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(50)).await;
    stand.engine.app("box").keep_alive.store(true, Ordering::SeqCst);
    assert_eq!(stand.client.get(APP).await.status(), 200);
    let wakes = stand.engine.wakes();
    stand.engine.move_by_somebody_else("box");
    for _ in 0..5 {
        assert_eq!(stand.client.get(APP).await.status(), 200);
    }
    assert_eq!(
        (stand.engine.wakes() - wakes, asleep(&stand)),
        (0, 0),
        "it is awake: nothing has to be woken"
    );
    stand.engine.app("box").keep_alive.store(false, Ordering::SeqCst);
    until(|| !stand.engine.is_awake("box")).await;
}

#[tokio::test]
async fn what_somebody_else_woke_is_put_to_sleep_from_here() {
    let stand = Stand::with_sleeping_box(|settings| settings.standby_after = Duration::from_secs(1)).await;
    let sleeps = stand.engine.sleeps();
    stand.engine.move_by_somebody_else("box");
    assert!(stand.engine.is_awake("box"));
    until(|| stand.engine.sleeps() > sleeps && !stand.engine.is_awake("box")).await;
}

#[tokio::test]
async fn a_host_that_detaches_leaves_its_sandboxes_running_for_the_next() {
    let stand = Stand::with_box(|_| {}).await;
    assert_eq!(stand.client.get(APP).await.status(), 200);
    let Stand { host, engine, data, .. } = stand;
    host.detach().await;
    assert!(engine.is_awake("box"));
    assert_eq!(engine.detaches.load(Ordering::SeqCst), 1);

    let wakes = engine.wakes();
    engine.app("box").keep_alive.store(true, Ordering::SeqCst);
    let next = Stand::on(data, Arc::clone(&engine), |settings| {
        settings.standby_after = Duration::from_millis(100);
    })
    .await;
    assert_eq!(next.client.get(BOX).await.json()["state"], "RUNNING");
    // Nobody asks for it here; it goes to sleep all the same.
    engine.app("box").keep_alive.store(false, Ordering::SeqCst);
    until(|| !engine.is_awake("box")).await;
    assert_eq!(next.client.get(APP).await.status(), 200);
    assert_eq!(engine.app("box").arrived(), 2, "its app is the one that it was");
    assert!(engine.wakes() - wakes <= 1);
    next.host.stop().await;
    assert!(!engine.has("box"), "a host that stops ends them");
}

#[tokio::test]
async fn a_host_that_detaches_waits_for_answers_and_not_for_streams() {
    // What waits for this waits longer than a test may.
    let stand = Stand::with_box(|settings| settings.limits.drain = Duration::from_secs(3600)).await;
    let app = stand.engine.app("box");
    let stream = request(Method::GET, "/local/sandboxes/box/port/1/stream");
    let stream = stream.body(Full::<Bytes>::default()).unwrap();
    let mut stream = stand.client.open(stream).await.unwrap().into_body();
    assert_eq!(stream.frame().await.unwrap().unwrap().into_data().unwrap(), "first");
    let client = stand.client.clone();
    let waits = tokio::spawn(async move { client.get("/local/sandboxes/box/port/1/gate").await });
    until(|| app.arrived() == 2).await;
    let detaching = tokio::spawn(stand.host.detach());
    while stand.client.get(APP).await.status() == 200 {}
    assert!(!detaching.is_finished(), "somebody waits for an answer");
    app.gate.notify_one();
    assert_eq!(waits.await.unwrap().text(), "through");
    detaching.await.unwrap();
    assert!(stream.frame().await.unwrap().is_err(), "it is cut, and not at its end");
}

#[tokio::test]
async fn a_standby_by_hand_lets_an_answer_come_to_its_end() {
    let stand = Stand::with_box(|_| {}).await;
    let client = stand.client.clone();
    let slow = tokio::spawn(async move { client.get("/local/sandboxes/box/port/1/halves").await });
    until(|| stand.engine.app("box").arrived() == 1).await;
    let client = stand.client.clone();
    let standby = tokio::spawn(async move { client.post(&format!("{BOX}/standby"), "").await });
    // Its head is on the way; the rest comes when it is let.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(stand.engine.sleeps(), 0, "frozen between head and body");
    stand.engine.app("box").gate.notify_one();
    assert_eq!(slow.await.unwrap().text(), "firstsecond");
    assert_eq!(standby.await.unwrap().status(), 200);
    assert_eq!((stand.engine.is_awake("box"), asleep(&stand)), (false, 0));
}

#[tokio::test]
async fn a_request_that_is_not_answered_keeps_it_awake_however_long_it_is_silent() {
    let stand = Stand::with_box(|settings| {
        settings.standby_after = Duration::from_millis(10);
        settings.limits.silence = Duration::from_millis(10);
    })
    .await;
    let client = stand.client.clone();
    let waiting = tokio::spawn(async move { client.get("/local/sandboxes/box/port/1/gate").await });
    until(|| stand.engine.app("box").arrived() == 1).await;
    stand.while_another_sleeps(3).await;
    assert!(stand.engine.is_awake("box"));
    stand.engine.app("box").gate.notify_one();
    assert_eq!(waiting.await.unwrap().text(), "through");
    until(|| !stand.engine.is_awake("box")).await;
}

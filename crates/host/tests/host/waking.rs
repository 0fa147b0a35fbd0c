use std::time::Duration;

use reveille_host::HostSettings;
use reveille_wire::{GatewayAnswer, refusal_of};

use crate::Stand;
use crate::client::Answer;

const APP: &str = "/local/sandboxes/box/x";

/// Waits for what another task is about to bring about.
pub(crate) async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn asleep(stand: &Stand) -> usize {
    stand.engine.app("box").arrived_asleep.load(std::sync::atomic::Ordering::SeqCst)
}

/// The answer is the refusal that proves that the request was not dispatched.
fn proves_not_dispatched(answer: &Answer) -> bool {
    refusal_of(answer.status(), answer.headers(), Some(answer.bytes())) == Some(GatewayAnswer::NotDispatched)
}

#[tokio::test]
async fn the_first_request_wakes_it_and_the_others_wait_for_the_same_waking() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    stand.engine.script(|script| script.gated_wake = true);
    let before = stand.engine.wakes();
    let requests: Vec<_> = (0..20)
        .map(|_| {
            let client = stand.client.clone();
            tokio::spawn(async move { client.get(APP).await })
        })
        .collect();
    until(|| stand.engine.wakes() > before).await;
    assert_eq!(stand.engine.app("box").arrived(), 0, "nothing is sent to a sleeping agent");
    stand.engine.go.notify_one();
    for request in requests {
        assert_eq!(request.await.unwrap().status(), 200);
    }
    assert_eq!(
        (stand.engine.wakes() - before, stand.engine.app("box").arrived(), asleep(&stand)),
        (1, 20, 0)
    );
}

#[tokio::test]
async fn every_waking_has_its_own_address_and_no_connection_outlives_one() {
    let stand = Stand::with_box(|_| {}).await;
    for _ in 0..5 {
        assert_eq!(stand.client.get(APP).await.status(), 200);
        assert_eq!(stand.client.post("/v0/sandboxes/box/standby", "").await.json()["state"], "STANDBY");
    }
    assert_eq!(asleep(&stand), 0);
}

#[tokio::test]
async fn a_waking_that_fails_says_so_and_proves_that_nothing_was_sent() {
    let stand = Stand::with_sleeping_box(|_| {}).await;
    stand.engine.script(|script| script.failing_wakes = 1);
    let failed = stand.client.post("/local/sandboxes/box/orders", "1").await;
    assert!(proves_not_dispatched(&failed), "{failed:?}");
    assert!(failed.text().contains("the cluster has no room"), "{failed:?}");
    assert_eq!(stand.engine.app("box").arrived(), 0);
    assert_eq!(stand.client.get(APP).await.status(), 200, "the next request tries again");
}

#[tokio::test]
async fn a_request_waits_only_so_long() {
    let stand = Stand::with_sleeping_box(|settings| settings.limits.hold = Duration::from_millis(20)).await;
    stand.engine.script(|script| script.gated_wake = true);
    let late = stand.client.get(APP).await;
    assert!(proves_not_dispatched(&late), "{late:?}");
    stand.engine.go.notify_one();
    until(|| stand.engine.is_awake("box")).await;
    assert_eq!(stand.engine.app("box").arrived(), 0, "who has given up is not sent after all");
}

#[tokio::test]
async fn only_so_many_requests_wait() {
    let stand = Stand::with_sleeping_box(|settings| settings.limits.held = 2).await;
    stand.engine.script(|script| script.gated_wake = true);
    let requests: Vec<_> = (0..5)
        .map(|_| {
            let client = stand.client.clone();
            tokio::spawn(async move { client.get(APP).await })
        })
        .collect();
    until(|| requests.iter().filter(|request| request.is_finished()).count() == 3).await;
    stand.engine.go.notify_one();
    let mut answered = 0;
    for request in requests {
        let answer = request.await.unwrap();
        assert!(answer.status() == 200 || proves_not_dispatched(&answer), "{answer:?}");
        answered += usize::from(answer.status() == 200);
    }
    assert_eq!((answered, stand.engine.app("box").arrived()), (2, 2));
}

/// The answers to five requests to two sleepers of a host that holds only so much, and how many of them arrived.
async fn to_two_sleepers(body: &'static str, change: impl FnOnce(&mut HostSettings)) -> (Vec<Answer>, usize) {
    let stand = Stand::with_sleeping_box(change).await;
    assert_eq!(stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"other"}}"#).await.status(), 200);
    assert_eq!(stand.client.post("/v0/sandboxes/other/standby", "").await.status(), 200);
    stand.engine.script(|script| script.gated_wake = true);
    let requests: Vec<_> = ["box", "other", "box", "other", "box"]
        .map(|name| {
            let client = stand.client.clone();
            tokio::spawn(async move { client.post(&format!("/local/sandboxes/{name}/x"), body).await })
        })
        .into_iter()
        .collect();
    until(|| requests.iter().filter(|request| request.is_finished()).count() == 3).await;
    stand.engine.script(|script| script.gated_wake = false);
    stand.engine.go.notify_one();
    until(|| {
        stand.engine.go.notify_one();
        requests.iter().all(tokio::task::JoinHandle::is_finished)
    })
    .await;
    let mut answers = Vec::new();
    for request in requests {
        answers.push(request.await.unwrap());
    }
    (answers, stand.engine.app("box").arrived() + stand.engine.app("other").arrived())
}

/// Two went through, and the others hear that nothing of them was carried out, and when to come back.
fn two_of_five(answers: &[Answer], arrived: usize) {
    assert_eq!((answers.iter().filter(|answer| answer.status() == 200).count(), arrived), (2, 2));
    for refused in answers.iter().filter(|answer| answer.status() != 200) {
        assert!(proves_not_dispatched(refused), "{refused:?}");
        assert_eq!(
            (refused.header("retry-after"), refused.header("retry-after-ms")),
            (Some("1"), Some("1000"))
        );
        assert_eq!(refused.header("x-should-retry"), None);
    }
}

#[tokio::test]
async fn only_so_many_requests_wait_for_all_sandboxes_together() {
    let (answers, arrived) = to_two_sleepers("1", |settings| settings.limits.held_in_all = 2).await;
    two_of_five(&answers, arrived);
}

#[tokio::test]
async fn requests_that_wait_hold_only_so_much_together() {
    let body: &str = Box::leak("x".repeat(20_000).into_boxed_str());
    let (answers, arrived) = to_two_sleepers(body, |settings| settings.limits.held_bytes = 50_000).await;
    two_of_five(&answers, arrived);
}

#[tokio::test]
async fn a_request_that_meets_it_falling_asleep_wakes_it_again() {
    let stand = Stand::with_box(|_| {}).await;
    stand.engine.script(|script| script.gated_sleep = true);
    let client = stand.client.clone();
    let standby = tokio::spawn(async move { client.post("/v0/sandboxes/box/standby", "").await });
    until(|| stand.engine.sleeps() == 1).await;
    let (client, wakes) = (stand.client.clone(), stand.engine.wakes());
    let request = tokio::spawn(async move { client.get(APP).await });
    let probe = stand.client.get("/v0/sandboxes/box").await;
    assert_eq!(probe.status(), 200);
    assert_eq!(stand.engine.app("box").arrived(), 0, "it is not sent while the sandbox falls asleep");
    stand.engine.go.notify_one();
    assert_eq!(request.await.unwrap().status(), 200);
    assert_eq!(standby.await.unwrap().status(), 200);
    assert_eq!((stand.engine.wakes() - wakes, asleep(&stand)), (1, 0));
}

#[tokio::test]
async fn somebody_else_may_put_it_to_sleep() {
    let stand = Stand::with_box(|_| {}).await;
    assert_eq!(stand.client.get(APP).await.status(), 200);
    stand.engine.sleep_by_somebody_else("box");
    // The news and the request race; only once the news has been heard the request must not be sent there.
    tokio::task::yield_now().await;
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.json()["state"], "STANDBY");
    assert_eq!(stand.client.get(APP).await.status(), 200);
    assert_eq!(asleep(&stand), 0);
}

#[tokio::test]
async fn an_agent_that_ended_is_started_again_by_the_next_request() {
    let stand = Stand::with_box(|_| {}).await;
    assert_eq!(stand.client.get(APP).await.status(), 200);
    stand.engine.end_silently("box");
    let left = stand.client.get("/v0/sandboxes/box").await.json();
    assert_eq!(
        (left["state"].as_str(), left["reveille"]["ended"].as_str()),
        (Some("STANDBY"), Some("it was told to"))
    );
    // Connections that are kept die with it; one that cannot be used any more must not be noticed.
    let answer = stand.client.get(APP).await;
    assert_eq!(answer.status(), 200, "{answer:?}");
    assert_eq!(
        stand.client.get("/v0/sandboxes/box").await.json()["reveille"]["ended"],
        serde_json::Value::Null
    );
    assert_eq!(stand.engine.wakes(), 2);
}

#[tokio::test]
async fn it_falls_asleep_when_nothing_has_happened_for_a_while() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(30)).await;
    until(|| !stand.engine.is_awake("box")).await;
    assert_eq!(stand.client.get("/v0/sandboxes/box").await.json()["state"], "STANDBY");
    assert_eq!(stand.client.get(APP).await.status(), 200);
    until(|| !stand.engine.is_awake("box")).await;
    assert_eq!(asleep(&stand), 0);
}

#[tokio::test]
async fn a_keep_alive_process_keeps_it_awake_and_is_asked_for_again() {
    let stand = Stand::with(|settings| settings.standby_after = Duration::from_millis(300)).await;
    stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
    let app = stand.engine.app("box");
    app.keep_alive.store(true, std::sync::atomic::Ordering::SeqCst);
    // By now it may sleep.
    assert_eq!(stand.client.get(APP).await.status(), 200);
    let asked = || app.asked.load(std::sync::atomic::Ordering::SeqCst);
    let before = asked();
    until(|| asked() >= before + 2).await;
    assert!(stand.engine.is_awake("box"));
    app.keep_alive.store(false, std::sync::atomic::Ordering::SeqCst);
    until(|| !stand.engine.is_awake("box")).await;
    assert_eq!(app.arrived(), 1, "being asked is no activity");
}

#[tokio::test]
async fn a_request_in_flight_keeps_it_awake() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::ZERO).await;
    let client = stand.client.clone();
    let waiting = tokio::spawn(async move { client.get("/local/sandboxes/box/port/1/gate").await });
    // Idle without end, the sandbox sleeps between any two requests.
    until(|| stand.engine.app("box").arrived() == 1).await;
    let sleeps = stand.engine.sleeps();
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(stand.engine.sleeps(), sleeps);
    }
    stand.engine.app("box").gate.notify_one();
    assert_eq!(waiting.await.unwrap().text(), "through");
    until(|| stand.engine.sleeps() > sleeps).await;
    assert_eq!(asleep(&stand), 0);
}

#[tokio::test]
async fn a_sandbox_that_would_not_sleep_stays_awake_and_says_why() {
    let stand = Stand::with_box(|_| {}).await;
    stand.engine.script(|script| script.failing_sleeps = 1);
    let failed = stand.client.post("/v0/sandboxes/box/standby", "").await;
    assert_eq!(failed.status(), 500);
    assert!(failed.text().contains("it would not freeze"), "{failed:?}");
    assert_eq!(stand.client.get(APP).await.status(), 200);
    assert_eq!(stand.client.post("/v0/sandboxes/box/standby", "").await.status(), 200);
}

#[tokio::test]
async fn standby_and_resume_can_be_asked_for_again_and_again() {
    let stand = Stand::with_box(|_| {}).await;
    for (verb, state) in
        [("standby", "STANDBY"), ("standby", "STANDBY"), ("resume", "RUNNING"), ("resume", "RUNNING")]
    {
        let answer = stand.client.post(&format!("/v0/sandboxes/box/{verb}"), "").await;
        assert_eq!((answer.status().as_u16(), &answer.json()["state"]), (200, &state.into()), "{verb}");
    }
    assert_eq!(stand.client.post("/v0/sandboxes/none/standby", "").await.status(), 404);
    assert_eq!(stand.client.post("/v0/sandboxes/none/resume", "").await.status(), 404);
}

#[tokio::test]
async fn a_holding_gateway_holds_for_the_whole_window() {
    let delay = Duration::from_millis(60);
    let stand = Stand::with_sleeping_box(|settings| settings.resume_delay = delay).await;
    let began = std::time::Instant::now();
    assert_eq!(stand.client.get(APP).await.status(), 200);
    assert!(began.elapsed() >= delay);
}

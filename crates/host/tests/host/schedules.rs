//! Commands that sandboxes run by the clock, which is set ahead.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, mpsc as std_mpsc};
use std::time::Duration;

use http::Method;
use reveille_host::{Clock, HostSettings};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;

use crate::Stand;
use crate::client::Answer;
use crate::engine::ScriptedEngine;
use crate::store::{rewrite_one, written};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const ALL: &str = "/v0/sandboxes/box/schedules";
const EXECUTIONS: &str = "/v0/sandboxes/box/schedule-executions";

async fn with_clock() -> (Stand, Clock) {
    let clock = Clock::default();
    (Stand::with_box(|settings| settings.clock = clock.clone()).await, clock)
}

async fn make(stand: &Stand, schedule: &Value) -> Value {
    let made = stand.client.post(ALL, &schedule.to_string()).await;
    assert_eq!(made.status(), 200, "{made:?}");
    made.json()
}

fn cron(value: &str) -> Value {
    json!({"type": "cron", "value": value, "input": {"command": "true"}})
}

async fn listed(stand: &Stand, path: &str) -> Vec<Value> {
    stand.client.get(path).await.json()["data"].as_array().unwrap().clone()
}

/// The executions, once there are so many at the least.
async fn executions(stand: &Stand, many: usize) -> Vec<Value> {
    loop {
        let all = listed(stand, EXECUTIONS).await;
        if all.len() >= many {
            return all;
        }
        tokio::task::yield_now().await;
    }
}

async fn put(stand: &Stand, path: &str, schedule: &Value) -> Answer {
    stand.client.method(Method::PUT, path, &schedule.to_string()).await
}

#[tokio::test]
async fn a_schedule_is_made_found_changed_and_deleted() {
    let (stand, _) = with_clock().await;
    let made = make(&stand, &cron("0 8 * * 1-5")).await;
    let wanted = json!({"command": "true", "timeout": 600, "keepAlive": true});
    assert_eq!(
        (&made["input"], &made["maxExecutions"], &made["sandbox"]),
        (&wanted, &json!(100), &json!("box"))
    );
    let path = format!("{ALL}/{}", made["id"].as_str().unwrap());
    assert_eq!(stand.client.get(&path).await.json(), made);
    assert_eq!(stand.client.post(ALL, &made.to_string()).await.status(), 409);
    let slept =
        make(&stand, &json!({"id": "nap", "type": "sleep", "value": "1h", "input": {"command": "x"}})).await;
    assert_eq!((&slept["id"], &slept["type"]), (&json!("nap"), &json!("at")));
    assert_eq!(listed(&stand, ALL).await, [slept.clone(), made.clone()]);
    assert_eq!(listed(&stand, &format!("{ALL}?type=cron")).await, [made]);
    assert_eq!(listed(&stand, "/v0/schedules?sandbox=box&q=NAP").await, [slept]);
    assert_eq!(put(&stand, &path, &cron("30 9 * * *")).await.json()["value"], "30 9 * * *");
    assert_eq!(stand.client.get(&path).await.json()["value"], "30 9 * * *");
    assert_eq!(stand.client.method(Method::DELETE, &path, "").await.status(), 200);
    let missing = stand.client.get(&path).await;
    assert_eq!((missing.status().as_u16(), &missing.json()["error"]), (404, &json!("SCHEDULE_NOT_FOUND")));
    assert_eq!(stand.client.get("/v0/sandboxes/none/schedules").await.status(), 404);
}

#[tokio::test]
async fn what_cannot_be_is_refused() {
    let (stand, _) = with_clock().await;
    let input = json!({"command": "true"});
    for wrong in [
        json!({}),
        json!({"type": "cron", "value": "* * * * *"}),
        json!({"type": "cron", "value": "0 0 31 2 *", "input": input}),
        json!({"type": "cron", "value": "@daily", "input": input}),
        json!({"type": "at", "value": "2020-01-01T00:00:00Z", "input": input}),
        json!({"type": "at", "value": "soon", "input": input}),
        json!({"type": "sleep", "value": "-1h", "input": input}),
        json!({"type": "never", "value": "1h", "input": input}),
        json!({"type": "sleep", "value": "1h", "input": input, "maxExecutions": 0}),
        json!({"type": "sleep", "value": "1h", "input": input, "id": "a/b"}),
        json!({"type": "sleep", "value": "1h", "input": input, "id": ".."}),
        json!({"type": "sleep", "value": "1h", "input": {"command": "true", "timeout": -1}}),
        json!({"type": "sleep", "value": "1h", "input": {"command": "true", "name": "n".repeat(257)}}),
        json!({"type": "sleep", "value": "1h", "input": {"command": "x".repeat(65_537)}}),
        json!({"type": "sleep", "value": "1h", "input": {"command": "true", "env": {"A=B": ""}}}),
    ] {
        assert_eq!(stand.client.post(ALL, &wrong.to_string()).await.status(), 400, "{wrong}");
    }
    assert!(listed(&stand, ALL).await.is_empty());
}

#[tokio::test]
async fn what_comes_once_wakes_its_sandbox_runs_once_and_is_gone() {
    let clock = Clock::default();
    let stand = Stand::with_sleeping_box(|settings| settings.clock = clock.clone()).await;
    make(&stand, &json!({"type": "sleep", "value": "1h", "input": {"command": "true"}})).await;
    clock.skip(HOUR - MINUTE);
    assert_eq!(listed(&stand, ALL).await.len(), 1);
    clock.skip(MINUTE);
    let executions = executions(&stand, 1).await;
    assert_eq!((&executions[0]["status"], &executions[0]["statusCode"]), (&json!("succeeded"), &json!(200)));
    assert_eq!((&executions[0]["timeout"], &executions[0]["error"]), (&json!(600), &json!("")));
    assert!(listed(&stand, ALL).await.is_empty());
    clock.skip(HOUR);
    assert_eq!(stand.engine.app("box").arrived(), 1);
    assert_eq!(stand.engine.app("box").arrived_asleep.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn what_comes_again_runs_each_time_that_it_comes_and_as_much_is_remembered_as_was_asked_for() {
    let (stand, clock) = with_clock().await;
    let mut schedule = cron("0 0 * * *");
    schedule["maxExecutions"] = json!(2);
    make(&stand, &schedule).await;
    for run in 1..=4 {
        clock.skip(24 * HOUR);
        assert_eq!(executions(&stand, run.min(2)).await.len(), run.min(2));
        while stand.engine.app("box").arrived() < run {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(listed(&stand, ALL).await.len(), 1);
    let failed = format!("{EXECUTIONS}?status=failed&since=2020-01-01T00:00:00Z");
    assert!(listed(&stand, &failed).await.is_empty());
    assert_eq!(stand.client.get(&format!("{EXECUTIONS}?until=soon")).await.status(), 400);
}

#[tokio::test]
async fn what_came_while_no_host_ran_runs_late_where_it_comes_once_and_not_where_it_comes_again() {
    let (stand, clock) = with_clock().await;
    make(&stand, &json!({"id": "once", "type": "sleep", "value": "30m", "input": {"command": "true"}})).await;
    // Once a day, and that within the hour.
    let at = humantime::format_rfc3339_seconds(clock.now() + 30 * MINUTE).to_string();
    make(&stand, &cron(&format!("{} {} * * *", &at[14..16], &at[11..13]))).await;
    let Stand { host, engine, client: _, data } = stand;
    host.stop().await;
    clock.skip(HOUR);
    let stand = Stand::on(data, engine, |settings| settings.clock = clock.clone()).await;
    let executions = executions(&stand, 1).await;
    assert_eq!((executions.len(), &executions[0]["scheduleId"]), (1, &json!("once")));
}

/// A host whose sandbox has an agent that says when it is asked for a process, and answers when it is told to.
async fn with_slow_agent(
    change: impl FnOnce(&mut HostSettings),
) -> (Stand, Clock, mpsc::UnboundedReceiver<()>, std_mpsc::Sender<()>) {
    let clock = Clock::default();
    let (arrived, begun) = mpsc::unbounded_channel();
    let (answer, answers) = std_mpsc::channel();
    let answers = Mutex::new(answers);
    let slow = move |mut stream: UnixStream| {
        let mut request = [0; 4096];
        while stream.read(&mut request).is_ok_and(|read| read > 0) {
            if !request.starts_with(b"POST /process") {
                continue;
            }
            let told = arrived.send(()).is_ok() && answers.lock().unwrap().recv().is_ok();
            if !told
                || stream
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n{\"name\":\"job\"}")
                    .is_err()
            {
                return;
            }
        }
    };
    let stand = Stand::with_agent(slow, |settings| {
        settings.clock = clock.clone();
        change(settings);
    });
    (stand.await, clock, begun, answer)
}

async fn next_host(data: TempDir, clock: &Clock) -> Stand {
    let engine = ScriptedEngine::new(data.path());
    Stand::on(data, engine, |settings| settings.clock = clock.clone()).await
}

#[tokio::test]
async fn what_was_begun_is_not_begun_again_by_the_next_host() {
    let (stand, clock, mut begun, _answer) =
        with_slow_agent(|settings| settings.limits.drain = Duration::ZERO).await;
    make(&stand, &json!({"type": "sleep", "value": "1h", "input": {"command": "true"}})).await;
    clock.skip(HOUR);
    begun.recv().await.unwrap();
    let Stand { host, data, .. } = stand;
    host.stop().await;
    let stand = next_host(data, &clock).await;
    assert!(listed(&stand, ALL).await.is_empty());
    let executions = executions(&stand, 1).await;
    assert_eq!((&executions[0]["status"], &executions[0]["statusCode"]), (&json!("failed"), &json!(0)));
    assert!(executions[0]["error"].as_str().unwrap().contains("ended"), "{executions:?}");
}

#[tokio::test]
async fn a_host_that_stops_waits_for_the_answer_to_what_it_has_begun() {
    let (stand, clock, mut begun, answer) = with_slow_agent(|_| {}).await;
    make(&stand, &json!({"type": "sleep", "value": "1h", "input": {"command": "true"}})).await;
    clock.skip(HOUR);
    begun.recv().await.unwrap();
    let Stand { host, data, .. } = stand;
    let stopping = host.stop();
    tokio::pin!(stopping);
    assert!(futures_util::poll!(stopping.as_mut()).is_pending());
    answer.send(()).unwrap();
    stopping.await;
    let stand = next_host(data, &clock).await;
    let executions = executions(&stand, 1).await;
    assert_eq!(
        (&executions[0]["status"], &executions[0]["processName"]),
        (&json!("succeeded"), &json!("job"))
    );
}

#[tokio::test]
async fn what_comes_again_while_it_is_handed_over_comes_once_afterwards() {
    let (stand, clock, mut begun, answer) = with_slow_agent(|_| {}).await;
    make(&stand, &cron("0 0 * * *")).await;
    clock.skip(24 * HOUR);
    begun.recv().await.unwrap();
    clock.skip(24 * HOUR);
    // Another shows that the times have been looked at.
    make(&stand, &json!({"id": "later", "type": "sleep", "value": "72h", "input": {"command": "true"}}))
        .await;
    clock.skip(72 * HOUR);
    begun.recv().await.unwrap();
    (0..3).for_each(|_| answer.send(()).unwrap());
    begun.recv().await.unwrap();
    let executions = executions(&stand, 3).await;
    let again = executions.iter().filter(|execution| execution["scheduleId"] != "later").count();
    assert_eq!((executions.len(), again, begun.is_empty()), (3, 2, true));
}

#[tokio::test]
async fn values_of_variables_are_shown_to_who_asks_for_secrets_and_kept_where_they_were_not_seen() {
    let (stand, _) = with_clock().await;
    let mut schedule = cron("0 0 * * *");
    schedule["input"]["env"] = json!({"TOKEN": "secret", "OTHER": "x"});
    let mut made = make(&stand, &schedule).await;
    assert_eq!(made["input"]["env"], json!({"TOKEN": "********", "OTHER": "********"}));
    made["input"]["env"]["OTHER"] = json!("y");
    let path = format!("{ALL}/{}", made["id"].as_str().unwrap());
    assert!(!put(&stand, &path, &made).await.text().contains("\"y\""));
    assert!(!stand.client.get(ALL).await.text().contains("secret"));
    let seen = stand.client.get(&format!("{path}?show_secrets=true")).await.json();
    assert_eq!(seen["input"]["env"], json!({"TOKEN": "secret", "OTHER": "y"}));
}

#[tokio::test]
async fn schedules_and_what_is_remembered_of_them_go_with_their_sandbox() {
    let (stand, clock) = with_clock().await;
    make(&stand, &cron("* * * * *")).await;
    clock.skip(MINUTE);
    executions(&stand, 1).await;
    assert_eq!(stand.client.method(Method::DELETE, "/v0/sandboxes/box", "").await.status(), 200);
    assert_eq!(stand.client.get(ALL).await.status(), 404);
    assert_eq!(stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await.status(), 200);
    assert!(listed(&stand, ALL).await.is_empty() && listed(&stand, EXECUTIONS).await.is_empty());
    assert!(listed(&stand, "/v0/schedules").await.is_empty());
}

#[tokio::test]
async fn what_a_sandbox_does_not_take_is_told_as_failed() {
    let clock = Clock::default();
    let stand = Stand::with_sleeping_box(|settings| settings.clock = clock.clone()).await;
    stand.engine.script(|script| script.failing_wakes = 1);
    make(&stand, &json!({"type": "sleep", "value": "1h", "input": {"command": "true", "name": "job"}})).await;
    clock.skip(HOUR);
    let executions = executions(&stand, 1).await;
    let told = (&executions[0]["status"], &executions[0]["statusCode"], &executions[0]["processName"]);
    assert_eq!(told, (&json!("failed"), &json!(0), &json!("job")));
    assert!(executions[0]["error"].as_str().unwrap().contains("did not wake"), "{executions:?}");
    assert_eq!((stand.engine.app("box").arrived(), listed(&stand, ALL).await.len()), (0, 0));
}

#[tokio::test]
async fn what_cannot_be_read_of_schedules_is_told_kept_and_in_nobodys_way() {
    const TORN: &str = "{\"sandbox\":";
    let (stand, clock) = with_clock().await;
    let nap = json!({"id": "nap", "type": "sleep", "value": "1h", "input": {"command": "true"}});
    make(&stand, &nap).await;
    let Stand { host, engine, client: _, data } = stand;
    host.stop().await;
    rewrite_one(data.path(), ("schedule", "box/nap"), |_| TORN.to_owned());
    rewrite_one(data.path(), ("executions", "box"), |_| TORN.to_owned());
    let stand = Stand::on(data, engine, |settings| settings.clock = clock.clone()).await;
    let told = stand.host.warnings().join("\n");
    assert!(told.contains("\"box/nap\" (schedule)") && told.contains("\"box\" (executions)"), "{told}");
    let taken = stand.client.post(ALL, &nap.to_string()).await;
    assert_eq!(taken.status(), 409, "{taken:?}");
    make(&stand, &json!({"id": "day", "type": "sleep", "value": "1h", "input": {"command": "true"}})).await;
    clock.skip(HOUR);
    assert_eq!(executions(&stand, 1).await[0]["scheduleId"], "day");
    stand.host.stop().await;
    assert_eq!(written(stand.data.path(), "schedule"), [TORN]);
    assert_eq!(written(stand.data.path(), "damaged"), [TORN], "of what was carried out before");
}

#[tokio::test]
async fn a_sandbox_has_a_hundred_schedules_at_the_most() {
    let (stand, _) = with_clock().await;
    for _ in 0..100 {
        make(&stand, &cron("0 8 * * *")).await;
    }
    assert_eq!(stand.client.post(ALL, &cron("0 8 * * *").to_string()).await.status(), 409);
}

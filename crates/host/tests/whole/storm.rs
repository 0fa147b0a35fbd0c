//! Many requests at once to what sleeps, and many at the moment in which it falls asleep.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use reveille_host::HostSettings;
use serde_json::json;

use crate::stand::{Answer, Stand, this_program};

/// How large a storm is. `REVEILLE_STORM=full` has the full one; a machine that tests many things at once has little
/// room.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// Requests to one sleeper.
    requests: usize,
    sleepers: usize,
    /// Sandboxes that fall asleep again and again, and requests to each of them.
    falling: usize,
    each: usize,
}

fn size() -> Size {
    if std::env::var_os("REVEILLE_STORM").is_some_and(|size| size == "full") {
        Size { requests: 1000, sleepers: 500, falling: 20, each: 100 }
    } else {
        Size { requests: 400, sleepers: 24, falling: 5, each: 40 }
    }
}

/// How often a waking has ended well, and how often a sandbox was put to sleep.
async fn counted(stand: &Stand) -> (usize, usize) {
    let told = stand.ask("GET", "/metrics", String::new()).await.text();
    let count = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.trim().parse().unwrap())
    };
    (count("reveille_wakings_total{outcome=\"awake\"}"), count("reveille_standbys_total"))
}

/// Makes sandboxes, a few at a time.
async fn create(stand: &Stand, names: &[String]) {
    let made = stream::iter(names).map(|name| {
        let body = json!({"metadata": {"name": name}}).to_string();
        async move { stand.control("POST", "/sandboxes", &body).await.status }
    });
    let made: Vec<u16> = made.buffer_unordered(8).collect().await;
    assert!(made.iter().all(|status| *status == 200), "{made:?}");
}

async fn put_to_sleep(stand: &Stand, name: &str) {
    let slept = stand.control("POST", &format!("/sandboxes/{name}/standby"), "").await;
    assert_eq!(slept.status, 200, "{slept:?}");
}

/// Starts a server in a sandbox that counts what it is asked, and gives the path to it.
async fn start_counter(stand: &Stand, name: &str) -> String {
    let run = json!({"command": this_program("serve"), "name": "server"}).to_string();
    let started = stand.ask("POST", &format!("/local/sandboxes/{name}/process"), run).await;
    assert_eq!(started.status, 200, "{started:?}");
    loop {
        let logs = format!("/local/sandboxes/{name}/process/server/logs");
        let said = stand.ask("GET", &logs, String::new()).await.json();
        if let Ok(port) = said["stdout"].as_str().unwrap_or_default().trim().parse::<u16>() {
            return format!("/local/sandboxes/{name}/port/{port}/x");
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Each of these was answered, and each request has arrived once: the server has numbered them.
fn arrived_once(answers: &[Answer]) {
    let refused = answers.iter().find(|answer| answer.status != 200);
    assert!(refused.is_none(), "{refused:?}");
    let numbers: BTreeSet<u64> = answers.iter().map(|answer| answer.json().as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), answers.len(), "something arrived twice");
    let (first, last) = (numbers.first().unwrap(), numbers.last().unwrap());
    assert_eq!(last - first + 1, answers.len() as u64, "something arrived that nobody has sent");
}

fn awake_until_told(settings: &mut HostSettings) {
    settings.standby_after = Duration::from_secs(3600);
}

pub(crate) async fn requests_to_one_sleeper_are_answered_once_each_by_one_waking() {
    let stand = Stand::with_box(awake_until_told).await;
    let path = start_counter(&stand, "box").await;
    put_to_sleep(&stand, "box").await;
    let (before, _) = counted(&stand).await;
    let all = (0..size().requests).map(|_| stand.ask("POST", &path, "x".to_owned()));
    arrived_once(&join_all(all).await);
    assert_eq!(counted(&stand).await.0 - before, 1);
    stand.host.stop().await;
}

pub(crate) async fn many_sleepers_wake_once_each() {
    let stand = Stand::with_box(awake_until_told).await;
    let names: Vec<String> = (0..size().sleepers).map(|number| format!("sleeper-{number}")).collect();
    create(&stand, &names).await;
    join_all(names.iter().map(|name| put_to_sleep(&stand, name))).await;
    let (before, _) = counted(&stand).await;
    let all = names.iter().map(|name| {
        let path = format!("/local/sandboxes/{name}/health");
        let stand = &stand;
        async move { stand.ask("GET", &path, String::new()).await }
    });
    let answers = join_all(all).await;
    assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
    assert_eq!(counted(&stand).await.0 - before, names.len());
    stand.host.stop().await;
}

pub(crate) async fn requests_at_the_moment_of_falling_asleep_are_not_lost() {
    const STANDBY: Duration = Duration::from_millis(15);
    let Size { falling, each, .. } = size();
    let stand = Stand::with_box(|settings| settings.standby_after = STANDBY).await;
    let names: Vec<String> = (0..falling).map(|number| format!("falling-{number}")).collect();
    create(&stand, &names).await;
    let (_, before) = counted(&stand).await;
    join_all(names.iter().map(|name| async {
        let path = start_counter(&stand, name).await;
        let mut answers = Vec::new();
        for _ in 0..each {
            // A little before and after it is due, and while it is being put to sleep.
            let aim = STANDBY.mul_f64(0.8) + STANDBY.mul_f64(0.6 * fastrand::f64());
            tokio::time::sleep(aim).await;
            answers.push(stand.ask("POST", &path, "x".to_owned()).await);
        }
        arrived_once(&answers);
    }))
    .await;
    let (_, after) = counted(&stand).await;
    assert!(after > before, "none has fallen asleep");
    stand.host.stop().await;
}

//! What runs in a sandbox.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::sys::socket::Backlog;
use nix::unistd::Pid;
use serde_json::json;

use crate::stand::{self, Stand};

pub(crate) async fn autostarts() {
    let stand = Stand::with_box(|_| {}).await;
    // Its name is free again for one that begins with it.
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.status, 200);
    let metadata = json!({"name": "box", "labels": {"autostart": "echo started >> starts; exec sleep 987"}});
    let made = stand.control("POST", "/sandboxes", &json!({"metadata": metadata}).to_string()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let starts = async |stand: &Stand| {
        let said = json!({"command": "until [ -s starts ]; do sleep 0.01; done; cat starts", "waitForCompletion": true});
        let said = stand.post("/process", &said).await.json();
        said["logs"].as_str().unwrap_or_default().lines().count()
    };
    assert_eq!(starts(&stand).await, 1);
    // A nap is no new start.
    assert_eq!(stand.control("POST", "/sandboxes/box/standby", "").await.status, 200);
    assert_eq!(starts(&stand).await, 1);
    let running = stand.get("/process/autostart").await;
    assert_eq!(running.json()["status"], "running", "{running:?}");
    let stand = stand.restarted().await;
    assert_eq!(stand.get("/health").await.status, 200);
    while starts(&stand).await < 2 {}
    assert_eq!(stand.control("PUT", "/sandboxes/box", r#"{"metadata":{"labels":null}}"#).await.status, 200);
    let stand = stand.restarted().await;
    assert_eq!(stand.get("/process/autostart").await.status, 404);
}

/// A server in a sandbox: says on which port it listens, and each time how many requests it has had.
pub(crate) fn serve() -> ExitCode {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::listen(&listener, Backlog::MAXCONN).unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    for (number, stream) in listener.incoming().enumerate() {
        let mut stream = BufReader::new(stream.unwrap());
        let mut line = String::new();
        while stream.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        let body = number.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
    }
    ExitCode::SUCCESS
}

/// How much processor time a process has used, in clock ticks.
fn ticks(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The process outside that runs a command line which holds `mark`.
pub(crate) fn pid_of(mark: &str) -> Option<String> {
    pids_of(mark).into_iter().next()
}

/// The process that a process came from.
fn parent(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().to_owned()
}

/// Kills the agent that a process of a sandbox has come from.
pub(crate) fn kill_agent_of(pid: &str) {
    let mut agent = pid.to_owned();
    // Up to what the host itself has started.
    while parent(&agent) != std::process::id().to_string() {
        agent = parent(&agent);
    }
    nix::sys::signal::kill(Pid::from_raw(agent.parse().unwrap()), Signal::SIGKILL).unwrap();
}

fn pids_of(mark: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().into_string().ok());
    let pids = pids.filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    let holds = |pid: &String| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    };
    pids.filter(holds).collect()
}

pub(crate) async fn processes_survive_standby() {
    let stand = Stand::with_box(|_| {}).await;
    // Busy, so that a process that is not stopped gives itself away.
    let mark = format!("busy-{}", fastrand::u64(..));
    let command = json!({"command": format!("exec sh -c 'while :; do :; done' {mark}"), "name": "busy"});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    let pid = stand::until_some(|| pid_of(&mark)).await;

    let slept = stand.control("POST", "/sandboxes/box/standby", "").await;
    assert_eq!((slept.status, &slept.json()["state"]), (200, &json!("STANDBY")));
    let before = ticks(&pid);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ticks(&pid), before, "it runs in standby");

    let seen = stand.get("/process/busy").await;
    assert_eq!((seen.status, &seen.json()["status"]), (200, &json!("running")));
    assert_eq!(stand.control("GET", "/sandboxes/box", "").await.json()["state"], "RUNNING");
    stand::until(|| ticks(&pid) > before).await;
    stand.host.stop().await;
    stand::until(|| pid_of(&mark).is_none()).await;
}

pub(crate) async fn keep_alive_keeps_awake() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(200)).await;
    let command = json!({"command": "sleep 1.5", "keepAlive": true, "name": "kept"});
    let began = std::time::Instant::now();
    assert_eq!(stand.post("/process", &command).await.status, 200);
    while stand.control("GET", "/sandboxes/box", "").await.json()["state"] == "RUNNING" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(1400), "asleep after {:?}", began.elapsed());
    assert_eq!(stand.get("/process/kept").await.json()["status"], "completed");
}

pub(crate) async fn a_killed_agent_is_started_again() {
    let stand = Stand::with_box(|_| {}).await;
    let mark = format!("lost-{}", fastrand::u64(..));
    let command =
        json!({"command": format!("exec sh -c 'while sleep 1; do :; done' {mark}"), "name": "lost"});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    kill_agent_of(&stand::until_some(|| pid_of(&mark)).await);
    // A request may meet the agent's end; the next ones meet a new agent, which knows nothing of the process.
    loop {
        match stand.get("/process/lost").await.status {
            404 => break,
            status => assert!(matches!(status, 200 | 502), "{status}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stand.get("/health").await.status, 200);
}

pub(crate) async fn a_server_goes_on() {
    let stand = Stand::with_box(|_| {}).await;
    let command = json!({"command": stand::this_program("serve"), "name": "server"});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    let port: u16 = loop {
        let logs = stand.get("/process/server/logs").await.json();
        if let Ok(port) = logs["stdout"].as_str().unwrap_or_default().trim().parse() {
            break port;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let at = |path: &str| format!("/port/{port}/{path}");
    let first = stand.get(&at("")).await.json().as_u64().unwrap();
    for round in 1..=5 {
        let slept = stand.control("POST", "/sandboxes/box/standby", "").await;
        assert_eq!(slept.status, 200, "{slept:?}");
        let [a, b, c] = ["a", "b", "c"].map(at);
        let (a, b, c) = tokio::join!(stand.get(&a), stand.get(&b), stand.get(&c));
        let mut numbers = [a, b, c].map(|answer| answer.json().as_u64().unwrap());
        numbers.sort_unstable();
        let next = first + round * 3;
        assert_eq!(numbers, [next - 2, next - 1, next], "each arrived once");
    }
}

pub(crate) async fn upgrades_unnoticed() {
    let stand = Stand::with_box(|_| {}).await;
    for upgrades in 1..=3 {
        let accepted = stand.post("/upgrade", &json!({})).await;
        assert_eq!(accepted.status, 200, "{accepted:?}");
        loop {
            let health = stand.get("/health").await;
            assert_eq!(health.status, 200, "{health:?}");
            if health.json()["upgradeCount"] == upgrades {
                break;
            }
        }
    }
}

pub(crate) async fn deleted_with_its_processes() {
    let stand = Stand::with_box(|_| {}).await;
    let mark = format!("stays-{}", fastrand::u64(..));
    let command = json!({"command": format!("exec sh -c 'while sleep 1; do :; done' {mark}")});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    stand::until_some(|| pid_of(&mark)).await;
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.json()["status"], "DELETING");
    stand::until(|| pid_of(&mark).is_none()).await;
    assert_eq!(stand.get("/health").await.status, 404);
}

//! A host that is killed at any moment while it is asked to create, change and delete, and the ones after it.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use reveille_host::Host;
use serde_json::{Value, json};

use crate::stand;

/// How many hosts are killed, unless `REVEILLE_CRASH_ROUNDS` says otherwise.
const ROUNDS: usize = 5;
/// How many sandboxes each of them works on at the same time.
const NAMES: usize = 4;

/// A host that waits to be killed: says where it listens.
pub(crate) fn host(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(directory) = arguments.next() else { return ExitCode::FAILURE };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let host = Host::start(stand::settings(Path::new(&directory))).await.unwrap();
        println!("{}", host.address());
        std::future::pending::<ExitCode>().await
    })
}

/// A host in a process of its own, which dies with this.
struct Victim {
    process: Child,
    address: SocketAddr,
}

impl Victim {
    fn start(data: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut process = command.arg("host").arg(data).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, address: line.trim().parse().unwrap() }
    }

    /// What it answers; `None` where it was killed before it did.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let answer = stand::try_send(self.address, method, path, body.to_string()).await?;
        Some((answer.status, answer.json()))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It has ended already where the round went as it should.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What is known of one sandbox: the labels that it may have, or that it may be absent (`None`).
#[derive(Debug, Clone)]
struct Known(Vec<Option<String>>);

pub(crate) async fn killed_under_load() {
    let rounds = std::env::var("REVEILLE_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let data = tempfile::tempdir().unwrap();
    let mut known = vec![Known(vec![None]); NAMES];
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let mut victim = Victim::start(data.path());
        for (number, known) in known.iter_mut().enumerate() {
            *known = Known(vec![found(&victim, number, known, round).await]);
        }
        let named: Vec<&str> = known.iter().filter_map(|known| known.0[0].as_deref()).collect();
        let (_, list) = victim.ask("GET", "/v0/sandboxes", &Value::Null).await.unwrap();
        assert_eq!(list["meta"]["total"], named.len(), "round {round}: nothing that nobody made");
        let work = known.iter_mut().enumerate().map(|(number, known)| work(&victim, number, known));
        let until = Duration::from_millis(fastrand::u64(1..250));
        let _ = tokio::time::timeout(until, futures_util::future::join_all(work)).await;
        victim.process.kill().unwrap();
        victim.process.wait().unwrap();
    }
}

/// What there is of a sandbox, which must be one of the things that can be.
async fn found(victim: &Victim, number: usize, known: &Known, round: usize) -> Option<String> {
    let path = format!("/v0/sandboxes/box{number}");
    loop {
        let (status, record) = victim.ask("GET", &path, &Value::Null).await.unwrap();
        let label = match status {
            404 => None,
            200 if matches!(record["status"].as_str(), Some("DELETING" | "DEPLOYING")) => continue,
            200 => Some(record["metadata"]["labels"]["word"].as_str().unwrap().to_owned()),
            other => panic!("round {round}: {other} {record}"),
        };
        assert!(known.0.contains(&label), "round {round}: box{number} is {label:?}, and can be {known:?}");
        let health = format!("/local/sandboxes/box{number}/health");
        let (status, said) = victim.ask("GET", &health, &Value::Null).await.unwrap();
        assert_eq!(status, if label.is_some() { 200 } else { 404 }, "round {round}: {said}");
        return label;
    }
}

/// Creates, changes and deletes until the host is killed. What was answered is known; what was asked can be.
async fn work(victim: &Victim, number: usize, known: &mut Known) {
    let path = format!("/v0/sandboxes/box{number}");
    loop {
        let word = format!("w{:08x}", fastrand::u32(..));
        let metadata = json!({"metadata": {"name": format!("box{number}"), "labels": {"word": word}}});
        let (method, path, next) = match (&known.0[0], fastrand::bool()) {
            (None, _) => ("POST", "/v0/sandboxes", Some(word)),
            (Some(_), true) => ("PUT", &*path, Some(word)),
            (Some(_), false) => ("DELETE", &*path, None),
        };
        known.0.push(next.clone());
        let Some((status, said)) = victim.ask(method, path, &metadata).await else { return };
        assert_eq!(status, 200, "{method} {path}: {said}");
        known.0 = vec![next];
    }
}

/// Kills hosts while they take over what a host of before has left, and looks whether anything is missing at the end.
pub(crate) async fn killed_while_it_takes_over() {
    const OF_BEFORE: usize = 60;
    let data = tempfile::tempdir().unwrap();
    let records = data.path().join("records");
    std::fs::create_dir_all(&records).unwrap();
    for number in 0..OF_BEFORE {
        let name = format!("box{number}");
        let metadata = json!({"name": name, "labels": {"word": name}});
        let record =
            json!({"version": 1, "sandbox": {"metadata": metadata, "spec": {}, "status": "DEPLOYED"}});
        std::fs::write(records.join(format!("{name}.json")), record.to_string()).unwrap();
        let files = data.path().join("sandboxes").join(&name).join("files");
        std::fs::create_dir_all(&files).unwrap();
        std::fs::write(files.join("kept"), name).unwrap();
    }
    for microseconds in (0..40).map(|round| 3000 + round * 1500) {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut host = command.arg("host").arg(data.path()).stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(microseconds));
        host.kill().unwrap();
        host.wait().unwrap();
    }
    let victim = Victim::start(data.path());
    for number in 0..OF_BEFORE {
        let (status, record) =
            victim.ask("GET", &format!("/v0/sandboxes/box{number}"), &Value::Null).await.unwrap();
        assert_eq!(status, 200, "{record}");
        let kept = data.path().join(format!("sandboxes/box{number}/files/kept"));
        assert_eq!(std::fs::read_to_string(kept).unwrap(), format!("box{number}"));
    }
    let (_, list) = victim.ask("GET", "/v0/sandboxes", &Value::Null).await.unwrap();
    assert_eq!(list["meta"]["total"], OF_BEFORE);
    assert!(!records.exists());
}

//! A host that is killed at any moment while it is asked to create, change and delete, and the ones after it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reveille_host::{Host, Lifetime};
use serde_json::{Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::stand;

/// How many hosts are killed, unless `REVEILLE_CRASH_ROUNDS` says otherwise.
const ROUNDS: usize = 5;
/// How many sandboxes each of them works on at the same time.
const NAMES: usize = 4;

/// A host that waits to be killed, or to be asked to end: says where it listens.
pub(crate) fn host(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<_> = arguments.filter_map(|word| word.into_string().ok()).collect();
    let [directory, lifetime] = words.as_slice() else { return ExitCode::FAILURE };
    let mut settings = stand::settings(Path::new(directory));
    settings.lifetime = if lifetime == BEYOND { Lifetime::BeyondTheHost } else { Lifetime::OfTheHost };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut asked = signal(SignalKind::terminate()).unwrap();
        let host = Host::start(settings).await.unwrap();
        println!("{}", host.address());
        asked.recv().await;
        host.stop().await;
        ExitCode::SUCCESS
    })
}

const BEYOND: &str = "beyond";

fn word(lifetime: Lifetime) -> &'static str {
    if lifetime == Lifetime::BeyondTheHost { BEYOND } else { "of" }
}

/// A host in a process of its own, which dies with this.
struct Victim {
    process: Child,
    address: SocketAddr,
}

impl Victim {
    fn start(place: &Place, lifetime: Lifetime) -> Self {
        // It goes into its cgroup before it is a host.
        let line = "[ -z \"$1\" ] || echo $$ > \"$1/cgroup.procs\"; exec \"$0\" host \"$2\" \"$3\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).arg(std::env::current_exe().unwrap());
        command
            .arg(place.cgroup.as_deref().unwrap_or(Path::new("")))
            .arg(place.data.path())
            .arg(word(lifetime));
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, address: line.trim().parse().unwrap() }
    }

    /// What it answers; `None` where it was killed before it did.
    async fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let answer = stand::try_send(self.address, method, path, body.to_string()).await?;
        Some((answer.status, answer.json()))
    }

    /// What a command line in a sandbox writes.
    async fn run(&self, name: &str, line: &str) -> Option<String> {
        let path = format!("/local/sandboxes/{name}/process");
        let body = json!({"command": line, "waitForCompletion": true});
        let (status, said) = self.ask("POST", &path, &body).await?;
        assert_eq!((status, &said["exitCode"]), (200, &json!(0)), "{line}: {said}");
        Some(said["stdout"].as_str().unwrap().trim().to_owned())
    }

    /// Ends it as an operator does.
    fn stop(mut self) {
        kill(Pid::from_raw(self.process.id().cast_signed()), Signal::SIGTERM).unwrap();
        assert!(self.process.wait().unwrap().success());
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It has ended already where the round went as it should.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where the hosts of one run are: what they leave, they leave here.
struct Place {
    data: tempfile::TempDir,
    /// A cgroup of their own, where this process may make one.
    cgroup: Option<PathBuf>,
    /// What the names of its sandboxes begin with.
    prefix: String,
}

impl Place {
    fn new() -> Self {
        let prefix = format!("crash-{:08x}", fastrand::u32(..));
        let data = tempfile::tempdir().unwrap();
        let cgroup = own_cgroup().map(|own| own.join(&prefix)).filter(|path| fs::create_dir(path).is_ok());
        if cgroup.is_none() {
            eprintln!("not looked at: cgroups, as this process may make none");
        }
        Self { data, cgroup, prefix }
    }

    fn name(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// What there is of sandboxes, besides their records: of these, and of no others.
    async fn holds_only(&self, names: &BTreeSet<String>, round: usize) {
        let parts: [(&str, Found); 5] = [
            ("processes", Self::running),
            ("directories", |place| listed(&place.data.path().join("sandboxes"))),
            ("sockets", |place| listed(&place.data.path().join("engine/sockets"))),
            ("logs", |place| listed(&place.data.path().join("engine/logs"))),
            ("cgroups", Self::cgroups),
        ];
        for (what, found) in parts {
            // Deletes that were begun are finished meanwhile.
            let mut left = Vec::new();
            for _ in 0..2000 {
                left = found(self).into_iter().filter(|found| !is_of(names, found)).collect::<Vec<_>>();
                if left.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(left.is_empty(), "round {round}: {what} are left beside those of {names:?}: {left:?}");
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains(self.data.path().to_str().unwrap()), "round {round}: {mounts}");
    }

    /// The sandboxes that have processes, by the variable that the engine marks them with.
    fn running(&self) -> Vec<String> {
        let mark = format!("REVEILLE_SANDBOX_ID={}-", self.prefix);
        let marks = fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
            let environment = fs::read(process.path().join("environ")).ok()?;
            let found =
                environment.split(|byte| *byte == 0).find(|entry| entry.starts_with(mark.as_bytes()))?;
            Some(String::from_utf8_lossy(found).split_once('=')?.1.to_owned())
        });
        marks.collect()
    }

    fn cgroups(&self) -> Vec<String> {
        let hosts = self.cgroup.iter().flat_map(|cgroup| below(cgroup));
        hosts.flat_map(|host| listed_directories(&host)).collect()
    }

    /// Looks whether anything is left when the last host has ended.
    fn is_empty(&self) {
        assert_eq!(self.running(), [""; 0], "processes");
        assert!(!self.data.path().join("engine/sockets").exists(), "sockets");
        let Some(cgroup) = &self.cgroup else { return };
        assert_eq!(listed_directories(cgroup), [""; 0], "cgroups");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Where the run went as it should there is nothing in it.
        if let Some(cgroup) = &self.cgroup {
            let _ = fs::write(cgroup.join("cgroup.kill"), "1");
            let _ = fs::remove_dir(cgroup);
        }
    }
}

/// What is found of sandboxes in one place.
type Found = fn(&Place) -> Vec<String>;

/// Whether something is called after one of these, as the engine calls what it makes for them.
fn is_of(names: &BTreeSet<String>, found: &str) -> bool {
    names.iter().any(|name| {
        found.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '.']))
    })
}

fn listed(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

fn below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

fn listed_directories(directory: &Path) -> Vec<String> {
    let names = below(directory).into_iter().filter_map(|path| path.file_name().map(ToOwned::to_owned));
    names.map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The cgroup (version 2) that this process is in.
fn own_cgroup() -> Option<PathBuf> {
    let membership = fs::read_to_string("/proc/self/cgroup").ok()?;
    let own = membership.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    let mounts = fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    Some(Path::new(mount.split(' ').nth(4)?).join(own))
}

/// One sandbox: the word that is its label, and what its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Box {
    label: String,
    file: String,
}

/// What is known of a sandbox and of its drive: what each of them may be, or that it may be absent (`None`).
#[derive(Debug, Clone)]
struct Known {
    sandbox: Vec<Option<Box>>,
    drive: Vec<Option<()>>,
}

/// What is asked for.
enum Asked {
    Create,
    Label,
    Write,
    Delete,
    Drive,
}

pub(crate) async fn killed_under_load(lifetime: Lifetime) {
    let rounds = std::env::var("REVEILLE_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let place = Place::new();
    let mut known = vec![Known { sandbox: vec![None], drive: vec![None] }; NAMES];
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let mut victim = Victim::start(&place, lifetime);
        look(&victim, &place, &mut known, round).await;
        let work =
            known.iter_mut().enumerate().map(|(number, known)| work(&victim, place.name(number), known));
        let until = Duration::from_millis(fastrand::u64(1..250));
        let _ = tokio::time::timeout(until, futures_util::future::join_all(work)).await;
        victim.process.kill().unwrap();
        victim.process.wait().unwrap();
    }
    let victim = Victim::start(&place, lifetime);
    look(&victim, &place, &mut known, usize::MAX).await;
    victim.stop();
    place.is_empty();
}

/// Looks whether all is there that must be, and nothing that must not.
async fn look(victim: &Victim, place: &Place, known: &mut [Known], round: usize) {
    let mut names = BTreeSet::new();
    for (number, known) in known.iter_mut().enumerate() {
        let name = place.name(number);
        let sandbox = found(victim, &name, known, round).await;
        if sandbox.is_some() {
            names.insert(name.clone());
        }
        let (status, said) = victim.ask("GET", &format!("/v0/drives/{name}"), &Value::Null).await.unwrap();
        let drive = (status == 200).then_some(());
        assert!(
            known.drive.contains(&drive),
            "round {round}: the drive is {drive:?}, and can be {known:?}: {said}"
        );
        assert_eq!(
            place.data.path().join("drives").join(&name).exists(),
            drive.is_some(),
            "round {round}: {name}"
        );
        *known = Known { sandbox: vec![sandbox], drive: vec![drive] };
    }
    let (_, list) = victim.ask("GET", "/v0/sandboxes", &Value::Null).await.unwrap();
    assert_eq!(list["meta"]["total"], names.len(), "round {round}: nothing that nobody made");
    place.holds_only(&names, round).await;
}

/// What there is of a sandbox, which must be one of the things that can be.
async fn found(victim: &Victim, name: &str, known: &Known, round: usize) -> Option<Box> {
    let path = format!("/v0/sandboxes/{name}");
    let health = format!("/local/sandboxes/{name}/health");
    let sandbox = loop {
        let (status, record) = victim.ask("GET", &path, &Value::Null).await.unwrap();
        let label = match status {
            404 => None,
            200 if matches!(record["status"].as_str(), Some("DELETING" | "DEPLOYING")) => continue,
            200 => Some(record["metadata"]["labels"]["word"].as_str().unwrap().to_owned()),
            other => panic!("round {round}: {other} {record}"),
        };
        let (status, said) = victim.ask("GET", &health, &Value::Null).await.unwrap();
        assert_eq!(status, if label.is_some() { 200 } else { 404 }, "round {round}: {said}");
        let Some(label) = label else { break None };
        let file = victim.run(name, "cat file 2>/dev/null || true").await.unwrap();
        break Some(Box { label, file });
    };
    assert!(known.sandbox.contains(&sandbox), "round {round}: {name} is {sandbox:?}, and can be {known:?}");
    sandbox
}

/// Creates, changes and deletes until the host is killed. What was answered is known; what was asked can be.
async fn work(victim: &Victim, name: String, known: &mut Known) {
    let path = format!("/v0/sandboxes/{name}");
    loop {
        let word = format!("w{:08x}", fastrand::u32(..));
        let metadata = json!({"metadata": {"name": name, "labels": {"word": word}}});
        let asked = match (&known.sandbox[0], fastrand::u8(0..5)) {
            (_, 0) => Asked::Drive,
            (None, _) => Asked::Create,
            (Some(_), 1) => Asked::Delete,
            (Some(_), 2) => Asked::Label,
            (Some(_), _) => Asked::Write,
        };
        if let Asked::Drive = asked {
            let next = known.drive[0].is_none().then_some(());
            known.drive.push(next);
            let drive = format!("/v0/drives/{name}");
            let (method, path) = if next.is_some() { ("POST", "/v0/drives") } else { ("DELETE", &*drive) };
            let Some((status, said)) = victim.ask(method, path, &metadata).await else { return };
            assert_eq!(status, 200, "{method} {path}: {said}");
            known.drive = vec![next];
            continue;
        }
        let mut next = known.sandbox[0].clone().unwrap_or(Box { label: word.clone(), file: String::new() });
        let next = match asked {
            Asked::Delete => None,
            Asked::Write => {
                next.file.clone_from(&word);
                Some(next)
            }
            _ => {
                next.label.clone_from(&word);
                Some(next)
            }
        };
        known.sandbox.push(next.clone());
        let (method, path) = match asked {
            Asked::Create => ("POST", "/v0/sandboxes"),
            Asked::Delete => ("DELETE", &*path),
            Asked::Write => {
                // In one step: cut off in the middle it is the one or the other.
                let line = format!("echo {word} > new && mv new file");
                if victim.run(&name, &line).await.is_none() {
                    return;
                }
                known.sandbox = vec![next];
                continue;
            }
            _ => ("PUT", &*path),
        };
        let Some((status, said)) = victim.ask(method, path, &metadata).await else { return };
        assert_eq!(status, 200, "{method} {path}: {said}");
        known.sandbox = vec![next];
    }
}

/// Kills hosts while they take over what a host of before has left, and looks whether anything is missing at the end.
pub(crate) async fn killed_while_it_takes_over() {
    const OF_BEFORE: usize = 60;
    let place = Place::new();
    let data = &place.data;
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
        let mut host = command.arg("host").arg(data.path()).arg("of").stdout(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_micros(microseconds));
        host.kill().unwrap();
        host.wait().unwrap();
    }
    let victim = Victim::start(&place, Lifetime::OfTheHost);
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

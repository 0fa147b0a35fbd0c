//! A host in a process of its own, and what it leaves behind.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
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
pub(crate) struct Victim {
    pub(crate) process: Child,
    address: SocketAddr,
}

impl Victim {
    pub(crate) fn start(place: &Place, lifetime: Lifetime) -> Self {
        Self::begin(place, lifetime, &std::env::var_os("PATH").unwrap_or_default())
    }

    /// One that finds its programs in a directory of its own.
    pub(crate) fn with_programs(place: &Place, lifetime: Lifetime, programs: &Path) -> Self {
        Self::begin(place, lifetime, programs.as_os_str())
    }

    fn begin(place: &Place, lifetime: Lifetime, programs: &OsStr) -> Self {
        // It goes into its cgroup before it is a host.
        let line = "[ -z \"$1\" ] || echo $$ > \"$1/cgroup.procs\"; exec \"$0\" host \"$2\" \"$3\"";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", line]).arg(std::env::current_exe().unwrap());
        command
            .arg(place.cgroup.as_deref().unwrap_or(Path::new("")))
            .arg(place.data.path())
            .arg(word(lifetime))
            .env("PATH", programs);
        let mut process = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { process, address: line.trim().parse().unwrap() }
    }

    /// What it answers; `None` where it was killed before it did.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> Option<(u16, Value)> {
        let answer = stand::try_send(self.address, method, path, body.to_string()).await?;
        let said = if answer.text().is_empty() { Value::Null } else { answer.json() };
        Some((answer.status, said))
    }

    /// What a command line in a sandbox writes.
    pub(crate) async fn run(&self, name: &str, line: &str) -> Option<String> {
        let path = format!("/local/sandboxes/{name}/process");
        let body = json!({"command": line, "waitForCompletion": true});
        let (status, said) = self.ask("POST", &path, &body).await?;
        assert_eq!((status, &said["exitCode"]), (200, &json!(0)), "{line}: {said}");
        Some(said["stdout"].as_str().unwrap().trim().to_owned())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as an operator does.
    pub(crate) fn stop(mut self) {
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
pub(crate) struct Place {
    pub(crate) data: tempfile::TempDir,
    /// A cgroup of their own, where this process may make one.
    cgroup: Option<PathBuf>,
    /// What the names of its sandboxes begin with.
    prefix: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let prefix = format!("crash-{:08x}", fastrand::u32(..));
        let data = tempfile::tempdir().unwrap();
        let cgroup = own_cgroup().map(|own| own.join(&prefix)).filter(|path| fs::create_dir(path).is_ok());
        if cgroup.is_none() {
            eprintln!("not looked at: cgroups, as this process may make none");
        }
        Self { data, cgroup, prefix }
    }

    pub(crate) fn name(&self, number: usize) -> String {
        format!("{}-{number}", self.prefix)
    }

    /// What there is of sandboxes, besides their records: of these, and of no others.
    pub(crate) async fn holds_only(&self, names: &BTreeSet<String>, round: usize) {
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
            for _ in 0..12_000 {
                left = found(self).into_iter().filter(|found| !is_of(names, found)).collect::<Vec<_>>();
                if left.is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(left.is_empty(), "round {round}: {what} are left beside those of {names:?}: {left:?}");
        }
        assert_eq!(self.mounts(), [""; 0], "round {round}");
    }

    /// What is mounted outside of its sandboxes and is theirs.
    pub(crate) fn mounts(&self) -> Vec<String> {
        let data = self.data.path().to_str().unwrap();
        mounts("/proc/self/mountinfo").into_iter().filter(|mount| mount.contains(data)).collect()
    }

    /// The sandboxes that have processes, by the variable that the engine marks them with.
    pub(crate) fn running(&self) -> Vec<String> {
        let mark = format!("REVEILLE_SANDBOX_ID={}-", self.prefix);
        let marks = fs::read_dir("/proc").unwrap().flatten().filter_map(|process| {
            let environment = fs::read(process.path().join("environ")).ok()?;
            let found =
                environment.split(|byte| *byte == 0).find(|entry| entry.starts_with(mark.as_bytes()))?;
            Some(String::from_utf8_lossy(found).split_once('=')?.1.to_owned())
        });
        marks.collect()
    }

    pub(crate) fn cgroups(&self) -> Vec<String> {
        let mounts = mounts("/proc/self/mountinfo");
        let mounts = mounts.iter().filter(|mount| mount.contains(" - cgroup"));
        let points = mounts.filter_map(|mount| mount.split(' ').nth(4));
        let mut found = Vec::new();
        points.for_each(|point| self.gather(Path::new(point), &mut found));
        found
    }

    /// Gathers the cgroups of its sandboxes, whatever they do for them.
    fn gather(&self, directory: &Path, found: &mut Vec<String>) {
        for below in below(directory) {
            let name = below.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if name.starts_with(&self.prefix) && name != self.prefix {
                found.push(name);
            } else {
                self.gather(&below, found);
            }
        }
    }

    /// The process of a sandbox that came first: its agent.
    pub(crate) fn agent(&self, name: &str) -> u32 {
        let mark = format!("REVEILLE_SANDBOX_ID={name}-");
        let all = fs::read_dir("/proc").unwrap().flatten();
        let pids = all.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
        let of_it = pids.filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(mark.as_bytes()))
        });
        of_it.min().unwrap()
    }

    /// How many directories of sandboxes, drives, volumes, snapshots and of what is being deleted there are.
    pub(crate) fn directories(&self) -> usize {
        let parts =
            ["sandboxes", "drives", "volumes", "snapshots", "deleted", "engine/logs", "engine/sockets"];
        parts.map(|part| listed(&self.data.path().join(part)).len()).iter().sum()
    }

    /// Looks whether anything is left when the last host has ended.
    pub(crate) fn is_empty(&self) {
        assert_eq!(self.running(), [""; 0], "processes");
        assert!(!self.data.path().join("engine/sockets").exists(), "sockets");
        assert_eq!(self.cgroups(), [""; 0], "cgroups of sandboxes");
        let loops = || loop_devices(self.data.path());
        // The kernel lets go of them after the last mount.
        for _ in 0..12_000 {
            if loops().is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(loops(), [""; 0], "loop devices");
        let Some(cgroup) = &self.cgroup else { return };
        assert_eq!(listed_directories(cgroup), [""; 0], "cgroups");
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Where the run went as it should there is nothing in it.
        if let Some(cgroup) = &self.cgroup {
            let _ = fs::write(cgroup.join("cgroup.kill"), "1");
            below(cgroup).iter().flat_map(|host| below(host)).for_each(|it| drop(fs::remove_dir(it)));
            below(cgroup).iter().for_each(|host| drop(fs::remove_dir(host)));
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

/// The files below a place that loop devices have, also those that are deleted.
pub(crate) fn loop_devices(place: &Path) -> Vec<String> {
    let devices = fs::read_dir("/sys/block").unwrap().flatten();
    let files = devices.filter_map(|it| fs::read_to_string(it.path().join("loop/backing_file")).ok());
    files.filter(|file| Path::new(file.trim()).starts_with(place)).collect()
}

/// What is mounted, as a process sees it.
pub(crate) fn mounts(table: &str) -> Vec<String> {
    fs::read_to_string(table).unwrap().lines().map(str::to_owned).collect()
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

//! A host that is killed at any moment while it is asked to create, change and delete, and the ones after it.

mod scheduled;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use reveille_host::Lifetime;
use serde_json::{Value, json};

use self::scheduled::Schedules;
use crate::stand;
use crate::victim::{Place, Victim};

/// How many hosts are killed, unless `REVEILLE_CRASH_ROUNDS` says otherwise.
const ROUNDS: usize = 5;
/// How many sandboxes each of them works on at the same time.
const NAMES: usize = 4;

/// One sandbox: the word that is its label, and what its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Box {
    label: String,
    file: String,
    /// Whether it has its volume.
    attached: bool,
}

/// One volume: how large it is, in MiB, and what its file says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Volume {
    size: u64,
    file: String,
}

/// What is known of a sandbox, of its drive and of its volume: what each of them may be, or that it may be absent
/// (`None`). Its schedules are there where it is.
#[derive(Debug)]
struct Known {
    sandbox: Vec<Option<Box>>,
    drive: Vec<Option<()>>,
    volume: Vec<Option<Volume>>,
    schedules: Schedules,
}

impl Known {
    fn nothing() -> Self {
        Self { sandbox: vec![None], drive: vec![None], volume: vec![None], schedules: Schedules::none() }
    }
}

/// What becomes of volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Volumes {
    Attached,
    /// Sandboxes can mount none here.
    Kept,
}

/// What is asked for.
enum Asked {
    Create,
    Label,
    Write,
    Delete,
    Drive,
    Volume,
    Schedule,
    Due,
}

pub(crate) async fn killed_under_load(lifetime: Lifetime) {
    let rounds = std::env::var("REVEILLE_CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let place = Place::new();
    let volumes = volumes_here(&place).await;
    let mut known: Vec<_> = (0..NAMES).map(|_| Known::nothing()).collect();
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let mut victim = Victim::start(&place, lifetime);
        look(&victim, &place, &mut known, round).await;
        let work = known
            .iter_mut()
            .enumerate()
            .map(|(number, known)| work(&victim, place.name(number), known, volumes));
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

/// What becomes of volumes on this machine.
async fn volumes_here(place: &Place) -> Volumes {
    let victim = Victim::start(place, Lifetime::OfTheHost);
    let name = place.name(0);
    let made = json!({"metadata": {"name": name}});
    let (_, said) = victim.ask("POST", "/v0/volumes", &made).await.unwrap();
    assert_eq!(victim.ask("DELETE", &format!("/v0/volumes/{name}"), &Value::Null).await.unwrap().0, 200);
    victim.stop();
    if said["reveille"]["size"] == "image" { Volumes::Attached } else { Volumes::Kept }
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
        let attached = sandbox.as_ref().is_some_and(|sandbox| sandbox.attached);
        let volume = volume(victim, place, &name, attached, known, round).await;
        if sandbox.is_some() {
            known.schedules.look(victim, &name, round).await;
        } else {
            known.schedules = Schedules::none();
        }
        (known.sandbox, known.drive, known.volume) = (vec![sandbox], vec![drive], vec![volume]);
    }
    let (_, list) = victim.ask("GET", "/v0/sandboxes", &Value::Null).await.unwrap();
    assert_eq!(list["meta"]["total"], names.len(), "round {round}: nothing that nobody made");
    place.holds_only(&names, round).await;
}

/// What there is of a volume, which must be one of the things that can be. What its file says is seen where it is attached.
async fn volume(
    victim: &Victim,
    place: &Place,
    name: &str,
    attached: bool,
    known: &Known,
    round: usize,
) -> Option<Volume> {
    let (status, said) = victim.ask("GET", &format!("/v0/volumes/{name}"), &Value::Null).await.unwrap();
    let size = (status == 200).then(|| said["spec"]["size"].as_u64().unwrap());
    let file = if attached { victim.run(name, "cat /data/file 2>/dev/null || true").await } else { None };
    let is_so = |volume: &&Option<Volume>| match (volume, size) {
        (Some(volume), Some(size)) => {
            volume.size == size && file.as_ref().is_none_or(|file| *file == volume.file)
        }
        (volume, size) => volume.is_none() && size.is_none(),
    };
    let found = known.volume.iter().find(is_so).cloned();
    let found = found.unwrap_or_else(|| {
        panic!("round {round}: the volume is {size:?} with {file:?}, and can be {known:?}: {said}")
    });
    let place = place.data.path().join("volumes").join(name);
    // What the host before did not come to is done soon.
    stand::until(|| place.exists() == size.is_some()).await;
    if said["reveille"]["size"] == "image" {
        let bytes = size.unwrap() << 20;
        stand::until(|| fs::metadata(&place).is_ok_and(|found| found.len().abs_diff(bytes) <= 512)).await;
    }
    found
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
        let attached = record["spec"]["volumes"].as_array().is_some_and(|volumes| !volumes.is_empty());
        break Some(Box { label, file, attached });
    };
    assert!(known.sandbox.contains(&sandbox), "round {round}: {name} is {sandbox:?}, and can be {known:?}");
    sandbox
}

/// Creates, changes and deletes until the host is killed. What was answered is known; what was asked can be.
async fn work(victim: &Victim, name: String, known: &mut Known, volumes: Volumes) {
    let path = format!("/v0/sandboxes/{name}");
    loop {
        let word = format!("w{:08x}", fastrand::u32(..));
        let mut metadata = json!({"metadata": {"name": name, "labels": {"word": word}}});
        let asked = match (&known.sandbox[0], fastrand::u8(0..9)) {
            (_, 0) => Asked::Drive,
            (_, 5) => Asked::Volume,
            (None, _) => Asked::Create,
            (Some(_), 1) => Asked::Delete,
            (Some(_), 2) => Asked::Label,
            (Some(_), 6) => Asked::Schedule,
            (Some(_), 7..) => Asked::Due,
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
        if let Asked::Volume = asked {
            // One that is attached can grow, and not go.
            let is_attached = known.sandbox[0].is_some();
            let (next, method, path) = match known.volume[0].clone() {
                None => (Some(Volume { size: 16, file: String::new() }), "POST", "/v0/volumes".to_owned()),
                Some(volume) if is_attached || fastrand::bool() => {
                    let next = Volume { size: volume.size + 8, ..volume };
                    (Some(next), "PUT", format!("/v0/volumes/{name}"))
                }
                Some(_) => (None, "DELETE", format!("/v0/volumes/{name}")),
            };
            known.volume.push(next.clone());
            let size = next.as_ref().map_or(0, |volume| volume.size);
            let body = json!({"metadata": {"name": name}, "spec": {"size": size}});
            let Some((status, said)) = victim.ask(method, &path, &body).await else { return };
            assert_eq!(status, 200, "{method} {path}: {said}");
            known.volume = vec![next];
            continue;
        }
        if let Asked::Schedule | Asked::Due = asked {
            let schedules = &mut known.schedules;
            let answered = match asked {
                Asked::Due => schedules.make_due(victim, &name, &word).await,
                _ => schedules.change(victim, &name).await,
            };
            if answered.is_err() {
                return;
            }
            continue;
        }
        let mut next = known.sandbox[0].clone().unwrap_or_else(|| {
            let attached = volumes == Volumes::Attached && known.volume[0].is_some();
            Box { label: word.clone(), file: String::new(), attached }
        });
        let next = match asked {
            Asked::Delete => None,
            Asked::Write => {
                next.file.clone_from(&word);
                if let Some(volume) = known.volume[0].clone().filter(|_| next.attached) {
                    known.volume.push(Some(Volume { file: word.clone(), ..volume }));
                }
                Some(next)
            }
            _ => {
                next.label.clone_from(&word);
                Some(next)
            }
        };
        known.sandbox.push(next.clone());
        let attached = next.as_ref().is_some_and(|sandbox| sandbox.attached);
        let (method, path) = match asked {
            Asked::Create => ("POST", "/v0/sandboxes"),
            Asked::Delete => ("DELETE", &*path),
            Asked::Write => {
                // In one step: cut off in the middle it is the one or the other.
                let write = |place: &str| format!("echo {word} > {place}new && mv {place}new {place}file");
                let line = if attached { format!("{} && {}", write(""), write("/data/")) } else { write("") };
                if victim.run(&name, &line).await.is_none() {
                    return;
                }
                known.sandbox = vec![next];
                known.volume.drain(..known.volume.len() - 1);
                continue;
            }
            _ => ("PUT", &*path),
        };
        if attached && method == "POST" {
            metadata["spec"] = json!({"volumes": [{"name": name, "mountPath": "/data"}]});
        }
        let Some((status, said)) = victim.ask(method, path, &metadata).await else { return };
        assert_eq!(status, 200, "{method} {path}: {said}");
        if next.is_none() {
            known.schedules = Schedules::none();
        }
        known.sandbox = vec![next];
    }
}

/// Kills hosts while they take over what a host of before has left, and looks whether anything is missing at the end.
pub(crate) async fn killed_while_it_takes_over() {
    const OF_BEFORE: usize = 60;
    let place = Place::new();
    let data = &place.data;
    let records = data.path().join("records");
    fs::create_dir_all(&records).unwrap();
    for number in 0..OF_BEFORE {
        let name = format!("box{number}");
        let metadata = json!({"name": name, "labels": {"word": name}});
        let record =
            json!({"version": 1, "sandbox": {"metadata": metadata, "spec": {}, "status": "DEPLOYED"}});
        fs::write(records.join(format!("{name}.json")), record.to_string()).unwrap();
        let files = data.path().join("sandboxes").join(&name).join("files");
        fs::create_dir_all(&files).unwrap();
        fs::write(files.join("kept"), name).unwrap();
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
        assert_eq!(fs::read_to_string(kept).unwrap(), format!("box{number}"));
    }
    let (_, list) = victim.ask("GET", "/v0/sandboxes", &Value::Null).await.unwrap();
    assert_eq!(list["meta"]["total"], OF_BEFORE);
    assert!(!records.exists());
}

/// Kills hosts while they copy a sandbox into another, and looks whether the next one starts and nothing is left of it.
pub(crate) async fn killed_while_it_copies() {
    // First the copy of the one, then the copy into the other.
    for part in ["snapshots", "sandboxes"] {
        let place = Place::new();
        let (source, fork) = (place.name(0), place.name(1));
        let programs = tempfile::tempdir().unwrap();
        // It copies for as long as it lives, and not beyond this test.
        let endless = format!(
            "#!/bin/sh\nfor to; do :; done\ncase $to in */{part}/*) ;; *) exec /bin/cp \"$@\" ;; esac\n\
             /bin/mkdir \"$to\"\nwhile [ -e \"$0\" ]; do n=$((n+1)); : > \"$to/$n\"; done\n"
        );
        let program = programs.path().join("cp");
        fs::write(&program, endless).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let mut victim = Victim::with_programs(&place, Lifetime::OfTheHost, programs.path());
        let made = json!({"metadata": {"name": source}});
        assert_eq!(victim.ask("POST", "/v0/sandboxes", &made).await.unwrap().0, 200);
        let path = format!("/v0/sandboxes/{source}/fork");
        let asked = json!({"targetName": fork});
        let copying = victim.ask("POST", &path, &asked);
        let below = place.data.path().join(part);
        let is_copying = || {
            let begun = fs::read_dir(&below).into_iter().flatten().flatten();
            begun.map(|it| it.path()).any(|it| {
                it.to_string_lossy().ends_with(".unfinished")
                    && fs::read_dir(it).is_ok_and(|mut it| it.next().is_some())
            })
        };
        tokio::select! {
            answered = copying => panic!("it copies for ever: {answered:?}"),
            () = stand::until(is_copying) => {}
        }
        victim.process.kill().unwrap();
        victim.process.wait().unwrap();

        let victim = Victim::start(&place, Lifetime::OfTheHost);
        assert!(victim.run(&source, "true").await.is_some());
        stand::until(|| {
            let left = |part| fs::read_dir(place.data.path().join(part)).unwrap().count();
            (left("snapshots"), left("sandboxes")) == (0, 1)
        })
        .await;
        assert_eq!(victim.ask("POST", &path, &asked).await.unwrap().0, 200, "its name is free");
        for name in [&source, &fork] {
            let deleted = victim.ask("DELETE", &format!("/v0/sandboxes/{name}"), &Value::Null).await;
            assert_eq!(deleted.unwrap().0, 200);
        }
        victim.stop();
        place.is_empty();
    }
}

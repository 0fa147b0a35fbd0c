//! A host that is used for long: what it holds does not grow.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reveille_host::Lifetime;
use serde_json::{Value, json};

use crate::victim::{Place, Victim, loop_devices, mounts};

/// For how long, unless `REVEILLE_SOAK_SECONDS` says otherwise.
const SECONDS: u64 = 30 * 60;
/// How many use it at the same time, each with a sandbox that stays and others that come and go.
const USERS: usize = 6;

/// What a host holds when nobody uses it.
#[derive(Debug, Clone)]
struct Held {
    /// Of the host and of the first sandbox's agent, in KiB.
    memory: usize,
    agent: usize,
    files: usize,
    threads: usize,
    cgroups: usize,
    processes: usize,
    mounts: usize,
    loop_devices: usize,
    directories: usize,
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, agent, files, threads, cgroups, processes, mounts, loop_devices, directories } =
            self;
        write!(
            f,
            "{memory} KiB, agent {agent} KiB, {files} files, {threads} threads, {cgroups} cgroups, \
             {processes} processes, {mounts} mounts, {loop_devices} loop devices, {directories} directories"
        )
    }
}

impl Held {
    fn by(victim: &Victim, place: &Place) -> Self {
        let pid = victim.pid();
        let listed = |path: String| fs::read_dir(path).unwrap().count();
        let agent = place.agent(&place.name(0));
        Self {
            memory: resident(pid),
            agent: resident(agent),
            files: listed(format!("/proc/{pid}/fd")),
            threads: listed(format!("/proc/{pid}/task")),
            cgroups: place.cgroups().len(),
            processes: place.running().len(),
            mounts: mounts(&format!("/proc/{agent}/mountinfo")).len() + place.mounts().len(),
            loop_devices: loop_devices(place.data.path()).len(),
            directories: place.directories(),
        }
    }

    /// Waits until a host that nobody uses any more has let go of what it keeps for a while.
    async fn at_rest(victim: &Victim, place: &Place) -> Self {
        let mut last = Self::by(victim, place);
        for _ in 0..60 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = Self::by(victim, place);
            let is_still = (now.files, now.threads, now.processes, now.loop_devices)
                == (last.files, last.threads, last.processes, last.loop_devices);
            last = now;
            if is_still {
                break;
            }
        }
        last
    }
}

/// The memory that a process holds, in KiB.
fn resident(pid: u32) -> usize {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

pub(crate) async fn a_host_does_not_grow() {
    let seconds = std::env::var("REVEILLE_SOAK_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let length = Duration::from_secs(seconds.unwrap_or(SECONDS));
    let place = Place::new();
    let victim = Victim::start(&place, Lifetime::BeyondTheHost);
    for number in 0..USERS {
        let made = json!({"metadata": {"name": place.name(number)}});
        assert_eq!(victim.ask("POST", "/v0/sandboxes", &made).await.unwrap().0, 200);
    }
    // What is kept for ever is there after a fifth of the time: pools, caches, the arenas of the allocator.
    use_it(&victim, &place, length / 5).await;
    let before = Held::at_rest(&victim, &place).await;
    println!("after the first fifth: {before}");
    for _ in 0..4 {
        use_it(&victim, &place, length / 5).await;
        println!("a fifth later: {}", Held::at_rest(&victim, &place).await);
    }
    let after = Held::at_rest(&victim, &place).await;
    let grew = |what: &str, before: usize, after: usize, by: usize| {
        assert!(after <= before + by, "{what} grew from {before} to {after}: {after:?}");
    };
    grew("memory", before.memory, after.memory, before.memory / 5 + 4096);
    grew("an agent's memory", before.agent, after.agent, before.agent / 5 + 4096);
    grew("open files", before.files, after.files, 8);
    grew("threads", before.threads, after.threads, 4);
    for (what, before, after) in [
        ("cgroups", before.cgroups, after.cgroups),
        ("processes", before.processes, after.processes),
        ("mounts", before.mounts, after.mounts),
        ("loop devices", before.loop_devices, after.loop_devices),
        ("directories", before.directories, after.directories),
    ] {
        grew(what, before, after, 0);
    }
    victim.stop();
    place.is_empty();
}

async fn use_it(victim: &Victim, place: &Place, length: Duration) {
    let until = Instant::now() + length;
    let uses: Vec<usize> = join_all((0..USERS).map(|number| async move {
        let mut uses = 0;
        while Instant::now() < until {
            uses += 1;
            use_once(victim, &place.name(number), &place.name(USERS + number)).await;
        }
        uses
    }))
    .await;
    println!("{} uses", uses.iter().sum::<usize>());
}

/// Does one of the things that are done with a host: with a sandbox that stays, or with another.
async fn use_once(victim: &Victim, name: &str, other: &str) {
    let ask = async |method: &str, path: &str, body: Value| {
        let (status, said) = victim.ask(method, path, &body).await.unwrap();
        assert!(status < 300, "{method} {path}: {status} {said}");
        said
    };
    match fastrand::u8(0..11) {
        0 => {
            ask("POST", "/v0/sandboxes", json!({"metadata": {"name": other}})).await;
            assert_eq!(victim.run(other, "echo here").await.unwrap(), "here");
            ask("DELETE", &format!("/v0/sandboxes/{other}"), Value::Null).await;
            while victim.ask("GET", &format!("/v0/sandboxes/{other}"), &Value::Null).await.unwrap().0 != 404 {
            }
        }
        1 => {
            ask("POST", &format!("/v0/sandboxes/{name}/standby"), Value::Null).await;
            ask("GET", &format!("/local/sandboxes/{name}/health"), Value::Null).await;
        }
        2 => {
            ask("POST", "/v0/drives", json!({"metadata": {"name": other}})).await;
            ask("DELETE", &format!("/v0/drives/{other}"), Value::Null).await;
        }
        3 => {
            // Cut off by whoever asked.
            let sleep = json!({"command": "sleep 0.2", "waitForCompletion": true});
            let path = format!("/local/sandboxes/{name}/process");
            let _cut =
                tokio::time::timeout(Duration::from_millis(50), victim.ask("POST", &path, &sleep)).await;
        }
        4 => {
            let labels = json!({"metadata": {"labels": {"word": "changed"}}});
            ask("PUT", &format!("/v0/sandboxes/{name}"), labels).await;
        }
        5 => {
            let snapshots = format!("/v0/sandboxes/{name}/snapshots");
            let taken = ask("POST", &snapshots, json!({"name": other})).await;
            let id = taken["id"].as_str().unwrap();
            let (status, said) =
                victim.ask("DELETE", &format!("/v0/snapshots/{id}"), &Value::Null).await.unwrap();
            assert_eq!(status, 204, "{said}");
        }
        6 => {
            // Nobody listens there.
            let (status, _) =
                victim.ask("GET", &format!("/local/sandboxes/{name}/port/9/x"), &Value::Null).await.unwrap();
            assert_eq!(status, 502);
        }
        7 => {
            ask("GET", "/v0/sandboxes", Value::Null).await;
            ask("GET", &format!("/local/sandboxes/{name}/process"), Value::Null).await;
        }
        8 => {
            let made = json!({"metadata": {"name": other}, "spec": {"size": 16}});
            let mut spec = json!({});
            if ask("POST", "/v0/volumes", made).await["reveille"]["size"] == "image" {
                spec = json!({"volumes": [{"name": other, "mountPath": "/data"}]});
            }
            ask("POST", "/v0/sandboxes", json!({"metadata": {"name": other}, "spec": spec})).await;
            ask("PUT", &format!("/v0/volumes/{other}"), json!({"spec": {"size": 24}})).await;
            ask("DELETE", &format!("/v0/sandboxes/{other}"), Value::Null).await;
            ask("DELETE", &format!("/v0/volumes/{other}"), Value::Null).await;
        }
        9 => {
            let schedules = format!("/v0/sandboxes/{name}/schedules");
            let word = format!("w{:016x}", fastrand::u64(..));
            let input = json!({"command": "true"});
            let daily = json!({"type": "cron", "value": "0 0 * * *", "input": input});
            let made = ask("POST", &schedules, daily.clone()).await;
            let one = format!("{schedules}/{}", made["id"].as_str().unwrap());
            ask("PUT", &one, daily).await;
            ask("DELETE", &one, Value::Null).await;
            ask("POST", &schedules, json!({"id": word, "type": "sleep", "value": "0s", "input": input}))
                .await;
            let executions = format!("/v0/sandboxes/{name}/schedule-executions?schedule={word}");
            loop {
                let told = ask("GET", &executions, Value::Null).await["data"].take();
                if let [execution] = told.as_array().unwrap().as_slice() {
                    assert_eq!(execution["status"], "succeeded", "{execution}");
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        _ => {
            assert_eq!(victim.run(name, "echo x > file; cat file").await.unwrap(), "x");
        }
    }
}

//! What a sandbox may use, with the agent that it really has.

use std::time::{Duration, Instant};

use reveille_host::engine::Limiter;
use reveille_host::{HostSettings, Lifetime};
use serde_json::{Value, json};

use crate::stand::Stand;
use crate::victim::loop_devices;

async fn create(stand: &Stand, name: &str, labels: Value, memory: u64) -> u16 {
    let runtime = json!({"memory": memory});
    let body = json!({"metadata": {"name": name, "labels": labels}, "spec": {"runtime": runtime}});
    stand.control("POST", "/sandboxes", &body.to_string()).await.status
}

/// Runs a command in a sandbox and gives how it ended.
async fn run(stand: &Stand, sandbox: &str, command: &str) -> Value {
    let body = json!({"command": command, "waitForCompletion": true}).to_string();
    stand.ask("POST", &format!("/local/sandboxes/{sandbox}/process"), body).await.json()
}

/// A command that keeps so many MiB in memory; what has no line end is kept whole.
fn hold(megabytes: u64) -> String {
    format!("head -c {megabytes}M /dev/zero | tail > /dev/null")
}

/// Whether a command got no more memory: it was ended, or, where each process is bound by itself, was told so.
fn was_refused(ended: &Value) -> bool {
    matches!(ended["exitCode"].as_i64(), Some(137 | 1))
}

pub(crate) async fn who_wants_too_much_memory_is_ended_and_the_sandbox_goes_on() {
    let stand = Stand::with_box(|_| {}).await;
    if stand.host.isolation().limits.memory == Limiter::None {
        eprintln!("SKIPPED: nothing binds memory on this machine");
        return;
    }
    assert_eq!(create(&stand, "small", json!({}), 128).await, 200);
    let before = run(&stand, "small", "echo before").await;
    for _ in 0..2 {
        assert!(was_refused(&run(&stand, "small", &hold(200)).await));
    }
    assert_eq!(run(&stand, "small", "echo after").await["stdout"], "after\n");
    let path = format!("/local/sandboxes/small/process/{}", before["pid"].as_str().unwrap());
    assert_eq!(stand.ask("GET", &path, String::new()).await.status, 200, "it is the same agent");
    assert_eq!(run(&stand, "box", &hold(200)).await["exitCode"], 0, "others have their own");

    let more = json!({"spec": {"runtime": {"memory": 512}}}).to_string();
    let updated = stand.control("PUT", "/sandboxes/small", &more).await.json();
    assert_eq!(
        updated["reveille"]["limits"],
        json!({"memoryMb": 512, "processes": 2048, "cpus": 0.25, "maxFileMb": null, "diskMb": null})
    );
    if stand.host.isolation().limits.memory != Limiter::Rlimit {
        assert_eq!(run(&stand, "small", &hold(200)).await["exitCode"], 0);
    }
    let stand = stand.restarted().await;
    assert_eq!(run(&stand, "small", &hold(200)).await["exitCode"], 0);
    assert!(was_refused(&run(&stand, "small", &hold(700)).await));
    stand.host.stop().await;
}

pub(crate) async fn a_full_disk_is_one_sandbox_s_own() {
    let stand = Stand::with_box(|_| {}).await;
    if stand.host.isolation().limits.disk == Limiter::None {
        eprintln!("SKIPPED: {}", stand.host.isolation());
        return;
    }
    assert_eq!(create(&stand, "full", json!({"disk": "32m"}), 512).await, 200);
    for place in ["/blaxel", "/root", "/usr/local", "/tmp"] {
        let fill = format!("echo kept > {place}/kept; head -c 100M /dev/zero > {place}/fill");
        let filled = run(&stand, "full", &fill).await;
        assert!(filled["stderr"].as_str().unwrap().contains("No space left"), "{place}: {filled}");
        run(&stand, "full", &format!("rm {place}/fill")).await;
    }
    assert_eq!(run(&stand, "full", "echo here; head -c 8M /dev/zero > /blaxel/some").await["exitCode"], 0);
    assert_eq!(run(&stand, "box", "head -c 100M /dev/zero > fill && rm fill").await["exitCode"], 0);

    let forked = stand.control("POST", "/sandboxes/full/fork", r#"{"targetName":"fork"}"#).await;
    assert_eq!(forked.status, 200, "{forked:?}");
    let stand = stand.restarted().await;
    let kept = "cat /blaxel/kept /root/kept /usr/local/kept && test $(wc -c < /blaxel/some) = 8388608";
    for name in ["full", "fork"] {
        assert_eq!(run(&stand, name, kept).await["stdout"], "kept\nkept\nkept\n", "{name}");
    }
    let more = json!({"metadata": {"labels": {"disk": "200m"}}}).to_string();
    assert_eq!(stand.control("PUT", "/sandboxes/full", &more).await.status, 200);
    let stand = stand.restarted().await;
    let grown = run(&stand, "full", "head -c 100M /dev/zero > /blaxel/fill; echo $?").await;
    assert_eq!(grown["stdout"], "0\n", "{grown}");
    for name in ["full", "fork"] {
        assert_eq!(stand.control("DELETE", &format!("/sandboxes/{name}"), "").await.status, 200);
        assert!(!stand.data("sandboxes").join(name).exists());
    }
    let data = stand.data("");
    crate::stand::until(|| loop_devices(&data).is_empty()).await;
    stand.host.stop().await;
}

pub(crate) async fn a_disk_of_its_own_is_taken_over_and_goes_with_its_sandbox() {
    let beyond = |settings: &mut HostSettings| settings.lifetime = Lifetime::BeyondTheHost;
    let stand = Stand::with_box(beyond).await;
    if stand.host.isolation().limits.disk == Limiter::None {
        eprintln!("SKIPPED: {}", stand.host.isolation());
        return;
    }
    assert_eq!(create(&stand, "small", json!({"disk": "32m"}), 512).await, 200);
    assert_eq!(run(&stand, "small", "echo kept > kept").await["exitCode"], 0);
    assert_eq!(stand.control("POST", "/sandboxes/small/standby", "").await.status, 200);
    let stand = stand.replaced(beyond).await;
    let filled = run(&stand, "small", "cat kept; head -c 100M /dev/zero > fill").await;
    assert_eq!(filled["stdout"], "kept\n", "{filled}");
    assert!(filled["stderr"].as_str().unwrap().contains("No space left"), "{filled}");
    assert_eq!(stand.control("DELETE", "/sandboxes/small", "").await.status, 200);
    assert!(!stand.data("sandboxes/small").exists());
    let data = stand.data("");
    crate::stand::until(|| loop_devices(&data).is_empty()).await;
    stand.host.stop().await;
}

pub(crate) async fn nothing_is_made_where_the_disk_has_too_little_room() {
    let stand = Stand::with_box(|_| {}).await.replaced(|settings| settings.keep_free = u64::MAX).await;
    assert_eq!(create(&stand, "more", json!({}), 512).await, 507);
    assert_eq!(run(&stand, "box", "echo here").await["stdout"], "here\n");
    assert_eq!(stand.control("POST", "/sandboxes/box/fork", r#"{"targetName":"fork"}"#).await.status, 507);
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.status, 200);
    stand.host.stop().await;
}

pub(crate) async fn a_long_sleep_gives_memory_back() {
    let stand = Stand::with_box(|settings| settings.give_back_after = Some(Duration::ZERO)).await;
    if !matches!(stand.host.isolation().limits.memory, Limiter::Cgroup1 | Limiter::Cgroup2) {
        eprintln!("SKIPPED: {}", stand.host.isolation());
        return;
    }
    let name = format!("sleeper-{:08x}", fastrand::u32(..));
    assert_eq!(create(&stand, &name, json!({}), 1024).await, 200);
    // What it holds of files; what a process has for itself goes only where there is swap.
    let held = "head -c 128M /dev/urandom > held && sync held && cat held > /dev/null";
    assert_eq!(run(&stand, &name, held).await["exitCode"], 0);
    let before = memory_of(&name).unwrap();
    assert!(before > 128 << 20, "{before}");
    let standby = format!("/sandboxes/{name}/standby");
    assert_eq!(stand.control("POST", &standby, "").await.status, 200);
    crate::stand::until(|| memory_of(&name).is_some_and(|now| now < before / 2)).await;
    assert_eq!(run(&stand, &name, "wc -c < held").await["stdout"], "134217728\n");
    stand.host.stop().await;
}

pub(crate) async fn who_is_taken_over_asleep_gives_memory_back_too() {
    let beyond = |settings: &mut HostSettings| settings.lifetime = Lifetime::BeyondTheHost;
    let stand = Stand::with_box(beyond).await;
    if !matches!(stand.host.isolation().limits.memory, Limiter::Cgroup1 | Limiter::Cgroup2) {
        eprintln!("SKIPPED: {}", stand.host.isolation());
        return;
    }
    let name = format!("sleeper-{:08x}", fastrand::u32(..));
    assert_eq!(create(&stand, &name, json!({}), 1024).await, 200);
    let held = "head -c 128M /dev/urandom > held && sync held && cat held > /dev/null";
    assert_eq!(run(&stand, &name, held).await["exitCode"], 0);
    assert_eq!(stand.control("POST", &format!("/sandboxes/{name}/standby"), "").await.status, 200);
    let before = memory_of(&name).unwrap();
    assert!(before > 128 << 20, "{before}");
    let stand = stand
        .replaced(|settings| {
            beyond(settings);
            settings.give_back_after = Some(Duration::ZERO);
        })
        .await;
    crate::stand::until(|| memory_of(&name).is_some_and(|now| now < before / 2)).await;
    stand.host.stop().await;
}

/// How much memory the cgroup of a sandbox holds, in bytes, in whichever version that is.
fn memory_of(name: &str) -> Option<u64> {
    let mut left = vec![std::path::PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = left.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let place = entry.path();
            if entry.file_name().to_string_lossy().starts_with(name) {
                let files = ["memory.usage_in_bytes", "memory.current"].map(|file| place.join(file));
                let text = files.iter().find_map(|file| std::fs::read_to_string(file).ok());
                if let Some(used) = text.and_then(|text| text.trim().parse().ok()) {
                    return Some(used);
                }
            }
            left.push(place);
        }
    }
    None
}

pub(crate) async fn limits_outlive_the_host_that_set_them() {
    let beyond = |settings: &mut HostSettings| settings.lifetime = Lifetime::BeyondTheHost;
    let stand = Stand::with_box(beyond).await;
    if !matches!(stand.host.isolation().limits.memory, Limiter::Cgroup1 | Limiter::Cgroup2) {
        eprintln!("SKIPPED: no cgroup binds memory on this machine");
        return;
    }
    assert_eq!(create(&stand, "small", json!({}), 128).await, 200);
    let stand = stand.replaced(beyond).await.replaced(beyond).await;
    assert_eq!(run(&stand, "small", &hold(200)).await["exitCode"], 137);
    let more = json!({"spec": {"runtime": {"memory": 512}}}).to_string();
    assert_eq!(stand.control("PUT", "/sandboxes/small", &more).await.status, 200);
    assert_eq!(run(&stand, "small", &hold(200)).await["exitCode"], 0);
    stand.host.stop().await;
}

pub(crate) async fn less_memory_than_a_sandbox_uses_is_refused() {
    let stand = Stand::with_box(|_| {}).await;
    if stand.host.isolation().limits.memory != Limiter::Cgroup1 {
        eprintln!("SKIPPED: another kind of limit ends who uses too much, or holds for what comes later");
        return;
    }
    assert_eq!(create(&stand, "held", json!({}), 512).await, 200);
    let command = "(head -c 256M /dev/zero; touch /tmp/held; sleep 1000) | tail > /dev/null";
    let body = json!({"command": command}).to_string();
    assert_eq!(stand.ask("POST", "/local/sandboxes/held/process", body).await.status, 200);
    run(&stand, "held", "until [ -e /tmp/held ]; do sleep 0.01; done").await;
    let less = json!({"spec": {"runtime": {"memory": 128}}}).to_string();
    assert_eq!(stand.control("PUT", "/sandboxes/held", &less).await.status, 400);
    let record = stand.control("GET", "/sandboxes/held", "").await.json();
    assert_eq!(record["spec"]["runtime"]["memory"], 512);
    assert_eq!(run(&stand, "held", "echo here").await["stdout"], "here\n");
    stand.host.stop().await;
}

pub(crate) async fn a_fork_bomb_is_contained_and_ended() {
    let stand = Stand::with_box(|_| {}).await;
    if stand.host.isolation().limits.processes == Limiter::None {
        eprintln!("SKIPPED: nothing binds processes on this machine");
        return;
    }
    assert_eq!(create(&stand, "bombed", json!({"processes": "100"}), 512).await, 200);
    let bomb = json!({"command": "b() { b | b & }; b; sleep 1000", "name": "bomb"}).to_string();
    assert_eq!(stand.ask("POST", "/local/sandboxes/bombed/process", bomb).await.status, 200);
    assert_eq!(run(&stand, "box", "echo here").await["stdout"], "here\n", "others go on");
    let killed = stand.ask("DELETE", "/local/sandboxes/bombed/process/bomb/kill", String::new()).await;
    assert_eq!(killed.status, 200);
    assert_eq!(run(&stand, "bombed", "echo after").await["stdout"], "after\n");
    // One that is not killed goes with its sandbox.
    let bomb = json!({"command": "b() { b | b & }; b; setsid sleep 1000"}).to_string();
    assert_eq!(stand.ask("POST", "/local/sandboxes/bombed/process", bomb).await.status, 200);
    assert_eq!(stand.control("DELETE", "/sandboxes/bombed", "").await.status, 200);
    assert_eq!(create(&stand, "bombed", json!({"processes": "31"}), 512).await, 400);
    stand.host.stop().await;
}

pub(crate) async fn a_sandbox_gets_no_more_of_a_processor_than_it_may() {
    let stand = Stand::with_box(|_| {}).await;
    if stand.host.isolation().limits.cpu == Limiter::None {
        eprintln!("SKIPPED: nothing binds processors on this machine");
        return;
    }
    assert_eq!(create(&stand, "slow", json!({"cpus": "0.1"}), 512).await, 200);
    let begun = Instant::now();
    let said = run(&stand, "slow", "timeout 2 sh -c 'while :; do :; done'; cat /proc/$$/stat").await;
    let all = begun.elapsed();
    let fields = said["stdout"].as_str().unwrap().to_owned();
    // The processor time of children that were waited for, in hundredths of a second (proc_pid_stat(5), 16 and 17).
    let ticks = |field: usize| {
        fields.rsplit(") ").next().unwrap().split(' ').nth(field - 3).unwrap().parse::<u64>().unwrap()
    };
    let used = Duration::from_millis(10 * (ticks(16) + ticks(17)));
    assert!(used < all / 4, "{used:?} of {all:?}");
    stand.host.stop().await;
}

pub(crate) async fn a_file_that_is_too_long_ends_nobody_but_its_writer() {
    let stand = Stand::with_box(|_| {}).await;
    assert_eq!(create(&stand, "brief", json!({"max-file": "1m"}), 512).await, 200);
    let written = run(&stand, "brief", "head -c 3000000 /dev/zero > long").await;
    assert_ne!(written["exitCode"], 0);
    let before = run(&stand, "brief", "echo before").await;
    let upload = "/local/sandboxes/brief/filesystem/blaxel/uploaded";
    let body = json!({"content": "x".repeat(3_000_000)}).to_string();
    let refused = stand.ask("PUT", upload, body).await;
    assert!((400..600).contains(&refused.status), "{refused:?}");
    let path = format!("/local/sandboxes/brief/process/{}", before["pid"].as_str().unwrap());
    assert_eq!(stand.ask("GET", &path, String::new()).await.status, 200, "it is the same agent");
    stand.host.stop().await;
}

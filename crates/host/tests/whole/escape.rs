//! What a program in a sandbox does to its agent, to others and to the machine.

use serde_json::{Value, json};

use crate::stand::Stand;

async fn run(stand: &Stand, sandbox: &str, command: &str) -> Value {
    let body = json!({"command": command, "waitForCompletion": true}).to_string();
    stand.ask("POST", &format!("/local/sandboxes/{sandbox}/process"), body).await.json()
}

async fn create(stand: &Stand, name: &str) {
    let made = stand.control("POST", "/sandboxes", &json!({"metadata": {"name": name}}).to_string()).await;
    assert_eq!(made.status, 200, "{made:?}");
}

/// Whether sandboxes stand apart here; where they do not, that is said.
fn stand_apart(stand: &Stand) -> bool {
    let apart = stand.host.isolation().namespaces.is_apart();
    if !apart {
        eprintln!("SKIPPED: {}", stand.host.isolation());
    }
    apart
}

pub(crate) async fn an_agent_cannot_be_looked_into_or_driven_by_what_it_started() {
    let stand = Stand::with_box(|_| {}).await;
    if !stand_apart(&stand) {
        return;
    }
    for command in [
        "cat /proc/1/environ",
        "readlink /proc/1/fd/0",
        "cat < /proc/1/fd/3",
        "ls /proc/1/root/",
        "head -c 1 /proc/1/mem",
        "cat /proc/1/maps | grep -q .",
        "nsenter -t 1 -m true",
        // PTRACE_SEIZE, process_vm_readv and pidfd_getfd of pidfd_open, on x86-64.
        "perl -e 'exit(syscall(101, 0x4206, 1, 0, 0) < 0)'",
        r#"perl -e '$b = "\0" x 8; $l = pack("PQ", $b, 8); $r = pack("QQ", 4096, 8); exit(syscall(310, 1, $l, 1, $r, 1, 0) < 0 && $! == 1)'"#,
        "perl -e 'exit(syscall(438, syscall(434, 1, 0), 0, 0) < 0)'",
        "mount -t tmpfs tmpfs /mnt",
        "unshare -m true",
        "chroot / mount -t tmpfs tmpfs /mnt",
    ] {
        let tried = run(&stand, "box", command).await;
        assert_ne!(tried["exitCode"], 0, "{command}: {tried}");
    }
    // Everybody in it can be asked to end; the first process of a pid namespace listens to none but its parent.
    run(&stand, "box", "kill -9 1; kill -STOP 1; kill -9 -1").await;
    assert_eq!(run(&stand, "box", "echo here").await["stdout"], "here\n");
    stand.host.stop().await;
}

pub(crate) async fn others_and_the_host_are_neither_seen_nor_reached() {
    let stand = Stand::with_box(|_| {}).await;
    if !stand_apart(&stand) {
        return;
    }
    create(&stand, "victim").await;
    let victim = json!({"command": "echo secret > /blaxel/secret; sleep 4321", "name": "victim"}).to_string();
    assert_eq!(stand.ask("POST", "/local/sandboxes/victim/process", victim).await.status, 200);
    let data = stand.data("");
    let data = data.to_str().unwrap().trim_end_matches('/');
    let host = std::process::id();
    let port = stand.host.address().port();
    for command in [
        format!("ls {data}"),
        format!("ls {data}/engine/sockets"),
        format!("cat {data}/sandboxes/victim/files/secret"),
        "grep -qs 4321 /proc/[0-9]*/cmdline --exclude-dir=self | grep -v grep".to_owned(),
        format!("kill -0 {host}"),
        format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port}'"),
        "grep -q '@' /proc/net/unix".to_owned(),
        "exec 3< /dev/tty".to_owned(),
        "ls /sys/fs/cgroup/*".to_owned(),
        "cat /proc/keys | grep -q .".to_owned(),
        "cat /proc/slabinfo | grep -q .".to_owned(),
        "cat /proc/kpageflags | head -c 1 | grep -q .".to_owned(),
        "ls /sys/firmware | grep -q .".to_owned(),
        "echo > /proc/acpi/own".to_owned(),
        "echo core > /proc/sys/kernel/core_pattern".to_owned(),
        "echo /bin/true > /sys/kernel/uevent_helper".to_owned(),
        "echo b > /proc/sysrq-trigger".to_owned(),
        "[ -f /proc/mtrr ]".to_owned(),
    ] {
        let tried = run(&stand, "box", &command).await;
        assert_ne!(tried["exitCode"], 0, "{command}: {tried}");
    }
    stand.host.stop().await;
}

pub(crate) async fn what_a_sandbox_does_to_its_own_programs_gives_it_no_rights() {
    let stand = Stand::with_box(|_| {}).await;
    if !stand_apart(&stand) {
        return;
    }
    // Its agent may mount, and is loaded with what the sandbox can change; so that right must be worth nothing.
    run(&stand, "box", "echo /blaxel/none.so > /etc/ld.so.preload").await;
    let stand = stand.restarted().await;
    assert_eq!(run(&stand, "box", "echo here").await["stdout"], "here\n");
    stand.host.stop().await;
}

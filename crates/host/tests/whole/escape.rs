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
    let (port, key) = (stand.host.address().port(), stand.host.key());
    let of_the_machine = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let its_port = of_the_machine.local_addr().unwrap().port();
    for command in [
        format!("ls {data}"),
        format!("ls {data}/engine/sockets"),
        format!("cat {data}/sandboxes/victim/files/secret"),
        "grep -qs 4321 /proc/[0-9]*/cmdline --exclude-dir=self | grep -v grep".to_owned(),
        format!("kill -0 {host}"),
        format!("bash -c 'exec 3<>/dev/tcp/127.0.0.1/{its_port}'"),
        // What answers there opens the doors of previews, and no other, whoever knocks.
        format!(
            "bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && printf \"GET /v0/sandboxes HTTP/1.1\\r\\nhost: \
             127.0.0.1:{port}\\r\\nauthorization: Bearer {key}\\r\\nconnection: close\\r\\n\\r\\n\" >&3 && \
             grep -q \" 200 OK\" <&3'"
        ),
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

pub(crate) async fn a_drive_is_reached_only_where_it_is_mounted() {
    let stand = Stand::with_box(|_| {}).await;
    if !stand_apart(&stand) {
        return;
    }
    create(&stand, "other").await;
    let drive = |sandbox: &'static str, name: &'static str, read_only: bool| {
        let body = json!({"driveName": name, "mountPath": format!("/mnt/{name}"), "readOnly": read_only});
        let path = format!("/local/sandboxes/{sandbox}/drives/mount");
        let stand = &stand;
        async move { stand.ask("POST", &path, body.to_string()).await }
    };
    assert_eq!(drive("other", "theirs", false).await.status, 200);
    assert_eq!(run(&stand, "other", "echo secret > /mnt/theirs/file").await["exitCode"], 0);
    for round in 0..2 {
        for command in [
            "cat /run/reveille/drives/theirs/file",
            "ls /run/reveille/drives | grep -q .",
            "touch /run/reveille/drives/mine",
            "umount /run/reveille/drives",
            "cat /proc/1/task/*/root/run/reveille/drives/theirs/file",
            "cat /proc/1/fd/*/theirs/file",
        ] {
            let tried = run(&stand, "box", command).await;
            assert_ne!(tried["exitCode"], 0, "{command}: {tried}");
        }
        assert_eq!(drive("box", "ours", false).await.status, 200);
        assert_eq!(run(&stand, "box", "echo ours > /mnt/ours/file").await["exitCode"], 0);
        if round == 0 {
            // The next program of the agent keeps them apart as well.
            assert_eq!(stand.ask("POST", "/local/sandboxes/box/upgrade", String::new()).await.status, 200);
            let mut count = 0;
            while count == 0 {
                let health = stand.ask("GET", "/local/sandboxes/box/health", String::new()).await.json();
                assert_ne!(health["lastUpgrade"]["status"], "failed", "{health}");
                count = health["upgradeCount"].as_u64().unwrap();
            }
        }
    }
    assert_eq!(drive("box", "theirs", true).await.status, 200);
    assert_eq!(run(&stand, "box", "cat /mnt/theirs/file").await["stdout"], "secret\n");
    assert_ne!(run(&stand, "box", "echo > /mnt/theirs/file").await["exitCode"], 0);
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

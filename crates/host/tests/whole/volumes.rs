//! Volumes in real sandboxes.

use std::fs;

use reveille_host::engine::Limiter;
use reveille_host::{HostSettings, Lifetime};
use serde_json::{Value, json};

use crate::stand::{Stand, until};
use crate::victim::loop_devices;

/// Runs a command in a sandbox and gives what it wrote, both ways.
async fn run(stand: &Stand, sandbox: &str, command: &str) -> String {
    let body = json!({"command": command, "waitForCompletion": true}).to_string();
    let path = format!("/local/sandboxes/{sandbox}/process");
    let ended = stand.ask("POST", &path, body).await.json();
    [&ended["stdout"], &ended["stderr"]].map(|text| text.as_str().unwrap_or_default().to_owned()).concat()
}

async fn create(stand: &Stand, name: &str, volumes: Value) -> u16 {
    let body = json!({"metadata": {"name": name}, "spec": {"volumes": volumes}}).to_string();
    stand.control("POST", "/sandboxes", &body).await.status
}

async fn attached_to(stand: &Stand, volume: &str) -> Value {
    stand.control("GET", &format!("/volumes/{volume}"), "").await.json()["state"]["attachedTo"].clone()
}

pub(crate) async fn a_volume_outlives_its_sandbox_and_is_in_one_at_a_time() {
    let stand = Stand::with_box(|_| {}).await;
    let place = stand.data("inside");
    let place = place.to_str().unwrap();
    let volume = |read_only: bool| json!([{"name": "v", "mountPath": place, "readOnly": read_only}]);
    assert_eq!(create(&stand, "early", volume(false)).await, 400, "there is none yet");
    assert_eq!(stand.control("POST", "/volumes", r#"{"metadata":{"name":"v"}}"#).await.status, 200);
    let made = create(&stand, "one", volume(false)).await;
    if made == 500 {
        eprintln!("SKIPPED: sandboxes can mount nothing on this machine");
        return;
    }
    assert_eq!(made, 200);
    assert_eq!(run(&stand, "one", &format!("echo kept > {place}/file; cat {place}/file")).await, "kept\n");
    assert_eq!(attached_to(&stand, "v").await, "sandbox:one");
    assert_eq!(create(&stand, "two", volume(false)).await, 409, "one is in it");
    assert_eq!(stand.control("DELETE", "/volumes/v", "").await.status, 409);
    let asked = r#"{"targetName":"fork","port":8080}"#;
    let forked = stand.control("POST", "/sandboxes/one/fork", asked).await.json();
    assert_eq!(forked["reveille"]["volumesLeftOut"], json!(["v"]), "{forked}");
    let forked = stand.control("GET", "/sandboxes/fork", "").await.json();
    assert_eq!(forked["spec"]["runtime"]["ports"], json!([{"target": 8080}]));

    let stand = stand.restarted().await;
    assert_eq!(run(&stand, "one", &format!("cat {place}/file")).await, "kept\n");
    assert_eq!(stand.control("DELETE", "/sandboxes/one", "").await.status, 200);
    assert_eq!(attached_to(&stand, "v").await, "");
    assert_eq!(create(&stand, "two", volume(true)).await, 200);
    assert_eq!(run(&stand, "two", &format!("cat {place}/file")).await, "kept\n");
    let refused = run(&stand, "two", &format!("echo lost > {place}/file")).await;
    assert!(refused.contains("Read-only"), "{refused}");
    assert_eq!(stand.control("DELETE", "/sandboxes/two", "").await.status, 200);
    assert_eq!(stand.control("DELETE", "/volumes/v", "").await.status, 200);
    assert!(!stand.data("volumes/v").exists(), "its files went with it");
    stand.host.stop().await;
}

pub(crate) async fn commands_begin_in_a_volume_where_they_begin() {
    let stand = Stand::with_box(|_| {}).await;
    let place = run(&stand, "box", "pwd -P").await.trim().to_owned();
    if place != "/blaxel" {
        eprintln!("SKIPPED: no two sandboxes begin in the same place on this machine");
        return;
    }
    assert_eq!(stand.control("POST", "/volumes", r#"{"metadata":{"name":"v"}}"#).await.status, 200);
    assert_eq!(create(&stand, "one", json!([{"name": "v", "mountPath": place}])).await, 200);
    let kept = run(&stand, "one", "echo kept > file; cat /blaxel/file").await;
    assert_eq!(kept, "kept\n");
    assert_eq!(stand.control("DELETE", "/sandboxes/one", "").await.status, 200);
    assert_eq!(create(&stand, "two", json!([{"name": "v", "mountPath": "/mnt/v"}])).await, 200);
    assert_eq!(run(&stand, "two", "cat /mnt/v/file").await, "kept\n");
    stand.host.stop().await;
}

pub(crate) async fn scratch_space_is_bounded_and_goes_with_the_sandbox_s_processes() {
    let stand = Stand::with_box(|_| {}).await;
    let place = stand.data("inside");
    let place = place.to_str().unwrap();
    let scratch = |size: u32, path: &str| json!({"type": "ephemeral", "sizeMb": size, "mountPath": path});
    let large = format!("{place}/large");
    let made = create(&stand, "one", json!([scratch(1, place), scratch(10240, &large)])).await;
    if made == 500 {
        eprintln!("SKIPPED: sandboxes can mount nothing on this machine");
        return;
    }
    assert_eq!(made, 200);
    let full = run(&stand, "one", &format!("head -c 3000000 /dev/zero > {place}/file")).await;
    assert!(full.contains("No space"), "{full}");
    assert_eq!(run(&stand, "one", &format!("echo x > {large}/file; cat {large}/file")).await, "x\n");
    let binds_disks = stand.host.isolation().limits.disk != Limiter::None;
    let kind = run(&stand, "one", &format!("stat -f -c %T {large}")).await;
    assert_eq!(kind.contains("ext"), binds_disks, "{kind}");
    let left = std::fs::read_dir(stand.data("volumes")).unwrap().count();
    assert_eq!(left, 0, "nothing but its mount holds it");
    let stand = stand.restarted().await;
    assert_eq!(run(&stand, "one", &format!("ls {place}; ls {large}")).await, "large\n");
    stand.host.stop().await;
}

pub(crate) async fn a_volume_for_a_place_where_a_file_stands_is_refused() {
    let stand = Stand::with_box(|_| {}).await;
    for name in ["v", "w"] {
        let body = json!({"metadata": {"name": name}}).to_string();
        assert_eq!(stand.control("POST", "/volumes", &body).await.status, 200);
    }
    let inside = stand.data("inside");
    let at = |name: &str, path: &str| json!({"name": name, "mountPath": path});
    let place = inside.to_str().unwrap();
    let made = create(&stand, "one", json!([at("v", place)])).await;
    if made == 500 {
        eprintln!("SKIPPED: sandboxes can mount nothing on this machine");
        return;
    }
    assert_eq!(made, 200);
    assert_eq!(run(&stand, "one", &format!("echo kept > {place}/file; cat {place}/file")).await, "kept\n");
    assert_eq!(stand.control("DELETE", "/sandboxes/one", "").await.status, 200);
    let below = format!("{place}/file/below");
    for (volumes, file) in [
        (json!([at("w", "/etc/passwd")]), "/etc/passwd"),
        (json!([at("v", place), at("w", &below)]), &below[..below.len() - "/below".len()]),
    ] {
        let body = json!({"metadata": {"name": "two"}, "spec": {"volumes": volumes}}).to_string();
        let refused = stand.control("POST", "/sandboxes", &body).await;
        let why = refused.json()["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(refused.status, 400, "{why}");
        assert!(why.ends_with(&format!("{file} is no directory")), "{why}");
        assert_eq!(attached_to(&stand, "w").await, "", "nothing is left of it");
        assert_eq!(stand.control("GET", "/sandboxes/two", "").await.status, 404);
    }
    stand.host.stop().await;
}

/// Whether volumes have sizes on this machine. Where they have not, that is said.
fn binds(stand: &Stand) -> bool {
    let isolation = stand.host.isolation();
    if isolation.limits.disk == Limiter::Image {
        return true;
    }
    eprintln!("SKIPPED: {isolation}");
    assert!(isolation.missing.iter().any(|why| why.contains("sizes of volumes")), "{isolation}");
    false
}

async fn make(stand: &Stand, size: u64) -> Value {
    let body = json!({"metadata": {"name": "v"}, "spec": {"size": size}}).to_string();
    let made = stand.control("POST", "/volumes", &body).await;
    assert_eq!(made.status, 200, "{made:?}");
    made.json()
}

async fn resize(stand: &Stand, size: u64) -> u16 {
    stand.control("PUT", "/volumes/v", &json!({"spec": {"size": size}}).to_string()).await.status
}

fn at_data() -> Value {
    json!([{"name": "v", "mountPath": "/data"}])
}

/// How large a sandbox's `/data` is, in MiB, as it sees that.
async fn seen(stand: &Stand, sandbox: &str) -> u64 {
    let said = run(stand, sandbox, "df -Pk /data | tail -n 1 | awk '{print $2}'").await;
    said.trim().parse::<u64>().unwrap_or_else(|_| panic!("{said}")) / 1024
}

/// Whether the kernel grows a mounted file system for this process: a capability, 24, says so.
fn may_grow_what_is_mounted() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let capabilities = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap().trim();
    u64::from_str_radix(capabilities, 16).unwrap() >> 24 & 1 == 1
}

async fn remove(stand: &Stand, path: &str) {
    let removed = stand.control("DELETE", path, "").await;
    assert_eq!(removed.status, 200, "{path}: {removed:?}");
}

/// Nothing is left of volumes: no file, no loop device.
async fn nothing_is_left(stand: &Stand) {
    assert_eq!(fs::read_dir(stand.data("volumes")).unwrap().count(), 0);
    let data = stand.data("");
    until(|| loop_devices(&data).is_empty()).await;
}

pub(crate) async fn a_volume_keeps_to_its_size_and_grows_with_what_it_holds() {
    let stand = Stand::with_box(|_| {}).await;
    if !binds(&stand) {
        return;
    }
    assert_eq!(make(&stand, 64).await["reveille"]["size"], "image");
    let on_disk = || {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(stand.data("volumes/v")).unwrap().blocks() * 512
    };
    assert!(on_disk() < 8 << 20, "it takes what is written to it and no more: {}", on_disk());
    assert_eq!(create(&stand, "one", at_data()).await, 200);
    let before = seen(&stand, "one").await;
    assert!((40..=64).contains(&before), "{before}");
    assert_eq!(run(&stand, "one", "ls -A /data").await, "", "it is empty");
    let full = run(&stand, "one", "echo kept > /data/kept; head -c 100M /dev/zero > /data/fill").await;
    assert!(full.contains("No space left"), "{full}");
    let others = "head -c 100M /dev/zero > fill && rm fill && echo fits";
    for sandbox in ["one", "box"] {
        assert_eq!(run(&stand, sandbox, others).await, "fits\n", "{sandbox}");
    }
    assert_eq!(resize(&stand, 63).await, 400, "it cannot shrink");
    assert_eq!(resize(&stand, 128).await, 200, "while it is attached");
    assert_eq!(run(&stand, "one", "cat /data/kept").await, "kept\n");
    if may_grow_what_is_mounted() {
        let at_once = seen(&stand, "one").await;
        assert!((96..=128).contains(&at_once), "{at_once}");
        let more = "head -c 30M /dev/zero > /data/more && rm /data/more && echo fits";
        assert_eq!(run(&stand, "one", more).await, "fits\n");
    } else {
        eprintln!("SKIPPED: growing while it is attached (CAP_SYS_RESOURCE)");
    }

    let stand = stand.restarted().await;
    let after = seen(&stand, "one").await;
    assert!((96..=128).contains(&after), "{after}");
    assert_eq!(
        run(&stand, "one", "cat /data/kept; wc -c < /data/fill; rm /data/fill").await.lines().count(),
        2
    );
    let fits = "head -c 90M /dev/zero > /data/fill && echo fits";
    assert_eq!(run(&stand, "one", fits).await, "fits\n");

    remove(&stand, "/sandboxes/one").await;
    assert_eq!(resize(&stand, 300).await, 200, "while nobody has it");
    assert_eq!(create(&stand, "two", at_data()).await, 200);
    let grown = seen(&stand, "two").await;
    assert!((250..=300).contains(&grown), "{grown}");
    assert_eq!(run(&stand, "two", "cat /data/kept").await, "kept\n");
    assert_eq!(stand.control("GET", "/volumes/v", "").await.json()["spec"]["size"], 300);
    remove(&stand, "/sandboxes/two").await;
    remove(&stand, "/volumes/v").await;
    nothing_is_left(&stand).await;
    stand.host.stop().await;
}

pub(crate) async fn a_volume_of_a_size_goes_on_under_the_next_host() {
    let beyond = |settings: &mut HostSettings| settings.lifetime = Lifetime::BeyondTheHost;
    let stand = Stand::with_box(beyond).await;
    if !binds(&stand) {
        return;
    }
    make(&stand, 32).await;
    assert_eq!(create(&stand, "one", at_data()).await, 200);
    assert_eq!(run(&stand, "one", "echo kept > /data/kept").await, "");
    assert_eq!(stand.control("POST", "/sandboxes/one/standby", "").await.status, 200);
    let stand = stand.replaced(beyond).await;
    let filled = run(&stand, "one", "cat /data/kept; head -c 100M /dev/zero > /data/fill").await;
    assert!(filled.contains("kept") && filled.contains("No space left"), "{filled}");
    assert_eq!(resize(&stand, 96).await, 200);
    remove(&stand, "/sandboxes/one").await;
    assert_eq!(create(&stand, "two", at_data()).await, 200);
    assert!(seen(&stand, "two").await > 64, "it has grown by now");
    assert_eq!(run(&stand, "two", "cat /data/kept").await, "kept\n");
    for path in ["/sandboxes/two", "/volumes/v"] {
        remove(&stand, path).await;
    }
    nothing_is_left(&stand).await;
    stand.host.stop().await;
}

pub(crate) async fn a_directory_of_an_earlier_host_stays_what_it_is() {
    let stand = Stand::with_box(|_| {}).await;
    if !binds(&stand) {
        return;
    }
    make(&stand, 32).await;
    let stand = stand
        .restarted_after(|data| {
            let place = data.join("volumes/v");
            fs::remove_file(&place).unwrap();
            fs::create_dir(&place).unwrap();
            fs::write(place.join("kept"), "kept\n").unwrap();
        })
        .await;
    assert_eq!(stand.control("GET", "/volumes/v", "").await.json()["reveille"]["size"], "none");
    assert_eq!(resize(&stand, 64).await, 200);
    assert_eq!(create(&stand, "one", at_data()).await, 200);
    assert_eq!(run(&stand, "one", "cat /data/kept; echo more > /data/more").await, "kept\n");
    assert_eq!(fs::read_to_string(stand.data("volumes/v/more")).unwrap(), "more\n");
    for path in ["/sandboxes/one", "/volumes/v"] {
        remove(&stand, path).await;
    }
    nothing_is_left(&stand).await;
    stand.host.stop().await;
}

pub(crate) async fn what_a_killed_host_did_not_come_to_the_next_one_does() {
    let stand = Stand::with_box(|_| {}).await;
    if !binds(&stand) {
        return;
    }
    make(&stand, 96).await;
    let stand = stand
        .restarted_after(|data| {
            // One that has a record and no file yet, and one that was not finished.
            fs::rename(data.join("volumes/v"), data.join("volumes/.w.unfinished")).unwrap();
        })
        .await;
    assert!(!stand.data("volumes/.w.unfinished").exists());
    until(|| stand.data("volumes/v").exists()).await;
    assert_eq!(create(&stand, "one", at_data()).await, 200);
    assert!((64..=96).contains(&seen(&stand, "one").await));
    let stand = stand
        .restarted_after(|data| {
            // A growth that was broken off.
            let file = fs::File::options().write(true).open(data.join("volumes/v")).unwrap();
            file.set_len((200 << 20) + 512).unwrap();
        })
        .await;
    assert!((150..=200).contains(&seen(&stand, "one").await));
    for path in ["/sandboxes/one", "/volumes/v"] {
        remove(&stand, path).await;
    }
    nothing_is_left(&stand).await;
    stand.host.stop().await;
}

pub(crate) async fn sizes_at_the_edge_are_kept_or_refused() {
    let stand = Stand::with_box(|_| {}).await;
    if !binds(&stand) {
        return;
    }
    for size in [json!(0), json!(-1), json!(16 * 1024 * 1024 + 1), json!(u64::MAX), json!("64"), json!(1.5)] {
        let body = json!({"metadata": {"name": "v"}, "spec": {"size": size}}).to_string();
        let refused = stand.control("POST", "/volumes", &body).await;
        assert_eq!(refused.status, 400, "{size}: {refused:?}");
    }
    // As large as a volume can be, and the file system of the host has the word.
    let body = json!({"metadata": {"name": "v"}, "spec": {"size": 16 * 1024 * 1024}}).to_string();
    let largest = stand.control("POST", "/volumes", &body).await;
    assert!(matches!(largest.status, 200 | 400), "{largest:?}");
    if largest.status == 200 {
        remove(&stand, "/volumes/v").await;
    }
    nothing_is_left(&stand).await;
    // The smallest one can be filled, and grow to any size.
    make(&stand, 1).await;
    assert_eq!(create(&stand, "one", at_data()).await, 200);
    let full = run(&stand, "one", "head -c 2M /dev/zero > /data/fill").await;
    assert!(full.contains("No space left"), "{full}");
    remove(&stand, "/sandboxes/one").await;
    for size in [2, 513, 4097] {
        assert_eq!(resize(&stand, size).await, 200);
        assert_eq!(create(&stand, "one", at_data()).await, 200);
        let seen = seen(&stand, "one").await;
        assert!(seen <= size && seen * 10 >= size * 4, "{seen} of {size}");
        remove(&stand, "/sandboxes/one").await;
    }
    remove(&stand, "/volumes/v").await;
    nothing_is_left(&stand).await;
    stand.host.stop().await;
}

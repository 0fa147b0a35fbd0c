//! Sandboxes that are made of images.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::stand::{Stand, until};

/// An image with a shell, two layers as `docker save` has them, that names `user`; `None` as in [`image_of`].
fn image(user: &str, variable: &str) -> Option<Vec<u8>> {
    let variables = ["GREETING=hello", "PATH=/bin", variable];
    image_of(&json!({"User": user, "Env": variables, "WorkingDir": "/app/here"}), |_| {})
}

/// An image with a shell and what that is linked to, and with `more`; `None` where this machine does not tell what its
/// shell is linked to.
fn image_of(config: &Value, more: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Option<Vec<u8>> {
    let linked = Command::new("ldd").arg("/bin/sh").output().ok().filter(|linked| linked.status.success())?;
    let linked = String::from_utf8(linked.stdout).ok()?;
    let libraries = linked.split_whitespace().filter(|word| word.starts_with('/'));
    let mut below = tar::Builder::new(Vec::new());
    for file in libraries.chain(["/bin/sh"]) {
        let content = std::fs::read(file).ok()?;
        append(&mut below, file.trim_start_matches('/'), &content);
    }
    append(&mut below, "etc/secret", b"taken away");
    append(&mut below, "etc/os-release", b"NAME=first\n");
    let mut above = tar::Builder::new(Vec::new());
    append(&mut above, "etc/.wh.secret", b"");
    append(&mut above, "etc/os-release", b"NAME=second\n");
    append(&mut above, "etc/passwd", b"root:x:0:0::/root:/bin/sh\nworker:x:1234:99::/home/worker:/bin/sh\n");
    append_with(&mut above, "etc/shadow", b"root's", 0, 0o600);
    append(&mut above, "etc/group", b"crew:x:77:worker\nnight:x:88:other,worker\n");
    more(&mut above);
    let manifest = json!([{"Config": "c.json", "Layers": ["0.tar", "1.tar"]}]);
    let mut archive = tar::Builder::new(Vec::new());
    append(&mut archive, "c.json", json!({"config": config}).to_string().as_bytes());
    append(&mut archive, "0.tar", &below.into_inner().ok()?);
    append(&mut archive, "1.tar", &above.into_inner().ok()?);
    append(&mut archive, "manifest.json", manifest.to_string().as_bytes());
    archive.into_inner().ok()
}

fn append(to: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
    append_with(to, path, content, 0, 0o755);
}

fn append_with(to: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8], owner: u64, mode: u32) {
    let mut header = tar::Header::new_gnu();
    header.set_mode(mode);
    header.set_uid(owner);
    header.set_gid(owner);
    if path.ends_with('/') {
        header.set_entry_type(tar::EntryType::Directory);
    }
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    header.set_cksum();
    to.append_data(&mut header, path, content).unwrap();
}

async fn run(stand: &Stand, command: &str) -> String {
    let body = json!({"command": command, "waitForCompletion": true});
    let path = "/local/sandboxes/made/process";
    let ended = stand.ask("POST", path, body.to_string()).await.json();
    [&ended["stdout"], &ended["stderr"]].map(|text| text.as_str().unwrap_or_default().to_owned()).concat()
}

async fn create(stand: &Stand, image: &str) -> (u16, Value) {
    let body = json!({"metadata": {"name": "made"}, "spec": {"runtime": {"image": image}}}).to_string();
    let made = stand.control("POST", "/sandboxes", &body).await;
    (made.status, made.json())
}

pub(crate) async fn a_sandbox_is_made_of_an_image_and_of_nothing_else() {
    let Some(archive) = image("", "MORE=") else {
        eprintln!("SKIPPED: this machine has no `ldd`, or its shell is linked to nothing");
        return;
    };
    let stand = Stand::with_box(|_| {}).await;
    let (status, refused) = create(&stand, "mine").await;
    assert_eq!((status, refused["error"].as_str()), (400, Some("IMAGE_NOT_FOUND")), "{refused}");
    let import = |archive: Vec<u8>| {
        let stand = &stand;
        async move { stand.upload("/v0/images/mine:1", archive).await }
    };
    let imported = import(archive.clone()).await;
    assert_eq!((imported.status, &imported.json()["metadata"]["name"]), (200, &json!("mine:1")));
    let (status, made) = create(&stand, "mine:1").await;
    if status == 500 {
        eprintln!("SKIPPED: this machine cannot give sandboxes a root of their own: {made}");
        return;
    }
    assert_eq!(status, 200, "{made}");
    let seen = "pwd; echo $GREETING; read name < /etc/os-release; echo $name; for f in /usr /etc/secret; do [ -e $f ] && echo $f; done; echo kept > own";
    assert_eq!(run(&stand, seen).await, "/app/here\nhello\nNAME=second\n");

    assert_eq!(stand.control("DELETE", "/images/mine:1", "").await.status, 409, "a sandbox is made of it");
    assert_eq!(import(archive).await.status, 200, "the name may go to another one");
    let upgraded = stand.ask("POST", "/local/sandboxes/made/upgrade", String::new()).await;
    assert_eq!(upgraded.status, 200);
    let mut count = 0;
    while count == 0 {
        let health = stand.ask("GET", "/local/sandboxes/made/health", String::new()).await.json();
        assert_ne!(health["lastUpgrade"]["status"], "failed", "{health}");
        count = health["upgradeCount"].as_u64().unwrap();
    }
    let stand = stand.restarted().await;
    assert_eq!(
        run(&stand, "read kept < own; echo $kept; read name < /etc/os-release; echo $name").await,
        "kept\nNAME=second\n"
    );
    let other = json!({"spec": {"runtime": {"image": "blaxel/base-image:latest"}}}).to_string();
    assert_eq!(stand.control("PUT", "/sandboxes/made", &other).await.status, 200);
    assert_eq!(run(&stand, "[ -e /usr ] && [ ! -e own ] && echo another").await, "another\n");
    assert_eq!(stand.control("DELETE", "/images/mine:1", "").await.status, 200);
    assert_eq!(stand.control("DELETE", "/sandboxes/made", "").await.status, 200);
    let stand = stand.restarted().await;
    let images = stand.data("images");
    until(|| directory_is_empty(&images)).await;
    stand.host.stop().await;
}

/// Numbers of who a shell runs as: its user, its group, the groups it is in besides, and what it may do.
const WHO: &str = "while read name one more; do case $name in Uid:|Gid:|CapEff:) echo $one;; Groups:) echo $one $more;; esac; done < /proc/self/status; echo $HOME";

pub(crate) async fn what_runs_is_the_user_that_its_image_names() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can run others");
        return;
    }
    let stand = Stand::with_box(|_| {}).await;
    let nothing = "0000000000000000";
    for (user, seen) in [
        ("worker", format!("1234\n99\n77 88\n{nothing}\n/home/worker\n")),
        ("1234:crew", format!("1234\n77\n\n{nothing}\n/home/worker\n")),
        ("4242", format!("4242\n0\n\n{nothing}\n/\n")),
    ] {
        let Some(archive) = image(user, "BL_SANDBOX_USER_ENABLED=true") else {
            eprintln!("SKIPPED: this machine has no `ldd`, or its shell is linked to nothing");
            return;
        };
        assert_eq!(stand.upload("/v0/images/mine:1", archive).await.status, 200);
        let (status, made) = create(&stand, "mine:1").await;
        if status == 500 {
            eprintln!("SKIPPED: this machine cannot give sandboxes a root of their own: {made}");
            return;
        }
        assert_eq!(run(&stand, WHO).await, seen, "{user}");
        let called = if user == "4242" { "4242" } else { "worker" };
        assert_eq!(run(&stand, "echo $USER $LOGNAME").await, format!("{called} {called}\n"), "{user}");
        assert_eq!(run(&stand, "echo mine > own && echo < own && pwd").await, "\n/app/here\n", "{user}");
        let made = "made/here/file";
        let asked = async |method: &str, target: &str, body: Value| {
            stand.ask(method, &format!("/local/sandboxes/made/{target}"), body.to_string()).await
        };
        let content = json!({"content": "first"});
        let written = asked("PUT", &format!("filesystem/{made}"), content.clone()).await;
        assert_eq!(written.status, 200, "{written:?}");
        let command = format!("[ -O {made} ] && [ -G {made} ] && echo more >> {made} && echo theirs");
        assert_eq!(run(&stand, &command).await, "theirs\n", "{user}: {made}");
        let begun = asked("POST", "filesystem-multipart/initiate/made/large", json!({})).await;
        assert_eq!(begun.status, 200, "{user}: {begun:?}");
        // What is root's is not theirs through the agent either.
        for (method, target) in [
            ("PUT", "%2Fetc%2Fown"),
            ("PUT", "%2Fetc%2Fpasswd"),
            ("GET", "%2Fetc%2Fshadow"),
            ("DELETE", "%2Fetc%2Fgroup"),
        ] {
            let refused = asked(method, &format!("filesystem/{target}"), content.clone()).await;
            assert_eq!(refused.status, 422, "{user}: {method} {target}: {refused:?}");
        }
        assert_eq!(
            run(&stand, "[ -O made ] && echo > made/other && echo theirs").await,
            "theirs\n",
            "{user}"
        );
        assert_ne!(run(&stand, "echo > /etc/passwd").await, "", "{user}: what is root's is not theirs");
        assert_eq!(stand.control("DELETE", "/sandboxes/made", "").await.status, 200);
    }
    let asks = |user| image(user, "BL_SANDBOX_USER_ENABLED=true").unwrap();
    assert_eq!(stand.upload("/v0/images/mine:1", asks("stranger")).await.status, 200);
    assert_eq!(create(&stand, "mine:1").await.0, 200);
    let path = "/local/sandboxes/made/process";
    let refused = stand.ask("POST", path, json!({"command": "true"}).to_string()).await;
    assert!(
        (400..600).contains(&refused.status) && refused.json().to_string().contains("stranger"),
        "{refused:?}"
    );
    assert_eq!(stand.control("DELETE", "/sandboxes/made", "").await.status, 200);
    // Where nothing is said the agent keeps its own rights over files, and gives what it makes away.
    assert_eq!(stand.upload("/v0/images/mine:1", image("worker", "MORE=").unwrap()).await.status, 200);
    assert_eq!(create(&stand, "mine:1").await.0, 200);
    assert!(run(&stand, WHO).await.starts_with("1234\n99\n"));
    let files = "/local/sandboxes/made/filesystem";
    let written =
        stand.ask("PUT", &format!("{files}/%2Fetc%2Fown"), json!({"content": "x"}).to_string()).await;
    assert_eq!(written.status, 200, "{written:?}");
    assert_eq!(run(&stand, "[ -O /etc/own ] && [ -G /etc/own ] && echo theirs").await, "theirs\n");
    assert_eq!(stand.ask("GET", &format!("{files}/%2Fetc%2Fshadow"), String::new()).await.status, 200);
    let initiate = "/local/sandboxes/made/filesystem-multipart/initiate/made/large";
    assert_eq!(stand.ask("POST", initiate, "{}".to_owned()).await.status, 200);
    assert_eq!(stand.control("DELETE", "/sandboxes/made", "").await.status, 200);
    let says_no = image("worker", "BL_SANDBOX_USER_ENABLED=false").unwrap();
    assert_eq!(stand.upload("/v0/images/mine:1", says_no).await.status, 200);
    assert_eq!(create(&stand, "mine:1").await.0, 200);
    assert!(run(&stand, WHO).await.starts_with("0\n0\n"), "it is root's where that is said");
    stand.host.stop().await;
}

pub(crate) async fn what_an_image_has_where_a_sandboxes_files_are_is_there_and_its_owners() {
    let config =
        json!({"User": "1234:1234", "Env": ["BL_SANDBOX_USER_ENABLED=true"], "WorkingDir": "/blaxel/app"});
    let archive = image_of(&config, |layer| {
        for directory in ["blaxel/", "blaxel/app/"] {
            append_with(layer, directory, b"", 1234, 0o755);
        }
        for (name, owner) in [("blaxel/app/first", 1234), ("blaxel/app/second", 1234), ("blaxel/roots", 0)] {
            append_with(layer, name, b"of the image", owner, 0o644);
        }
    });
    let Some(archive) = archive else {
        eprintln!("SKIPPED: this machine has no `ldd`, or its shell is linked to nothing");
        return;
    };
    let stand = Stand::with_box(|_| {}).await;
    assert_eq!(stand.upload("/v0/images/mine:1", archive).await.status, 200);
    let (status, made) = create(&stand, "mine:1").await;
    if status == 500 {
        eprintln!("SKIPPED: this machine cannot give sandboxes a root of their own: {made}");
        return;
    }
    assert_eq!(status, 200, "{made}");
    let seen =
        "pwd; read first < first; echo $first; echo changed > first && echo new > ../new && echo theirs";
    assert_eq!(run(&stand, seen).await, "/blaxel/app\nof the image\ntheirs\n");
    let place = "/local/sandboxes/made/filesystem/%2Fblaxel%2F";
    let removed = stand.ask("DELETE", &format!("{place}app%2Fsecond"), String::new()).await;
    assert_eq!(removed.status, 200, "{removed:?}");
    if rustix::process::geteuid().is_root() {
        let content = json!({"content": "theirs"}).to_string();
        let refused = stand.ask("PUT", &format!("{place}roots"), content).await;
        assert_eq!(refused.status, 422, "what is root's stays so in a directory that is theirs: {refused:?}");
    }
    let stand = stand.restarted().await;
    let kept = "read first < first; read new < ../new; echo $first $new; [ -e second ] || echo gone";
    assert_eq!(run(&stand, kept).await, "changed new\ngone\n");
    stand.host.stop().await;
}

fn directory_is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).unwrap().next().is_none()
}

pub(crate) async fn an_archive_that_breaks_off_leaves_nothing() {
    let stand = Stand::with_box(|_| {}).await;
    let refused = stand.upload("/v0/images/mine", b"no archive at all".to_vec()).await;
    assert_eq!(refused.status, 400);
    for name in ["Upper", "blaxel/mine", "a:b:c%20d"] {
        assert_eq!(stand.upload(&format!("/v0/images/{name}"), Vec::new()).await.status, 400, "{name}");
    }
    stand.break_off("/v0/images/mine", b"the beginning of an archive").await;
    let images = stand.data("images");
    until(|| directory_is_empty(&images)).await;
    let listed = stand.control("GET", "/images", "").await.json();
    assert_eq!(listed["data"].as_array().or(listed.as_array()).map(Vec::len), Some(0), "{listed}");
    stand.host.stop().await;
}

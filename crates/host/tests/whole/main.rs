//! The whole host: its own engine, real processes, the real agent.
//!
//! This program is the agent, too: started with `agent` it is one, as the command line is. Started with `host` it is
//! a host that waits to be killed.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod attended;
mod crash;
mod escape;
mod images;
mod limits;
mod passage;
mod replaced;
mod routes;
mod soak;
mod stand;
mod storm;
mod victim;
mod volumes;
mod workspaces;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal;
use nix::sys::socket::Backlog;
use nix::unistd::Pid;
use reveille_host::Lifetime;
use reveille_host::engine::Namespaces;
use serde_json::json;

use stand::Stand;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.next_if(|first| first == "agent").is_some() {
        return reveille_agent::main(arguments);
    }
    if arguments.next_if(|first| first == "serve").is_some() {
        return serve();
    }
    if arguments.next_if(|first| first == "host").is_some() {
        return victim::host(arguments);
    }
    match arguments.peek().and_then(|first| first.to_str()) {
        Some("serve-patiently") => return passage::serve_patiently(),
        Some("serve-hastily") => return passage::serve_hastily(),
        Some("serve-heads") => return routes::serve_heads(),
        _ => {}
    }
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trial<F>(name: &str, run: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Runtime::new()?;
        // What takes a second or two takes minutes where the machine is emulated; what hangs shall say which it is.
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(300), run()).await })?;
        Ok(())
    })
}

/// One that takes as long as it takes.
fn storm<F>(name: &str, run: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        tokio::runtime::Runtime::new()?.block_on(run());
        Ok(())
    })
}

fn trials() -> Vec<Trial> {
    vec![
        trial("processes survive standby, and use no time in it", processes_survive_standby),
        trial("a keep-alive process keeps its sandbox awake while it runs", keep_alive_keeps_awake),
        trial("files survive a restart of the host", files_survive_a_restart),
        trial("a sandbox whose agent was killed is started again", a_killed_agent_is_started_again),
        trial("a server in it is reached, asleep or not, and goes on where it was", a_server_goes_on),
        trial("a terminal in it is sat at over HTTP/2", attended::over_http2),
        trial("no request fails while the agent upgrades itself", upgrades_unnoticed),
        trial("a deleted sandbox takes its processes with it", deleted_with_its_processes),
        trial("a drive that is mounted, awake or asleep, is not deleted", a_mounted_drive_stays),
        trial("a snapshot is laid back, forked, and outlives its sandbox", a_snapshot_outlives_its_sandbox),
        trial("another network reaches what runs, at once", another_network_at_once),
        trial(
            "a secret is added on the way out, and is nowhere inside",
            routes::a_secret_is_added_on_the_way,
        ),
        trial(
            "what is to start with a sandbox starts each time that it comes without its processes",
            autostarts,
        ),
        trial("a fork has the files and the environment of its source, and starts anew", a_fork_starts_anew),
        trial(
            "a sandbox is made of an image, and of nothing else",
            images::a_sandbox_is_made_of_an_image_and_of_nothing_else,
        ),
        trial(
            "what runs is the user that its image names",
            images::what_runs_is_the_user_that_its_image_names,
        ),
        trial("an archive that breaks off leaves nothing", images::an_archive_that_breaks_off_leaves_nothing),
        trial(
            "a volume outlives its sandbox, and is in one at a time",
            volumes::a_volume_outlives_its_sandbox_and_is_in_one_at_a_time,
        ),
        trial(
            "a volume keeps to its size, and grows with what it holds",
            volumes::a_volume_keeps_to_its_size_and_grows_with_what_it_holds,
        ),
        trial(
            "a volume of a size goes on under the next host",
            volumes::a_volume_of_a_size_goes_on_under_the_next_host,
        ),
        trial(
            "a volume that an earlier host kept as a directory stays what it is",
            volumes::a_directory_of_an_earlier_host_stays_what_it_is,
        ),
        trial(
            "what a killed host did not come to of volumes the next one does",
            volumes::what_a_killed_host_did_not_come_to_the_next_one_does,
        ),
        trial(
            "sizes of volumes at the edge are kept or refused",
            volumes::sizes_at_the_edge_are_kept_or_refused,
        ),
        trial(
            "scratch space is bounded, and goes with the sandbox's processes",
            volumes::scratch_space_is_bounded_and_goes_with_the_sandbox_s_processes,
        ),
        trial(
            "what runs goes on with the next host, and its output is whole",
            replaced::what_runs_goes_on_and_its_output_is_whole,
        ),
        trial(
            "what a host has taken over goes to standby when nothing happens in it",
            replaced::it_goes_to_standby_when_nothing_happens_in_it,
        ),
        trial(
            "the next host's previews are at its address inside what it has taken over",
            replaced::the_next_hosts_previews_are_at_its_address_inside,
        ),
        trial(
            "what a host has taken over reaches what its record says",
            replaced::it_reaches_what_its_record_says,
        ),
        trial(
            "what a host has taken over is started again when its agent has ended",
            replaced::it_is_started_again_when_its_agent_has_ended,
        ),
        trial(
            "an agent cannot be looked into or driven by what it started",
            escape::an_agent_cannot_be_looked_into_or_driven_by_what_it_started,
        ),
        trial(
            "others and the host are neither seen nor reached",
            escape::others_and_the_host_are_neither_seen_nor_reached,
        ),
        trial(
            "a drive is reached only where it is mounted",
            escape::a_drive_is_reached_only_where_it_is_mounted,
        ),
        trial(
            "what a sandbox does to its own programs keeps it from nothing",
            escape::what_a_sandbox_does_to_its_own_programs_gives_it_no_rights,
        ),
        trial(
            "who wants too much memory is ended, and the sandbox goes on",
            limits::who_wants_too_much_memory_is_ended_and_the_sandbox_goes_on,
        ),
        trial(
            "less memory than a sandbox uses is refused",
            limits::less_memory_than_a_sandbox_uses_is_refused,
        ),
        trial("a full disk is one sandbox's own", limits::a_full_disk_is_one_sandbox_s_own),
        trial(
            "nothing is made where the disk has too little room",
            limits::nothing_is_made_where_the_disk_has_too_little_room,
        ),
        trial(
            "a disk of its own is taken over, and goes with its sandbox",
            limits::a_disk_of_its_own_is_taken_over_and_goes_with_its_sandbox,
        ),
        trial("a long sleep gives memory back", limits::a_long_sleep_gives_memory_back),
        trial(
            "who is taken over asleep gives memory back, too",
            limits::who_is_taken_over_asleep_gives_memory_back_too,
        ),
        trial("limits outlive the host that set them", limits::limits_outlive_the_host_that_set_them),
        trial("a fork bomb is contained and ended", limits::a_fork_bomb_is_contained_and_ended),
        trial(
            "a sandbox gets no more of a processor than it may",
            limits::a_sandbox_gets_no_more_of_a_processor_than_it_may,
        ),
        trial(
            "a file that is too long ends nobody but its writer",
            limits::a_file_that_is_too_long_ends_nobody_but_its_writer,
        ),
        storm(
            "many requests to one sleeper are answered once each, by one waking",
            storm::requests_to_one_sleeper_are_answered_once_each_by_one_waking,
        ),
        storm("many sleepers wake once each", storm::many_sleepers_wake_once_each),
        storm(
            "requests at the moment of falling asleep are not lost",
            storm::requests_at_the_moment_of_falling_asleep_are_not_lost,
        ),
        Trial::test("a host that is used for long does not grow", || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(soak::a_host_does_not_grow());
            Ok(())
        })
        .with_ignored_flag(true),
        trial(
            "what runs goes on where the next host cannot start",
            replaced::it_goes_on_where_the_next_host_cannot_start,
        ),
        trial(
            "servers and mounts of what a host has taken over are what they were",
            replaced::its_servers_and_its_mounts_are_what_they_were,
        ),
        trial("the agent of what a host has taken over can be upgraded", replaced::its_agent_can_be_upgraded),
        trial("of two workspaces one sees nothing of the other", workspaces::one_sees_nothing_of_the_other),
        trial("a key opens its own workspace only", workspaces::a_key_opens_its_own_only),
        trial("previews lead to their own workspace", workspaces::previews_lead_to_their_own),
        trial("a workspace that has been once is there again", workspaces::what_has_been_once_is_there_again),
        trial("only one host has the data", replaced::only_one_host_has_the_data),
        Trial::test(
            "what was acknowledged outlives a host that is killed under load, and nothing else",
            || {
                let runtime = tokio::runtime::Runtime::new()?;
                runtime.block_on(crash::killed_under_load(Lifetime::OfTheHost));
                Ok(())
            },
        ),
        Trial::test("so does what runs, where it lives beyond its host", || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(crash::killed_under_load(Lifetime::BeyondTheHost));
            Ok(())
        }),
        Trial::test(
            "a host that is killed while it takes over an older data directory loses nothing",
            || {
                let runtime = tokio::runtime::Runtime::new()?;
                runtime.block_on(crash::killed_while_it_takes_over());
                Ok(())
            },
        ),
        Trial::test("a host that is killed while it copies leaves nothing of the copy", || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(crash::killed_while_it_copies());
            Ok(())
        }),
        trial(
            "a read may use a connection again, and a mutation has its own",
            passage::a_read_may_use_a_connection_again_and_a_mutation_has_its_own,
        ),
        trial(
            "what the gateway takes the agent and its servers get",
            passage::what_the_gateway_takes_the_agent_and_its_servers_get,
        ),
        trial("an early answer arrives from inside", passage::an_early_answer_arrives_from_inside),
        trial(
            "where nobody listens the answer says so and proves it",
            passage::where_nobody_listens_the_answer_says_so_and_proves_it,
        ),
    ]
}

async fn autostarts() {
    let stand = Stand::with_box(|_| {}).await;
    // Its name is free again for one that begins with it.
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.status, 200);
    let metadata = json!({"name": "box", "labels": {"autostart": "echo started >> starts; exec sleep 987"}});
    let made = stand.control("POST", "/sandboxes", &json!({"metadata": metadata}).to_string()).await;
    assert_eq!(made.status, 200, "{made:?}");
    let starts = async |stand: &Stand| {
        let said = json!({"command": "until [ -s starts ]; do sleep 0.01; done; cat starts", "waitForCompletion": true});
        let said = stand.post("/process", &said).await.json();
        said["logs"].as_str().unwrap_or_default().lines().count()
    };
    assert_eq!(starts(&stand).await, 1);
    // A nap is no new start.
    assert_eq!(stand.control("POST", "/sandboxes/box/standby", "").await.status, 200);
    assert_eq!(starts(&stand).await, 1);
    let running = stand.get("/process/autostart").await;
    assert_eq!(running.json()["status"], "running", "{running:?}");
    let stand = stand.restarted().await;
    assert_eq!(stand.get("/health").await.status, 200);
    while starts(&stand).await < 2 {}
    assert_eq!(stand.control("PUT", "/sandboxes/box", r#"{"metadata":{"labels":null}}"#).await.status, 200);
    let stand = stand.restarted().await;
    assert_eq!(stand.get("/process/autostart").await.status, 404);
}

/// What the proxy of a sandbox says to whoever wants to reach a name that there is not.
async fn reaches(stand: &Stand) -> String {
    let script = "exec 3<>/dev/tcp/127.0.0.1/61080; \
        printf 'CONNECT name.invalid:443 HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n' >&3; cat <&3";
    let command = json!({"command": format!("bash -c \"{script}\""), "waitForCompletion": true});
    let said = stand.post("/process", &command).await.json();
    said["logs"].as_str().unwrap_or_default().to_owned()
}

async fn another_network_at_once() {
    let stand = Stand::with_box(|_| {}).await;
    if stand.host.isolation().namespaces != Namespaces::All {
        return eprintln!("skipped: sandboxes have no network of their own here");
    }
    let put = async |network: serde_json::Value| {
        let changed =
            stand.control("PUT", "/sandboxes/box", &json!({"spec": {"network": network}}).to_string()).await;
        (changed.status, changed.json())
    };
    let is_refused = |said: &str| said.contains(" 403 ") && said.contains("may reach");
    assert!(!is_refused(&reaches(&stand).await));
    for (network, refused) in [
        (json!({"egress": {"mode": "none"}}), true),
        (json!({"allowedDomains": ["name.invalid"]}), false),
        (json!({"allowedDomains": ["other.invalid"]}), true),
        (json!(null), false),
    ] {
        assert_eq!(put(network.clone()).await.0, 200);
        let said = reaches(&stand).await;
        assert_eq!(is_refused(&said), refused, "{network}: {said}");
        assert!(said.starts_with("HTTP/1.1 "), "the proxy answers: {said}");
    }
    assert_eq!(put(json!({"egress": {"mode": "host"}})).await.0, 400);
}

/// A server in a sandbox: says on which port it listens, and each time how many requests it has had.
fn serve() -> ExitCode {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    nix::sys::socket::listen(&listener, Backlog::MAXCONN).unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    for (number, stream) in listener.incoming().enumerate() {
        let mut stream = BufReader::new(stream.unwrap());
        let mut line = String::new();
        while stream.read_line(&mut line).unwrap() > 2 {
            line.clear();
        }
        let body = number.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.get_mut().write_all(format!("{head}{body}").as_bytes()).unwrap();
    }
    ExitCode::SUCCESS
}

/// How much processor time a process has used, in clock ticks.
fn ticks(pid: &str) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// The process outside that runs a command line which holds `mark`.
fn pid_of(mark: &str) -> Option<String> {
    pids_of(mark).into_iter().next()
}

/// The process that a process came from.
fn parent(pid: &str) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit_once(')').unwrap().1.split_whitespace().nth(1).unwrap().to_owned()
}

/// Kills the agent that a process of a sandbox has come from.
fn kill_agent_of(pid: &str) {
    let mut agent = pid.to_owned();
    // Up to what the host itself has started.
    while parent(&agent) != std::process::id().to_string() {
        agent = parent(&agent);
    }
    nix::sys::signal::kill(Pid::from_raw(agent.parse().unwrap()), Signal::SIGKILL).unwrap();
}

fn pids_of(mark: &str) -> Vec<String> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = all.filter_map(|entry| entry.file_name().into_string().ok());
    let pids = pids.filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    let holds = |pid: &String| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(mark)
    };
    pids.filter(holds).collect()
}

async fn processes_survive_standby() {
    let stand = Stand::with_box(|_| {}).await;
    // Busy, so that a process that is not stopped gives itself away.
    let mark = format!("busy-{}", fastrand::u64(..));
    let command = json!({"command": format!("exec sh -c 'while :; do :; done' {mark}"), "name": "busy"});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    let pid = stand::until_some(|| pid_of(&mark)).await;

    let slept = stand.control("POST", "/sandboxes/box/standby", "").await;
    assert_eq!((slept.status, &slept.json()["state"]), (200, &json!("STANDBY")));
    let before = ticks(&pid);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(ticks(&pid), before, "it runs in standby");

    let seen = stand.get("/process/busy").await;
    assert_eq!((seen.status, &seen.json()["status"]), (200, &json!("running")));
    assert_eq!(stand.control("GET", "/sandboxes/box", "").await.json()["state"], "RUNNING");
    stand::until(|| ticks(&pid) > before).await;
    stand.host.stop().await;
    stand::until(|| pid_of(&mark).is_none()).await;
}

async fn keep_alive_keeps_awake() {
    let stand = Stand::with_box(|settings| settings.standby_after = Duration::from_millis(200)).await;
    let command = json!({"command": "sleep 1.5", "keepAlive": true, "name": "kept"});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    let began = std::time::Instant::now();
    while stand.control("GET", "/sandboxes/box", "").await.json()["state"] == "RUNNING" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(began.elapsed() >= Duration::from_millis(1400), "asleep after {:?}", began.elapsed());
    assert_eq!(stand.get("/process/kept").await.json()["status"], "completed");
}

async fn files_survive_a_restart() {
    let stand = Stand::with_box(|_| {}).await;
    let write = json!({"command": "echo kept > file; pwd", "waitForCompletion": true});
    assert_eq!(stand.post("/process", &write).await.json()["exitCode"], 0);
    let stand = stand.restarted().await;
    assert_eq!(stand.control("GET", "/sandboxes/box", "").await.json()["state"], "STANDBY");
    let read = json!({"command": "cat file", "waitForCompletion": true});
    let read = stand.post("/process", &read).await.json();
    assert_eq!((&read["exitCode"], &read["stdout"]), (&json!(0), &json!("kept\n")), "{read}");
}

async fn a_killed_agent_is_started_again() {
    let stand = Stand::with_box(|_| {}).await;
    let mark = format!("lost-{}", fastrand::u64(..));
    let command =
        json!({"command": format!("exec sh -c 'while sleep 1; do :; done' {mark}"), "name": "lost"});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    kill_agent_of(&stand::until_some(|| pid_of(&mark)).await);
    // A request may meet the agent's end; the next ones meet a new agent, which knows nothing of the process.
    loop {
        match stand.get("/process/lost").await.status {
            404 => break,
            status => assert!(matches!(status, 200 | 502), "{status}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stand.get("/health").await.status, 200);
}

async fn a_server_goes_on() {
    let stand = Stand::with_box(|_| {}).await;
    let command = json!({"command": stand::this_program("serve"), "name": "server"});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    let port: u16 = loop {
        let logs = stand.get("/process/server/logs").await.json();
        if let Ok(port) = logs["stdout"].as_str().unwrap_or_default().trim().parse() {
            break port;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let at = |path: &str| format!("/port/{port}/{path}");
    let first = stand.get(&at("")).await.json().as_u64().unwrap();
    for round in 1..=5 {
        let slept = stand.control("POST", "/sandboxes/box/standby", "").await;
        assert_eq!(slept.status, 200, "{slept:?}");
        let [a, b, c] = ["a", "b", "c"].map(at);
        let (a, b, c) = tokio::join!(stand.get(&a), stand.get(&b), stand.get(&c));
        let mut numbers = [a, b, c].map(|answer| answer.json().as_u64().unwrap());
        numbers.sort_unstable();
        let next = first + round * 3;
        assert_eq!(numbers, [next - 2, next - 1, next], "each arrived once");
    }
}

async fn upgrades_unnoticed() {
    let stand = Stand::with_box(|_| {}).await;
    for upgrades in 1..=3 {
        let accepted = stand.post("/upgrade", &json!({})).await;
        assert_eq!(accepted.status, 200, "{accepted:?}");
        loop {
            let health = stand.get("/health").await;
            assert_eq!(health.status, 200, "{health:?}");
            if health.json()["upgradeCount"] == upgrades {
                break;
            }
        }
    }
}

async fn deleted_with_its_processes() {
    let stand = Stand::with_box(|_| {}).await;
    let mark = format!("stays-{}", fastrand::u64(..));
    let command = json!({"command": format!("exec sh -c 'while sleep 1; do :; done' {mark}")});
    assert_eq!(stand.post("/process", &command).await.status, 200);
    stand::until_some(|| pid_of(&mark)).await;
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.json()["status"], "DELETING");
    stand::until(|| pid_of(&mark).is_none()).await;
    assert_eq!(stand.get("/health").await.status, 404);
}

async fn a_mounted_drive_stays() {
    let stand = Stand::with_box(|_| {}).await;
    let mount = json!({"driveName": "data", "mountPath": "/mnt/data", "drivePath": "/"});
    let mounted = stand.post("/drives/mount", &mount).await;
    if mounted.status != 200 {
        return eprintln!("skipped: nothing can be mounted here ({mounted:?})");
    }
    let delete = || stand.control("DELETE", "/drives/data", "");
    let refused = delete().await;
    assert_eq!((refused.status, &refused.json()["error"]), (409, &json!("DRIVE_IN_USE")));
    assert_eq!(stand.control("POST", "/sandboxes/box/standby", "").await.status, 200);
    assert_eq!(delete().await.status, 409);
    assert_eq!(stand.control("GET", "/sandboxes/box", "").await.json()["state"], "STANDBY", "nobody woke it");
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.status, 200);
    while delete().await.status == 409 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stand.control("GET", "/drives/data", "").await.status, 404);
}

/// What a command line in a sandbox says.
async fn says(stand: &Stand, sandbox: &str, line: &str) -> String {
    let command = json!({"command": line, "waitForCompletion": true}).to_string();
    let said = stand.ask("POST", &format!("/local/sandboxes/{sandbox}/process"), command).await.json();
    assert_eq!(said["exitCode"], 0, "{line}: {said}");
    said["stdout"].as_str().unwrap().trim().to_owned()
}

async fn a_snapshot_outlives_its_sandbox() {
    let stand = Stand::with_box(|_| {}).await;
    says(&stand, "box", "echo one > file; ln -s file link; mkfifo pipe").await;
    let taken = stand.control("POST", "/sandboxes/box/snapshots", r#"{"name":"first"}"#).await;
    assert_eq!((taken.status, &taken.json()["status"]), (200, &json!("ready")), "{taken:?}");
    let id = taken.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(stand.control("POST", "/sandboxes/box/snapshots", r#"{"name":"first"}"#).await.status, 409);
    let running = json!({"command": "sleep 1000", "name": "running"});
    assert_eq!(stand.post("/process", &running).await.status, 200);
    says(&stand, "box", "echo two > file; touch later").await;

    let restored = stand.control("POST", "/sandboxes/box/snapshots/first/restore", "").await;
    assert_eq!((restored.status, &restored.json()["snapshotId"]), (200, &json!(id)), "{restored:?}");
    assert_eq!(says(&stand, "box", "cat link; ls later 2>/dev/null | wc -l").await, "one\n0");
    assert_eq!(stand.get("/process/running").await.status, 404, "what ran is torn down");

    let stand = stand.restarted().await;
    assert_eq!(stand.control("DELETE", "/sandboxes/box", "").await.status, 200);
    let kept = stand.control("GET", &format!("/snapshots/{id}"), "").await.json();
    assert_eq!(
        kept["spec"]["image"], "blaxel/base-image:latest",
        "what it needs to run outlives its source: {kept}"
    );
    assert_eq!((&kept["source"]["name"], &kept["source"]["deleted"]), (&json!("box"), &json!(true)));
    let forked = stand.control("POST", &format!("/snapshots/{id}/fork"), r#"{"targetName":"again"}"#).await;
    assert_eq!((forked.status, &forked.json()["snapshotId"]), (200, &json!(id)), "{forked:?}");
    assert_eq!(says(&stand, "again", "cat file").await, "one");
    assert_eq!(stand.control("DELETE", &format!("/snapshots/{id}"), "").await.status, 204);
    assert_eq!(stand.control("GET", &format!("/snapshots/{id}"), "").await.status, 404);
    assert_eq!(std::fs::read_dir(stand.data("snapshots")).unwrap().count(), 0);
    assert_eq!(says(&stand, "again", "cat file").await, "one");
}

async fn a_fork_starts_anew() {
    let stand = Stand::with_box(|_| {}).await;
    let envs = r#"{"spec":{"runtime":{"envs":[{"name":"A","value":"1"},{"name":"B","value":"2"}]}}}"#;
    assert_eq!(stand.control("PUT", "/sandboxes/box", envs).await.status, 200);
    says(&stand, "box", "echo text > file").await;
    let running = json!({"command": "sleep 1000", "name": "running"});
    assert_eq!(stand.post("/process", &running).await.status, 200);
    let fork = r#"{"targetName":"copy","targetType":"sandbox","envs":[{"name":"B","value":"3"}]}"#;
    let forked = stand.control("POST", "/sandboxes/box/fork", fork).await;
    assert_eq!((forked.status, &forked.json()["type"]), (200, &json!("sandbox")), "{forked:?}");
    assert_eq!(forked.json()["reveille"]["copied"], "files", "it says that processes are not");
    assert_eq!(says(&stand, "copy", "cat file; echo $A $B").await, "text\n1 3");
    says(&stand, "copy", "echo other > file").await;
    assert_eq!(says(&stand, "box", "cat file").await, "text");
    assert_eq!(stand.get("/process/running").await.json()["status"], "running", "the source goes on");
    assert_eq!(stand.control("POST", "/sandboxes/box/fork", fork).await.status, 409);
    let application = r#"{"targetName":"app","targetType":"application"}"#;
    assert_eq!(stand.control("POST", "/sandboxes/box/fork", application).await.status, 501);
    assert_eq!(stand.control("POST", "/sandboxes/none/fork", fork).await.status, 404);
    assert_eq!(stand.control("GET", "/snapshots", "").await.json()["meta"]["total"], 0);
}

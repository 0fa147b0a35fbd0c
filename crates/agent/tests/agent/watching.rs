//! Watches: nothing that happens is lost, and what is lost is said.

use std::collections::BTreeSet;
use std::fs;
use std::io::BufRead;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::{Value, json};

use crate::asking::PATIENCE;
use crate::running::Running;

/// A watch, the lines of which come as they are told. It is armed once this is there.
fn watch(agent: &Running, place: &Path, query: &str) -> Receiver<String> {
    let mut answer = agent.send("GET", &format!("/watch/filesystem/{}{query}", place.display()), &[], None);
    assert_eq!(answer.status, 200);
    let (to, told) = channel();
    let mut armed = String::new();
    answer.body.read_line(&mut armed).unwrap();
    assert_eq!(armed, "[keepalive]\n");
    std::thread::spawn(move || {
        let mut line = String::new();
        while answer.body.read_line(&mut line).is_ok_and(|read| read > 0) {
            if to.send(line.trim_end().to_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    told
}

fn next(told: &Receiver<String>) -> Value {
    let line = told.recv_timeout(PATIENCE).expect("an event");
    serde_json::from_str(&line).unwrap()
}

/// Takes events until `op` happened to each of `paths`.
fn until(
    told: &Receiver<String>,
    op: &str,
    known_as: impl Fn(&str) -> String,
    mut paths: BTreeSet<String>,
) -> Vec<Value> {
    let end = Instant::now() + PATIENCE;
    let mut seen = Vec::new();
    while !paths.is_empty() {
        let left = end.saturating_duration_since(Instant::now());
        let line =
            told.recv_timeout(left).unwrap_or_else(|_| panic!("{op} of {paths:?} was lost; told {seen:?}"));
        let event: Value = serde_json::from_str(&line).unwrap();
        if event["op"] == op {
            paths.remove(&known_as(&path(&event)));
        }
        seen.push(event);
    }
    seen
}

fn path(event: &Value) -> String {
    format!("{}/{}", event["path"].as_str().unwrap(), event["name"].as_str().unwrap())
}

#[test]
fn what_is_made_filled_and_renamed_in_one_step_is_told_in_hundreds_of_runs() {
    let agent = Running::start(&[]);
    let place = tempfile::tempdir().unwrap();
    let told = watch(&agent, place.path(), "/**");
    for run in 0..300 {
        let [first, last] = ["first", "last"].map(|name| place.path().join(format!("{name}-{run}")));
        fs::create_dir_all(first.join("a/b")).unwrap();
        fs::write(first.join("a/b/f"), "1").unwrap();
        fs::rename(&first, &last).unwrap();
        // What was made under the old name is watched under the new one.
        fs::create_dir(last.join("a/late")).unwrap();
        fs::write(last.join("a/late/g"), "2").unwrap();
        let wanted = ["", "/a", "/a/b", "/a/b/f", "/a/late", "/a/late/g"];
        // A directory that was told under its old name went on to the new one with its parent.
        let renamed = |path: &str| path.replace("/first-", "/last-");
        until(
            &told,
            "CREATE",
            renamed,
            wanted.iter().map(|below| format!("{}{below}", last.display())).collect(),
        );
    }
}

#[test]
fn what_is_ignored_is_named_by_its_whole_path_or_a_part_of_it() {
    let agent = Running::start(&[]);
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("modules")).unwrap();
    let ignored = format!("{}/modules,kept/lo", place.path().display());
    let told = watch(&agent, place.path(), &format!("/**?ignore={ignored}"));
    for name in ["modules/f", "kept", "kept/log", "kept/f"] {
        if name == "kept" {
            fs::create_dir(place.path().join(name)).unwrap();
        } else {
            fs::write(place.path().join(name), "").unwrap();
        }
    }
    let seen = until(&told, "CREATE", str::to_owned, [format!("{}/kept/f", place.path().display())].into());
    let names: BTreeSet<&str> = seen.iter().map(|event| event["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["f", "kept"].into(), "{seen:?}");
    assert!(seen.iter().all(|event| !path(event).contains("/modules/")), "{seen:?}");
}

#[test]
fn each_file_that_is_made_in_new_directories_is_told_once() {
    let agent = Running::start(&[]);
    let place = tempfile::tempdir().unwrap();
    let told = watch(&agent, place.path(), "/**");
    let mut wanted = BTreeSet::new();
    for at in 0..200 {
        let directory = place.path().join(format!("d{at}"));
        fs::create_dir(&directory).unwrap();
        fs::write(directory.join("f"), "x").unwrap();
        wanted.insert(directory.display().to_string());
        wanted.insert(directory.join("f").display().to_string());
    }
    fs::write(place.path().join("end"), "").unwrap();
    wanted.insert(place.path().join("end").display().to_string());
    let seen = until(&told, "CREATE", str::to_owned, wanted.clone());
    let created: Vec<String> = seen.iter().filter(|event| event["op"] == "CREATE").map(path).collect();
    assert_eq!(created.len(), wanted.len(), "some were told twice");
}

#[test]
fn a_directory_that_left_is_watched_no_more_and_one_that_comes_is() {
    let agent = Running::start(&[]);
    let [place, outside] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [inside, away] = [place.path().join("d"), outside.path().join("d")];
    fs::create_dir(&inside).unwrap();
    let told = watch(&agent, place.path(), "/**");
    fs::rename(&inside, &away).unwrap();
    assert_eq!(next(&told)["op"], "RENAME");
    fs::create_dir(outside.path().join("e")).unwrap();
    fs::write(outside.path().join("e/f"), "x").unwrap();
    fs::rename(outside.path().join("e"), place.path().join("e")).unwrap();
    let root = place.path().display();
    until(&told, "CREATE", str::to_owned, [format!("{root}/e"), format!("{root}/e/f")].into());
    fs::write(away.join("unseen"), "x").unwrap();
    fs::write(place.path().join("e/g"), "x").unwrap();
    let seen = until(&told, "CREATE", str::to_owned, [format!("{root}/e/g")].into());
    assert!(seen.iter().all(|event| event["name"] != "unseen"), "{seen:?}");
}

#[test]
fn what_happens_in_a_directory_is_told_by_the_name_that_it_has_then_wherever_it_was() {
    let agent = Running::start(&[]);
    let [place, outside] = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let at = |name: &str| place.path().join(name);
    let told = watch(&agent, place.path(), "/**");
    for run in 0..100 {
        let [first, second, last] = ["first", "second", "last"].map(|name| at(&format!("{name}-{run}")));
        let away = outside.path().join("away");
        fs::create_dir_all(first.join("in")).unwrap();
        until(&told, "CREATE", str::to_owned, [first.join("in").display().to_string()].into());
        fs::rename(&first, &second).unwrap();
        fs::write(second.join("in/second"), "x").unwrap();
        fs::rename(&second, &away).unwrap();
        fs::write(away.join("in/away"), "x").unwrap();
        fs::rename(&away, &last).unwrap();
        fs::write(last.join("in/last"), "x").unwrap();
        let seen = until(&told, "CREATE", str::to_owned, [last.join("in/last").display().to_string()].into());
        for event in seen.iter().filter(|event| event["op"] == "WRITE") {
            let written = path(event);
            let right =
                ["second", "last"].map(|name| at(&format!("{name}-{run}/in/{name}")).display().to_string());
            let away = last.join("in/away").display().to_string();
            assert!(right.contains(&written) || written == away, "{written} in {seen:#?}");
        }
        fs::remove_dir_all(&last).unwrap();
    }
}

#[test]
fn a_file_that_the_agent_writes_is_told_by_its_own_name_alone() {
    let agent = Running::start(&[]);
    let place = tempfile::tempdir().unwrap();
    let told = watch(&agent, place.path(), "");
    let target = format!("/filesystem/{}/f", place.path().display());
    let write = || assert_eq!(agent.ask("PUT", &target, Some(&json!({"content": "x"}))).0, 200);
    write();
    let mut seen = vec![next(&told), next(&told)];
    // One write after the other: two at once may be told as one.
    write();
    seen.push(next(&told));
    let ops: Vec<_> = seen.iter().map(|event| event["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["CREATE", "WRITE", "WRITE"]);
    assert!(seen.iter().all(|event| event["name"] == "f"), "{seen:?}");
}

#[test]
fn events_that_the_kernel_lost_are_an_event() {
    let agent = Running::start(&[]);
    let place = tempfile::tempdir().unwrap();
    // Nobody reads the answer, so that the kernel's queue fills up behind it.
    let target = format!("/watch/filesystem/{}/**", place.path().display());
    let mut answer = agent.send("GET", &target, &[], None);
    let queue: usize =
        fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    // Long names fill what lies between, and two files by turns are not told as one event.
    let files = ["a", "b"].map(|letter| fs::File::create(place.path().join(letter.repeat(200))).unwrap());
    for at in 0..10 * queue {
        files[at % 2].write_at(b"x", 0).unwrap();
    }
    let mut line = String::new();
    while !line.contains("\"OVERFLOW\"") {
        line.clear();
        assert!(answer.body.read_line(&mut line).unwrap() > 0);
    }
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["path"], place.path().display().to_string());
    assert!(event["error"].as_str().unwrap().contains("lost"));
    // It goes on behind it.
    fs::write(place.path().join("later"), "").unwrap();
    while !line.contains("\"later\"") {
        line.clear();
        assert!(answer.body.read_line(&mut line).unwrap() > 0);
    }
}

#[test]
fn a_watch_ends_with_its_directory() {
    let agent = Running::start(&[]);
    let place = tempfile::tempdir().unwrap();
    let inside = place.path().join("d");
    fs::create_dir(&inside).unwrap();
    let told = watch(&agent, &inside, "/**");
    fs::remove_dir(&inside).unwrap();
    let event = next(&told);
    assert_eq!((&event["op"], &event["path"]), (&"REMOVE".into(), &inside.display().to_string().into()));
    let ended = told.recv_timeout(PATIENCE);
    assert!(matches!(ended, Err(std::sync::mpsc::RecvTimeoutError::Disconnected)), "{ended:?}");
}

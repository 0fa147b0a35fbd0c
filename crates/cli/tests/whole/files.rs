//! Files in and out of a sandbox, through the whole of it: command, client, gateway, agent.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::place::{Host, Place, signal};

fn place() -> (Place, Host) {
    let place = Place::new();
    let host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    (place, host)
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length as u64).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

#[test]
fn a_file_of_any_size_comes_back_as_it_went() {
    let (place, _host) = place();
    let part = 5 << 20;
    for length in [0, 1, part - 1, part, part + 1, 3 * part + 7] {
        let content = pattern(length);
        fs::write(place.path().join("in"), &content).unwrap();
        fs::set_permissions(place.path().join("in"), fs::Permissions::from_mode(0o750)).unwrap();
        place.run(["cp", "in", "box:f"]).done();
        place.run(["cp", "box:f", "out"]).done();
        assert!(fs::read(place.path().join("out")).unwrap() == content, "{length} bytes");
        assert!(place.run(["cat", "box:f"]).done().out == content, "{length} bytes");
        assert!(place.run(["exec", "box", "--", "stat -c %a f"]).done().text().starts_with("750"));
        place.run(["rm", "box:f"]).done();
    }
}

#[test]
fn a_stream_goes_in_and_comes_out() {
    let (place, _host) = place();
    for length in [0, 10, (5 << 20) - 1, 5 << 20, 11 << 20] {
        let content = pattern(length);
        let said = place.feed(&["cp", "-", "box:stream"], &content);
        assert_eq!(said.code, Some(0), "{length} bytes: {said:?}");
        assert!(place.run(["cp", "box:stream", "-"]).done().out == content, "{length} bytes");
    }
}

#[test]
fn a_directory_goes_in_and_comes_out_with_all_that_is_below_it() {
    let (place, _host) = place();
    let from = place.path().join("from");
    fs::create_dir_all(from.join("empty")).unwrap();
    fs::create_dir_all(from.join("a b/%2f#?")).unwrap();
    fs::write(from.join("a b/%2f#?/line\nbreak"), "odd").unwrap();
    fs::write(from.join("tool"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(from.join("tool"), fs::Permissions::from_mode(0o755)).unwrap();
    for at in 0..200 {
        fs::write(from.join(format!("file-{at}")), at.to_string()).unwrap();
    }
    let odd: std::ffi::OsString = std::os::unix::ffi::OsStringExt::from_vec(b"not \xff text".to_vec());
    fs::write(from.join(&odd), "bytes").unwrap();
    place.run(["cp", "from", "box:to"]).done();
    place.run(["cp", "box:to", "back"]).done();
    same(&from, &place.path().join("back"));
    // Into a directory that is there.
    place.run(["cp", "from/tool", "box:to/empty/"]).done();
    assert_eq!(place.run(["cat", "box:to/empty/tool"]).done().text(), "#!/bin/sh\n");
    place.run(["rm", "-r", "box:to"]).done();
    assert_eq!(place.run(["ls", "box:to"]).code, Some(1));
}

/// Two directories that hold the same.
fn same(one: &Path, other: &Path) {
    let list = |path: &Path| {
        let mut names: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(list(one), list(other), "{}", one.display());
    for name in list(one) {
        let [one, other] = [one, other].map(|path| path.join(&name));
        if one.is_dir() {
            same(&one, &other);
        } else {
            assert_eq!(fs::read(&one).unwrap(), fs::read(&other).unwrap());
            let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode(&one), mode(&other), "{}", one.display());
        }
    }
}

#[test]
fn what_is_no_file_is_left_out_and_said() {
    let (place, _host) = place();
    fs::create_dir(place.path().join("from")).unwrap();
    fs::write(place.path().join("from/f"), "x").unwrap();
    symlink("nowhere", place.path().join("from/dangling")).unwrap();
    let said = place.run(["cp", "from", "box:to"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("dangling"), "{said:?}");
    place.run(["exec", "box", "--", "cd to && mkfifo pipe && ln -s . loop"]).done();
    let said = place.run(["cp", "box:to", "back", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert_eq!((&said.json()["files"], said.json()["skipped"].as_array().unwrap().len()), (&1.into(), 2));
    assert_eq!(fs::read_to_string(place.path().join("back/f")).unwrap(), "x");
}

#[test]
fn a_pipe_or_a_device_of_this_machine_gets_what_is_copied_and_is_not_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let (place, _host) = place();
    assert_eq!(place.feed(&["cp", "-", "box:f"], b"content").code, Some(0));
    let pipe = place.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Open at both ends, it keeps what is written.
    let mut ends = File::options().read(true).write(true).open(&pipe).unwrap();
    place.run(["cp", "box:f", "pipe"]).done();
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    let mut came = [0; 7];
    ends.read_exact(&mut came).unwrap();
    assert_eq!(&came, b"content");
}

#[test]
fn files_go_from_one_sandbox_to_another_and_within_one() {
    let (place, _host) = place();
    place.run(["create", "other"]).done();
    assert_eq!(place.feed(&["cp", "-", "box:d/f"], b"content").code, Some(0));
    place.run(["cp", "box:d/f", "other:g"]).done();
    assert_eq!(place.run(["cat", "other:g"]).done().text(), "content");
    place.run(["cp", "box:d", "other:e"]).done();
    assert_eq!(place.run(["cat", "other:e/f"]).done().text(), "content");
    assert_eq!(place.run(["cp", "box:d", "box:copy"]).done().err, "copied to box:copy\n");
    assert_eq!(place.run(["cat", "box", "copy/f"]).done().text(), "content");
}

#[test]
fn what_is_there_is_listed_and_found() {
    let (place, _host) = place();
    place.run(["mkdir", "box:src/deep", "box:src/.hidden"]).done();
    for (path, content) in
        [("src/main.rs", "fn main() {}\n"), ("src/deep/x.md", "# Main\n"), ("src/.env", "A=1\n")]
    {
        assert_eq!(place.feed(&["cp", "-", &format!("box:{path}")], content.as_bytes()).code, Some(0));
    }
    assert_eq!(place.run(["ls", "box:src"]).done().text(), "deep/\nmain.rs\n");
    assert_eq!(place.run(["ls", "-a", "box", "src"]).done().text(), ".env\n.hidden/\ndeep/\nmain.rs\n");
    let long = place.run(["ls", "-l", "box:src"]).done().text();
    assert!(long.contains("644") && long.contains("13 B") && long.ends_with("main.rs\n"), "{long}");
    assert_eq!(place.run(["ls", "box:src", "--json"]).done().json()["files"][0]["name"], "main.rs");
    let tree = place.run(["tree", "box:src"]).done();
    assert!(tree.text().ends_with("src\n  deep/\n    x.md\n  main.rs\n"), "{tree:?}");
    assert_eq!(tree.err, "2 files, 1 directory\n");
    assert_eq!(place.run(["find", "box:src", "-n", "*.md"]).done().text(), "deep/x.md\n");
    assert_eq!(place.run(["find", "box:src", "-t", "d"]).done().text(), ".\ndeep\n");
    assert_eq!(
        place.run(["grep", "main", "box:src"]).done().text(),
        "deep/x.md:1:# Main\nmain.rs:1:fn main() {}\n"
    );
    let said = place.run(["grep", "-s", "no such", "box:src"]);
    assert_eq!((said.code, said.out.len()), (Some(1), 0));
}

#[test]
fn a_file_is_searched_and_listed_where_it_is_named() {
    let (place, _host) = place();
    let odd = "a[b],c*.txt";
    for (path, content) in [
        (format!("d/{odd}"), "tea\nno\nTea\ntea\n"),
        ("d/a[b],cd.txt".to_owned(), "tea\n"),
        (format!("d/e/{odd}"), "tea\n"),
        ("top".to_owned(), "tea"),
    ] {
        assert_eq!(place.feed(&["cp", "-", &format!("box:{path}")], content.as_bytes()).code, Some(0));
    }
    let path = format!("d/{odd}");
    let lines = |numbers: &[(usize, &str)]| -> String {
        numbers.iter().map(|(number, text)| format!("{path}:{number}:{text}\n")).collect()
    };
    let grep = |more: &[&str]| place.run([&["grep", "tea", "box", path.as_str()], more].concat()).done();
    assert_eq!(grep(&[]).text(), lines(&[(1, "tea"), (3, "Tea"), (4, "tea")]));
    assert_eq!(grep(&["-s"]).text(), lines(&[(1, "tea"), (4, "tea")]));
    assert_eq!(grep(&["-m", "1"]).text(), lines(&[(1, "tea")]));
    assert_eq!(grep(&["--json"]).json()["total"], 3);
    assert_eq!(place.run(["grep", "tea", "box:top"]).done().text(), "top:1:tea\n");
    let root = place.run(["exec", "box", "--", "pwd"]).done().text();
    let absolute = format!("{}/top", root.trim_end());
    assert_eq!(place.run(["grep", "tea", "box", &absolute]).done().text(), format!("{absolute}:1:tea\n"));
    let nothing = place.run(["grep", "coffee", "box:top"]);
    assert!(nothing.code == Some(1) && nothing.err.contains("no line holds it"), "{nothing:?}");
    let below = place.run(["grep", "tea", "box:top/"]);
    assert!(below.code == Some(1) && below.err.contains("40"), "{below:?}");
    assert_eq!(place.run(["ls", "box", &path]).done().text(), format!("{odd}\n"));
    assert_eq!(place.run(["ls", "box:top", "--json"]).done().json()["files"][0]["size"], 3);
    assert_eq!(place.run(["ls", "box:none"]).code, Some(1));
}

#[test]
fn what_happens_is_watched_until_it_is_enough() {
    let (place, _host) = place();
    place.run(["mkdir", "box:d"]).done();
    let mut command = place.command();
    command.args(["watch", "-r", "box:d", "--json"]).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let name = std::thread::scope(|scope| {
        // It says nothing before something happens, so that something has to happen until it is seen.
        let place = &place;
        scope.spawn(move || {
            while stopped.try_recv() == Err(std::sync::mpsc::TryRecvError::Empty) {
                place.run(["exec", "box", "--", "mkdir -p d/e && touch d/e/f && rm -r d/e"]).done();
            }
        });
        let mut line = String::new();
        loop {
            line.clear();
            assert!(out.read_line(&mut line).unwrap() > 0);
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["op"] == "CREATE" && event["name"] == "f" {
                stop.send(()).unwrap();
                return event["path"].as_str().unwrap().to_owned();
            }
        }
    });
    assert!(name.ends_with("d/e"), "{name}");
    signal(child.id(), "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let (place, _host) = place();
    fs::write(place.path().join("here"), "x").unwrap();
    for (arguments, code, word) in [
        (["cp", "a", "b"], 2, "SANDBOX:PATH"),
        (["cp", "missing", "box:f"], 1, "missing"),
        (["cp", "box:missing", "f"], 1, "missing"),
        (["cp", "box:/etc/passwd/below", "f"], 1, "passwd/below: file or directory not found"),
        (["cp", "here", "box:/etc/passwd/below"], 1, "passwd/below: Not a directory"),
        (["cp", "box:/dev/zero", "f"], 1, "a device"),
        (["cp", "here", "box:/dev/zero"], 1, "a device"),
        (["cp", "-", "box:/tmp/"], 2, "name a file"),
        (["cat", "box:missing", "x"], 1, "missing"),
        (["cat", "box:/tmp", "x"], 1, "box:/tmp is a directory"),
        (["cp", "box:/tmp", "-"], 1, "box:/tmp is a directory"),
        (["rm", "box", "-r"], 2, "names no path"),
        (["rm", "box:missing", "-r"], 1, "missing"),
        (["ls", "box:../x", "-a"], 2, "begin it with /"),
    ] {
        let said = place.run(arguments);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.contains(word) && said.out.is_empty(), "no {word:?} in {said:?}");
    }
    place.run(["rm", "-f", "box:missing"]).done();
    assert!(!place.path().join("f").exists());
}

#[test]
fn a_file_is_read_through_the_window_of_a_sandbox_that_sleeps() {
    let (place, _host) = place();
    assert_eq!(place.feed(&["cp", "-", "box:f"], b"awake").code, Some(0));
    place.run(["sleep", "box"]).done();
    assert_eq!(place.run(["cat", "box:f"]).done().text(), "awake");
    place.run(["sleep", "box"]).done();
    assert_eq!(place.feed(&["cp", "-", "box:g"], b"written").code, Some(0));
    assert_eq!(place.run(["cat", "box:g"]).done().text(), "written");
}

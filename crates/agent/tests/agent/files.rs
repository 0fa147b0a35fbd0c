//! Files: what a single answer does not show.

use std::ffi::OsStr;
use std::fs;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Instant;

use nix::sys::stat::Mode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::asking::PATIENCE;
use crate::http::{self, Request, Response};
use crate::running::Running;

const BOUNDARY: &str = "between-the-parts";

fn place() -> (Running, TempDir) {
    (Running::start(&[]), tempfile::tempdir().unwrap())
}

/// The target of a file below `place`, each byte of whose name stands for itself.
fn target(place: &Path, name: &[u8]) -> String {
    let path = place.join(OsStr::from_bytes(name));
    let letters = path.as_os_str().as_bytes().iter().map(|byte| format!("%{byte:02X}"));
    format!("/filesystem/{}", letters.collect::<String>())
}

fn form(content: &[u8]) -> Vec<u8> {
    let head =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n");
    [head.as_bytes(), content, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat()
}

impl Running {
    fn get_bytes(&self, target: &str) -> Response {
        self.send("GET", target, &[("Accept", "application/octet-stream")], None)
    }

    fn put_form(&self, target: &str, body: Vec<u8>) -> Response {
        let stream = http::connect(&self.host, PATIENCE).unwrap();
        let headers = vec![("Content-Type".to_owned(), format!("multipart/form-data; boundary={BOUNDARY}"))];
        let request = Request { method: "PUT", target, headers, body: Some(body) };
        http::send(&stream, &self.host, &request).unwrap()
    }
}

#[test]
fn every_byte_of_a_name_stands_for_itself() {
    let (agent, place) = place();
    let names: [&[u8]; 8] =
        [b"a b", b"a%2fb", b"a#b", b"a?b", b"a\nb", b"a\\b", b"a\xff\xfeb", "\u{fc}".as_bytes()];
    for name in names {
        let target = target(place.path(), name);
        assert_eq!(agent.put_form(&target, form(name)).status, 200, "{target}");
        assert_eq!(fs::read(place.path().join(OsStr::from_bytes(name))).unwrap(), name);
        assert_eq!(agent.get_bytes(&target).read().unwrap(), name);
    }
    let (_, list) = agent.ask("GET", &target(place.path(), b""), None);
    let files = list["files"].as_array().unwrap();
    assert_eq!(files.len(), names.len());
    // What no text can say is told in the form that a URL takes.
    let odd = files.iter().find_map(|file| file["encodedPath"].as_str()).unwrap();
    assert!(odd.ends_with("a%FF%FEb"), "{odd}");
    assert_eq!(agent.get_bytes(&format!("/filesystem/{odd}")).read().unwrap(), b"a\xff\xfeb");
}

#[test]
fn an_upload_that_breaks_off_anywhere_leaves_the_old_file_and_no_other() {
    let (agent, place) = place();
    let file = place.path().join("f");
    fs::write(&file, "old").unwrap();
    let whole = form(b"new content");
    let target = target(place.path(), b"f");
    // The end of its last line means nothing: what lacks only that may be whole to the agent.
    for cut in 0..whole.len() - "\r\n".len() {
        let mut stream = http::connect(&agent.host, PATIENCE).unwrap();
        let head = format!(
            "PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
            whole.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(&whole[..cut]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let mut said = String::new();
        // It may be closed without a word.
        let _cut = stream.read_to_string(&mut said);
        assert!(!said.starts_with("HTTP/1.1 2"), "cut at {cut}: {said}");
        assert_eq!(fs::read(&file).unwrap(), b"old", "cut at {cut}");
    }
    // What was cut is given up soon after its connection is closed.
    let end = Instant::now() + PATIENCE;
    while fs::read_dir(place.path()).unwrap().count() > 1 {
        assert!(Instant::now() < end, "drafts stay");
        std::thread::yield_now();
    }
}

#[test]
fn a_form_that_ends_before_its_last_boundary_is_refused_also_when_its_length_is_right() {
    let (agent, place) = place();
    let whole = form(b"content");
    let target = target(place.path(), b"f");
    for cut in 0..whole.len() - "--\r\n".len() {
        let status = agent.put_form(&target, whole[..cut].to_vec()).status;
        assert_eq!(status, 400, "cut at {cut}");
    }
    assert!(!place.path().join("f").exists());
}

#[test]
fn a_large_upload_comes_back_byte_for_byte_and_a_part_of_it_too() {
    let (agent, place) = place();
    let content: Vec<u8> =
        (0..10 << 20_u32).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let target = target(place.path(), b"large");
    assert_eq!(agent.put_form(&target, form(&content)).status, 200);
    assert!(agent.get_bytes(&target).read().unwrap() == content);
    let headers = [("Accept", "application/octet-stream"), ("Range", "bytes=1000000-3999999")];
    let mut part = agent.send("GET", &target, &headers, None);
    assert_eq!(part.status, 206);
    assert!(part.read().unwrap() == content[1_000_000..4_000_000]);
}

#[test]
fn a_large_text_is_whole_also_where_letters_lie_on_the_edges_of_pieces() {
    let (agent, place) = place();
    for shift in 0..4 {
        let text = format!("{}{}\"\\\n\u{1}", "x".repeat(shift), "\u{1f600}".repeat(100_000));
        fs::write(place.path().join("t"), &text).unwrap();
        let (status, told) = agent.ask("GET", &target(place.path(), b"t"), None);
        assert_eq!(status, 200);
        assert!(told["content"].as_str() == Some(&text), "shifted by {shift}");
        assert_eq!(told["size"], text.len());
    }
}

#[test]
fn a_file_that_becomes_shorter_while_it_is_read_breaks_the_answer_off() {
    let (agent, place) = place();
    let file = place.path().join("f");
    for json in [true, false] {
        fs::write(&file, vec![b'x'; 64 << 20]).unwrap();
        let accept = if json { "application/json" } else { "application/octet-stream" };
        let mut answer = agent.send("GET", &target(place.path(), b"f"), &[("Accept", accept)], None);
        assert_eq!(answer.status, 200);
        fs::File::options().write(true).open(&file).unwrap().set_len(10).unwrap();
        assert!(answer.read().is_err(), "as {accept}");
    }
}

#[test]
fn a_file_of_the_kernel_that_says_it_is_empty_is_read_to_its_end() {
    let agent = Running::start(&[]);
    let (status, told) = agent.ask("GET", "/filesystem//proc/self/status", None);
    assert_eq!(status, 200);
    assert!(told["content"].as_str().unwrap().contains("Threads:"));
    let bytes = agent.get_bytes("/filesystem//proc/self/status").read().unwrap();
    assert!(String::from_utf8_lossy(&bytes).contains("Threads:"));
}

#[test]
fn a_file_of_the_kernel_that_says_it_is_longer_than_it_is_is_read_to_its_end() {
    let agent = Running::start(&[]);
    let path = "/sys/kernel/mm/transparent_hugepage/enabled";
    let content = fs::read_to_string(path).unwrap();
    let target = format!("/filesystem/{path}");
    let (status, told) = agent.ask("GET", &target, None);
    assert_eq!((status, &told["content"]), (200, &content.as_str().into()));
    assert_eq!(agent.get_bytes(&target).read().unwrap(), content.as_bytes());
}

#[test]
fn what_opens_and_cannot_be_read_is_said_and_breaks_nothing_off() {
    let agent = Running::start(&[]);
    // Nothing of a process is at its address 0.
    let target = "/filesystem//proc/self/mem";
    let (status, told) = agent.ask("GET", target, None);
    assert_eq!(status, 422, "{told}");
    assert!(told["error"].as_str().unwrap().starts_with("/proc/self/mem: "), "{told}");
    assert_eq!(agent.get_bytes(target).status, 422);
}

#[test]
fn pipes_and_devices_are_refused_and_nobody_hangs() {
    let (agent, place) = place();
    nix::unistd::mkfifo(&place.path().join("pipe"), Mode::S_IRWXU).unwrap();
    let pipe = target(place.path(), b"pipe");
    let begun = Instant::now();
    for path in [pipe.as_str(), "/filesystem//dev/zero", "/filesystem//dev/tty"] {
        assert_eq!(agent.ask("GET", path, None).0, 422, "{path}");
        assert_eq!(agent.get_bytes(path).status, 422, "{path}");
        assert_eq!(agent.ask("PUT", path, Some(&json!({"content": "x"}))).0, 422, "{path}");
    }
    assert!(begun.elapsed() < PATIENCE);
    assert_eq!(agent.ask("DELETE", &pipe, None).0, 200);
}

#[test]
fn links_in_a_circle_end_everywhere() {
    let (agent, place) = place();
    symlink("two", place.path().join("one")).unwrap();
    symlink("one", place.path().join("two")).unwrap();
    symlink(".", place.path().join("here")).unwrap();
    fs::write(place.path().join("f"), "hello").unwrap();
    let one = target(place.path(), b"one");
    assert_eq!(agent.ask("GET", &one, None).0, 422);
    assert_eq!(agent.ask("PUT", &one, Some(&json!({"content": "x"}))).0, 422);
    let root = place.path().display();
    let (_, tree) = agent.ask("GET", &format!("/filesystem/tree/{root}?recursive=true&content=true"), None);
    assert_eq!(tree["files"].as_array().unwrap().len(), 4, "{tree}");
    assert_eq!(agent.ask("GET", &format!("/filesystem-find/{root}"), None).1["total"], 4);
    assert_eq!(
        agent.ask("GET", &format!("/filesystem-content-search/{root}?query=hello"), None).1["total"],
        1
    );
    assert_eq!(agent.ask("DELETE", &format!("/filesystem/{root}/here?recursive=true"), None).0, 200);
    assert!(place.path().join("f").exists(), "a link was removed, and not where it led");
}

#[test]
fn what_a_head_says_is_true() {
    let (agent, place) = place();
    fs::write(place.path().join("f.txt"), "12345").unwrap();
    let head = |name: &[u8]| agent.send("HEAD", &target(place.path(), name), &[], None);
    let file = head(b"f.txt");
    assert_eq!(
        (file.status, file.header("x-file-type"), file.header("content-length")),
        (200, Some("file"), Some("5"))
    );
    assert!(httpdate::parse_http_date(file.header("last-modified").unwrap()).is_ok());
    assert_eq!((head(b"").status, head(b"").header("x-file-type")), (200, Some("directory")));
    assert_eq!((head(b"no").status, head(b"no").header("x-file-type")), (200, None));
}

#[test]
fn a_head_tells_the_mode_of_what_it_does_not_open() {
    let (agent, place) = place();
    let file = place.path().join("f");
    fs::write(&file, "12345").unwrap();
    for (mode, told) in [(0o755, "755"), (0o1777, "1777"), (0o2755, "2755"), (0o4755, "4755"), (0, "0")] {
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let head = agent.send("HEAD", &target(place.path(), b"f"), &[], None);
        let said = (head.header("x-file-mode"), head.header("x-file-type"), head.header("content-length"));
        assert_eq!(said, (Some(told), Some("file"), Some("5")));
    }
    fs::create_dir(place.path().join("d")).unwrap();
    fs::set_permissions(place.path().join("d"), fs::Permissions::from_mode(0o1750)).unwrap();
    let head = agent.send("HEAD", &target(place.path(), b"d"), &[], None);
    assert_eq!((head.header("x-file-mode"), head.header("x-file-type")), (Some("1750"), Some("directory")));
}

#[test]
fn a_head_tells_nothing_of_what_the_user_of_an_image_does_not_see() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: only root can be somebody else towards files");
        return;
    }
    let (agent, place) =
        (Running::start(&["--user", "4242", "--files-as-user"]), tempfile::tempdir().unwrap());
    let file = place.path().join("f");
    fs::write(&file, "12345").unwrap();
    // The kernel has it in its memory then, for whoever may see it.
    let _seen = fs::metadata(&file).unwrap();
    let told = || agent.send("HEAD", &target(place.path(), b"f"), &[], None).header("x-file-type").is_some();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).unwrap();
    assert!(!told());
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(told());
}

#[test]
fn an_absolute_path_follows_its_endpoint_by_its_own_slash() {
    let (agent, place) = place();
    let root = place.path().to_str().unwrap();
    let path = format!("%2F{}", root.strip_prefix('/').unwrap());
    let written = agent.ask("PUT", &format!("/filesystem{path}/f.txt"), Some(&json!({"content": "text"})));
    assert_eq!((written.0, written.1["path"].as_str()), (200, Some(format!("{root}/f.txt").as_str())));
    let (status, listed) = agent.ask("GET", &format!("/filesystem/tree{path}"), None);
    assert_eq!((status, listed["path"].as_str()), (200, Some(root)));
    for search in ["find", "search", "content-search"] {
        let found = agent.ask("GET", &format!("/filesystem-{search}{path}?query=t"), None);
        assert_eq!((found.0, &found.1["total"]), (200, &json!(1)), "{search}: {}", found.1);
    }
    let watch = agent.send("GET", &format!("/watch/filesystem{path}"), &[], None);
    assert_eq!(watch.status, 200);
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode_and_what_links_to_it() {
    let (agent, place) = place();
    let file = place.path().join("f");
    fs::write(&file, "old").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o751)).unwrap();
    symlink("f", place.path().join("link")).unwrap();
    assert_eq!(agent.put_form(&target(place.path(), b"link"), form(b"new")).status, 200);
    assert_eq!(fs::read(&file).unwrap(), b"new");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o751);
    assert!(fs::symlink_metadata(place.path().join("link")).unwrap().is_symlink());
}

#[test]
fn a_full_disk_is_said_and_the_old_file_stays() {
    // A file system of 1 MiB in a namespace of the agent's own.
    let place = tempfile::tempdir().unwrap();
    let mounted = format!("mount -t tmpfs -o size=1m none {} && exec \"$0\" \"$@\"", place.path().display());
    let allowed = std::process::Command::new("unshare").args(["-Urm", "sh", "-c", &mounted, "true"]).output();
    if !allowed.is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: this system allows no user and mount namespaces, or has no `unshare`");
        return;
    }
    let agent = Running::inside("unshare", &["-Urm", "sh", "-c", &mounted], &[]);
    let target = target(place.path(), b"f");
    assert_eq!(agent.put_form(&target, form(b"old")).status, 200);
    let mut answer = agent.put_form(&target, form(&vec![b'x'; 8 << 20]));
    let said: Value = serde_json::from_slice(&answer.read().unwrap()).unwrap();
    assert_eq!(answer.status, 422, "{said}");
    assert!(said["error"].as_str().unwrap().contains("No space"), "{said}");
    let text = "x".repeat(2 << 20);
    assert_eq!(agent.ask("PUT", &target, Some(&json!({"content": text}))).0, 422);
    assert_eq!(agent.get_bytes(&target).read().unwrap(), b"old");
    assert_eq!(agent.run(&format!("ls -A {}", place.path().display()))["stdout"], "f\n");
}

#[test]
fn what_may_not_be_read_or_written_is_said() {
    // As root nothing is forbidden but what the file system itself forbids.
    let agent = Running::start(&[]);
    let (status, said) = agent.ask("PUT", "/filesystem//proc/nobody/f", Some(&json!({"content": "x"})));
    assert_eq!(status, 422, "{said}");
    assert!(said["error"].as_str().unwrap().contains("/proc/nobody/f"), "{said}");
}

#[test]
fn all_below_a_directory_is_told_within_bounds() {
    let (agent, place) = place();
    let root = place.path().display();
    let files =
        json!({"files": {"a.rs": "1", "s/b.rs": "22", "s/.c/d.md": "333", "node_modules/e.rs": "4444"}});
    assert_eq!(agent.ask("PUT", &format!("/filesystem/tree/{root}"), Some(&files)).0, 200);
    let read =
        |query: &str| agent.ask("GET", &format!("/filesystem/tree/{root}?recursive=true{query}"), None);
    let names = |told: &Value| {
        let files = told["files"].as_array().unwrap().iter();
        files.map(|file| file["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (_, all) = read("&content=true");
    assert_eq!(all["recursive"], true);
    assert_eq!(names(&all), ["a.rs", "e.rs", "d.md", "b.rs"]);
    assert_eq!(all["files"][2]["content"], "333");
    assert_eq!(all["files"][2]["path"], format!("{root}/s/.c/d.md"));
    assert_eq!(all["subdirectories"].as_array().unwrap().len(), 3);
    assert!(read("").1["files"][0].get("content").is_none());
    assert_eq!(names(&read("&patterns=*.md").1), ["d.md"]);
    assert_eq!(names(&read("&excludeDirs=s").1), ["a.rs", "e.rs"]);
    assert_eq!(names(&read("&excludeHidden=true").1), ["a.rs", "e.rs", "b.rs"]);
    for (limit, status) in [("&maxFiles=4", 200), ("&maxFiles=3", 422), ("&content=true&maxBytes=10", 200)] {
        assert_eq!(read(limit).0, status, "{limit}");
    }
    assert_eq!(read("&content=true&maxBytes=9").0, 422);
    assert!(read("&maxFiles=3").1["error"].as_str().unwrap().contains("limit exceeded"));
    let odd =
        ["content=1x", "maxFiles=x", "maxFiles=0", "maxFiles=100001", "maxBytes=-1", "maxBytes=268435457"];
    for odd in odd {
        assert_eq!(read(&format!("&{odd}")).0, 400, "{odd}");
        assert_eq!(agent.ask("GET", &format!("/filesystem/tree/{root}?{odd}"), None).0, 400, "{odd}");
    }
    assert_eq!(agent.ask("GET", &format!("/filesystem/tree/{root}?recursive=yes"), None).0, 400);
}

#[test]
fn what_is_in_a_directory_is_chosen_without_going_below_it() {
    let (agent, place) = place();
    let root = place.path().display();
    let files = json!({"files": {"a.rs": "1", "b.md": "22", ".c.rs": "333", "s/d.rs": "4444"}});
    assert_eq!(agent.ask("PUT", &format!("/filesystem/tree/{root}"), Some(&files)).0, 200);
    let query = "content=true&patterns=*.rs&excludeHidden=true";
    let (_, told) = agent.ask("GET", &format!("/filesystem/tree/{root}?{query}"), None);
    assert_eq!((told["files"].as_array().unwrap().len(), &told["files"][0]["content"]), (1, &json!("1")));
    assert_eq!(told["subdirectories"].as_array().unwrap().len(), 1);
    assert!(told.get("recursive").is_none(), "{told}");
}

#[test]
fn a_directory_of_ten_thousand_files_is_listed_and_removed() {
    let (agent, place) = place();
    let many = place.path().join("many");
    fs::create_dir(&many).unwrap();
    for at in 0..10_000 {
        fs::write(many.join(format!("{at:05}")), "").unwrap();
    }
    let target = target(place.path(), b"many");
    let (_, list) = agent.ask("GET", &target, None);
    let files = list["files"].as_array().unwrap();
    assert_eq!((files.len(), &files[9_999]["name"]), (10_000, &"09999".into()));
    assert_eq!(agent.ask("DELETE", &target, None).0, 422);
    assert_eq!(agent.ask("DELETE", &format!("{target}?recursive=true"), None).0, 200);
    assert!(!many.exists());
}

#[test]
fn a_path_that_is_nearly_right_is_found_by_its_query_in_either_form() {
    let (agent, place) = place();
    let root = place.path().display();
    let files = json!({"files": {"src/main.rs": "", "src/domain.rs": "", "docs/read.md": ""}});
    assert_eq!(agent.ask("PUT", &format!("/filesystem/tree/{root}"), Some(&files)).0, 200);
    let (_, found) = agent.ask("GET", &format!("/filesystem-search/{root}?query=srcmain"), None);
    assert_eq!(found["matches"][0]["path"], "src/main.rs");
    assert_eq!((&found["total"], &found["matches"][0]["type"]), (&2.into(), &"file".into()));
    let agent = Running::inside("env", &[&format!("WORKDIR={root}")], &[]);
    let (_, found) = agent.ask("GET", "/filesystem-search/readmd", None);
    assert_eq!(found["matches"][0]["path"], "docs/read.md");
    assert_eq!(agent.ask("GET", "/filesystem-search/", None).0, 400);
}

#[test]
fn lines_around_a_text_come_with_it_and_long_lines_are_cut_around_it() {
    let (agent, place) = place();
    let long = format!("{}needle{}", "x".repeat(1 << 20), "y".repeat(1 << 20));
    fs::write(place.path().join("f"), "1\n2\nneedle 3\nneedle 4\n5\n6\n").unwrap();
    fs::write(place.path().join("long"), long).unwrap();
    let root = place.path().display();
    let (_, found) =
        agent.ask("GET", &format!("/filesystem-content-search/{root}?query=needle&contextLines=1"), None);
    let contexts: Vec<_> =
        found["matches"].as_array().unwrap().iter().map(|found| &found["context"]).collect();
    assert_eq!(contexts[..2], ["2\nneedle 3\nneedle 4", "needle 3\nneedle 4\n5"]);
    for none in ["no", "-1"] {
        let target = format!("/filesystem-content-search/{root}?query=needle&contextLines={none}");
        let (status, found) = agent.ask("GET", &target, None);
        assert_eq!((status, found["matches"][0].get("context")), (200, None), "{none}");
    }
    let long = &found["matches"][2];
    assert_eq!(long["column"], (1 << 20) + 1);
    assert!(long["text"].as_str().unwrap().len() < 5000 && long["text"].as_str().unwrap().contains("needle"));
    let (_, cut) = agent.ask(
        "GET",
        &format!("/filesystem-content-search/{root}?query=needle&contextLines=1&maxResults=1"),
        None,
    );
    assert_eq!((&cut["total"], &cut["matches"][0]["context"]), (&1.into(), &"2\nneedle 3\nneedle 4".into()));
}

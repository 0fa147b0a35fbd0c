//! Files: what is cut is never taken for what is there, and what can be sent again is.

use futures_util::StreamExt;
use reveille::files::Watched;
use reveille::{Body, ErrorKind};
use reveille_faults::{Answer, End, FaultServer, Moment, Script, Step};

use crate::harness::{BOTH, client, everywhere};

const CONTENT: &str = "0123456789";

fn file(content: &'static str) -> Answer {
    Step::ok(content).header("Content-Disposition", "attachment; filename=\"f\"")
}

#[test]
fn a_read_that_is_cut_anywhere_is_an_error_and_never_a_shorter_file() {
    for cut in 0..CONTENT.len() as u64 {
        let script = || Script::from(file(CONTENT).cut_body(cut, End::Close));
        everywhere(BOTH, script, |_, client, way| {
            let files = client.sandbox("box").files();
            let error = way.finish(files.read("/f").no_retry().with_history()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unavailable, "cut at {cut}: {error}");
            way.finish(files.read_text("/f").no_retry().with_history()).unwrap_err();
        });
    }
}

#[test]
fn a_list_that_is_cut_anywhere_is_an_error_and_never_an_empty_directory() {
    let list = r#"{"path":"/d","name":"d","files":[],"subdirectories":[]}"#;
    for cut in 0..list.len() {
        // Cut on the way, and cut by a server that counts what is left.
        for step in [Step::ok(list).cut_body(cut as u64, End::Close), Step::ok(&list[..cut])] {
            let server = FaultServer::start(step).unwrap();
            let files = client(&server).sandbox("box").files();
            assert!(files.list("/d").no_retry().wait().is_err(), "cut at {cut}");
        }
    }
}

#[test]
fn a_read_survives_the_window() {
    let script = || {
        Script::new().step(Step::status(503)).step(file(CONTENT).cut_body(3, End::Close)).then(file(CONTENT))
    };
    everywhere(BOTH, script, |_, client, way| {
        let read = client.sandbox("box").files().read("/f");
        let (bytes, history) = way.finish(read.with_history()).unwrap();
        assert_eq!((&bytes[..], history.to_string().as_str()), (CONTENT.as_bytes(), "503, body cut, 200"));
    });
}

#[test]
fn a_directory_is_no_file() {
    let list = Step::ok(r#"{"path":"/d","name":"d","files":[],"subdirectories":[]}"#);
    let server = FaultServer::start(list).unwrap();
    let files = client(&server).sandbox("box").files();
    assert_eq!(files.read("/d").wait().unwrap_err().kind(), ErrorKind::Decode);
    let here = tempfile::tempdir().unwrap();
    let download = files.download("/d").to_file(here.path().join("d"));
    assert_eq!(download.wait().unwrap_err().kind(), ErrorKind::Decode);
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 0);
}

#[test]
fn what_is_gone_when_its_turn_comes_stops_no_directory_and_is_told() {
    let file = r#"{"name":"f","path":"/d/f","permissions":"rw-r--r--","size":10,"lastModified":"2026-01-01T00:00:00Z","owner":"root","group":"root"}"#;
    let lost = r#"{"name":"lost","path":"/d/lost","permissions":"rw-r--r--","size":10,"lastModified":"2026-01-01T00:00:00Z","owner":"root","group":"root"}"#;
    let list = format!(
        r#"{{"path":"/d","name":"d","files":[{lost},{file}],"subdirectories":[{{"name":"gone","path":"/d/gone"}}]}}"#
    );
    let missing = || Step::status(404).body(r#"{"error":"there is no such file"}"#);
    let script = Script::new()
        .on("GET", "/acme/sandboxes/box/filesystem/%2Fd%2Fgone", missing())
        .on("GET", "/acme/sandboxes/box/filesystem/%2Fd%2Flost", missing())
        .on("GET", "/acme/sandboxes/box/filesystem/%2Fd%2Ff", self::file(CONTENT))
        .on("GET", "/", Step::ok(list));
    let server = FaultServer::start(script).unwrap();
    let files = client(&server).sandbox("box").files();
    let (here, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let moved = files.download_directory("/d", here.path()).wait().unwrap();
    let mut skipped = moved.skipped.clone();
    skipped.sort();
    assert_eq!((moved.files, skipped), (1, vec![here.path().join("gone"), here.path().join("lost")]));
    let root = files.download_directory("/d/gone", other.path()).wait();
    assert_eq!(root.unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn text_that_is_none_is_an_error_and_not_other_text() {
    let server = FaultServer::start(file("a").body(vec![b'a', 0xff])).unwrap();
    let error = client(&server).sandbox("box").files().read_text("/f").wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
}

#[test]
fn a_write_of_bytes_is_sent_again_and_a_write_of_text_is_not() {
    let lost = || Script::new().step(Step::reset(Moment::AfterRequest)).then(Step::ok(r#"{"path":"/f"}"#));
    everywhere(BOTH, lost, |server, client, way| {
        let write = client.sandbox("box").files().write("/f", "content").mode(0o600);
        way.finish(write.with_history()).unwrap();
        let sent = server.arrivals_of("PUT");
        assert_eq!(sent.len(), 2, "{way:?}");
        assert_eq!(sent[0].body.sha256, sent[1].body.sha256);
    });
    everywhere(BOTH, lost, |server, client, way| {
        let write = client.sandbox("box").files().write_text("/f", "content");
        let error = way.finish(write.with_history()).unwrap_err();
        assert!(error.may_have_run());
        assert_eq!(server.arrivals_of("PUT").len(), 1, "{way:?}");
    });
}

#[test]
fn a_write_is_given_up_after_three_more_tries_and_one_from_a_stream_at_once() {
    let server = FaultServer::start(Script::from(Step::status(503))).unwrap();
    let files = client(&server).sandbox("box").files();
    assert!(files.write("/f", "content").wait().is_err());
    assert_eq!(server.arrivals_of("PUT").len(), 4);
    let server = FaultServer::start(Script::from(Step::status(503))).unwrap();
    let body = Body::stream(futures_util::stream::iter([Ok("once".into())]));
    assert!(client(&server).sandbox("box").files().write("/f", body).wait().is_err());
    assert_eq!(server.arrivals_of("PUT").len(), 1);
}

#[test]
fn a_download_that_breaks_leaves_the_old_file_and_no_other() {
    let here = tempfile::tempdir().unwrap();
    let target = here.path().join("f");
    std::fs::write(&target, "old").unwrap();
    for cut in 0..CONTENT.len() as u64 {
        let server = FaultServer::start(file(CONTENT).cut_body(cut, End::Close)).unwrap();
        let download = client(&server).sandbox("box").files().download("/f").to_file(&target);
        assert!(download.wait().is_err(), "cut at {cut}");
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "old");
    }
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 1);
    let server = FaultServer::start(file(CONTENT)).unwrap();
    let download = client(&server).sandbox("box").files().download("/f").to_file(&target);
    assert_eq!(download.wait().unwrap(), 10);
    assert_eq!(std::fs::read_to_string(&target).unwrap(), CONTENT);
}

#[test]
fn a_file_that_cannot_be_kept_here_is_said() {
    let server = FaultServer::start(file(CONTENT)).unwrap();
    let files = client(&server).sandbox("box").files();
    let error = files.download("/f").to_file("/no/such/directory/f").wait().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::File);
    assert!(error.to_string().contains("/no/such/directory/f"), "{error}");
    let error = files.upload("/f").from_file("/no/such/file").wait().unwrap_err();
    assert_eq!((error.kind(), server.arrivals_of("PUT").len()), (ErrorKind::File, 0));
}

#[cfg(target_os = "linux")]
#[test]
fn a_file_that_tells_its_length_when_it_is_read_is_brought_whole() {
    let server = FaultServer::start(Script::new().then(Step::ok(r#"{"path":"/f","message":""}"#))).unwrap();
    let files = client(&server).sandbox("box").files();
    let there = std::fs::read("/proc/version").unwrap().len() as u64;
    assert_eq!(files.upload("/f").from_file("/proc/version").wait().unwrap(), there);
    assert!(server.arrivals_of("PUT")[0].body.length > there);
}

#[tokio::test]
async fn a_watch_connects_again_and_says_that_it_may_have_missed_something() {
    let first =
        "[keepalive]\n{\"op\":\"CREATE\",\"name\":\"a\",\"path\":\"/d\",\"error\":null}\n{\"op\":\"WR";
    let second = "{\"op\":\"OVERFLOW\",\"name\":\"\",\"path\":\"/d\",\"error\":\"lost\"}\n\
                  {\"op\":\"WRITE|CHMOD\",\"name\":\"b\",\"path\":\"/d\",\"error\":null}\n";
    let script = Script::new()
        .step(Step::ok(first))
        .step(Step::status(503))
        .step(Step::ok(second))
        .then(Step::status(400));
    let server = FaultServer::start(script).unwrap();
    let mut watch = client(&server).sandbox("box").files().watch("/d").recursive().ignore("x").begin();
    let mut told = Vec::new();
    let error = loop {
        match watch.next().await.unwrap() {
            Ok(Watched::Event(event)) => told.push(format!("{} {}", event.op, event.name)),
            Ok(_) => told.push("missed".to_owned()),
            Err(error) => break error,
        }
    };
    assert_eq!(told, ["CREATE a", "missed", "missed", "WRITE|CHMOD b"]);
    assert_eq!(error.status().unwrap().as_u16(), 400);
    assert!(watch.next().await.is_none());
    assert!(
        server.arrivals()[0].target.ends_with("/watch/filesystem/%2Fd%2F**?ignore=x"),
        "{}",
        server.arrivals()[0].target
    );
}

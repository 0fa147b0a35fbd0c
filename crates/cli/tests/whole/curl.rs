//! What users of curl expect of `fetch`.

use std::fs;

use async_compression::tokio::write::{BrotliEncoder, GzipEncoder, ZlibEncoder};
use reveille_faults::{Body, FaultServer, Listen, Script, Step, Steps};
use tokio::io::AsyncWriteExt;

use crate::place::{Place, Said};

fn server(script: Script) -> FaultServer {
    FaultServer::start(script).unwrap()
}

fn fetch(place: &Place, server: &FaultServer, more: &[&str]) -> Said {
    let url = server.url();
    place.run([&["fetch", &url, "80", "/start"], more].concat())
}

fn redirect(status: u16, location: &str) -> Step {
    Step::status(status).header("location", location).body("moved").into()
}

#[test]
fn a_head_is_asked_for_and_shown_alone() {
    let place = Place::new();
    let server = server(Script::new().then(Step::ok("page").header("x-mark", "here")));
    let said = fetch(&place, &server, &["-I"]).done();
    assert!(said.text().starts_with("HTTP/1.1 200") && said.text().contains("x-mark: here"), "{said:?}");
    assert!(!said.text().contains("page"), "{said:?}");
    assert_eq!(server.arrivals()[0].method, "HEAD");
}

#[test]
fn json_is_sent_with_the_headers_that_say_so() {
    let place = Place::new();
    let server = server(Script::new().then(Step::ok("ok")));
    fetch(&place, &server, &["--data-json", r#"{"a":1}"#]).done();
    fetch(&place, &server, &["--data-json", "[]", "-H", "Content-Type: text/x", "-X", "PUT"]).done();
    let arrivals = server.arrivals();
    let header = |at: usize, name: &str| {
        let found = arrivals[at].headers.iter().find(|(known, _)| known.as_str() == name);
        found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).unwrap_or_default()
    };
    assert_eq!((arrivals[0].method.as_str(), arrivals[0].body.length), ("POST", 7));
    assert_eq!(
        (header(0, "content-type"), header(0, "accept")),
        ("application/json".into(), "application/json".into())
    );
    assert_eq!((arrivals[1].method.as_str(), header(1, "content-type")), ("PUT", "text/x".into()));

    let said = fetch(&place, &server, &["--json", r#"{"a":1}"#]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("--data-json"), "{said:?}");
}

#[test]
fn a_redirect_is_followed_only_when_it_is_asked_for() {
    let place = Place::new();
    let script = Script::new()
        .on("GET", "/port/80/start", Steps::new().then(redirect(302, "/there?x=1")))
        .on("GET", "/port/80/there", Steps::new().then(Step::ok("arrived")));
    let server = server(script);
    assert_eq!(fetch(&place, &server, &[]).done().text(), "moved");
    for flags in [&["-L"][..], &["-L", "-N"], &["-L", "-o", "-"]] {
        assert_eq!(fetch(&place, &server, flags).done().text(), "arrived");
    }
    let said = fetch(&place, &server, &["-L", "-w", "%{http_code} %{num_redirects}\\n", "-o", "file"]).done();
    assert_eq!(said.text(), "200 1\n");
    assert_eq!(fs::read_to_string(place.path().join("file")).unwrap(), "arrived");
    assert!(server.arrivals().iter().any(|arrival| arrival.target == "/port/80/there?x=1"));
}

#[test]
fn a_redirect_without_an_end_is_given_up() {
    let place = Place::new();
    let server = server(Script::new().then(redirect(307, "/start")));
    let said = fetch(&place, &server, &["-L"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("50 redirects"), "{said:?}");
    assert_eq!(server.arrivals().len(), 51);
}

#[test]
fn a_mutation_is_repeated_where_it_is_led_only_as_the_status_says() {
    let place = Place::new();
    for (status, method, length) in
        [(301, "GET", 0), (302, "GET", 0), (303, "GET", 0), (307, "POST", 5), (308, "POST", 5)]
    {
        let server = server(Script::new().step(redirect(status, "/there")).then(Step::ok("done")));
        fetch(&place, &server, &["-L", "-d", "order"]).done();
        let last = &server.arrivals()[1];
        assert_eq!((last.method.as_str(), last.body.length), (method, length), "{status}");
    }
    let server = server(Script::new().step(redirect(307, "/there")).then(Step::ok("done")));
    let url = server.url();
    let said = place.feed(&["fetch", &url, "80", "/start", "-L", "-d", "@-"], b"order");
    assert_eq!((said.code, server.arrivals().len()), (Some(1), 1), "{said:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_a_path_names_is_sent_whatever_length_it_tells() {
    let place = Place::new();
    // A pipe can be read once, and is sent twice here.
    let led = server(Script::new().step(redirect(307, "/there")).then(Step::ok("done")));
    let url = led.url();
    place.feed(&["fetch", &url, "80", "/start", "-L", "-d", "@/dev/stdin"], b"order").done();
    assert_eq!(led.arrivals().iter().map(|it| it.body.length).collect::<Vec<_>>(), [5, 5]);

    let server = server(Script::new().then(Step::ok("done")));
    fs::write(place.path().join("empty"), "").unwrap();
    for path in ["/proc/version", "empty"] {
        fetch(&place, &server, &["-d", &format!("@{path}")]).done();
        let length = fs::read(place.path().join(path)).unwrap().len() as u64;
        assert_eq!(server.arrivals().last().unwrap().body.length, length, "{path}");
    }
}

#[test]
fn another_origin_gets_no_credentials() {
    let place = Place::new();
    // Another origin, and no name that an app has for itself.
    let script = Script::new().then(Step::ok("elsewhere"));
    let Ok(away) = FaultServer::start_at(script, Listen::at("127.0.0.2:0".parse().unwrap())) else {
        eprintln!("SKIPPED: this machine has no 127.0.0.2");
        return;
    };
    let there = format!("{}/page", away.url());
    let near = server(Script::new().then(redirect(302, &there)));
    let mut command = place.command();
    command.env("BL_API_URL", format!("{}/v0", near.url())).env("BL_RUN_URL", near.url());
    command.env("BL_API_KEY", "secret-key").env("BL_WORKSPACE", "acme");
    command.args(["fetch", "box", "80", "/start", "-L", "--auth"]);
    command.args([
        "-H",
        "Authorization: Bearer mine",
        "-H",
        "Cookie: a=b",
        "-H",
        "Proxy-Authorization: Basic for-a-proxy",
        "-H",
        "X-Blaxel-Preview-Token: of-a-preview",
        "-H",
        "x-other: stays",
        "--retries",
        "0",
    ]);
    let said = crate::place::said(&mut command);
    let text = |server: &FaultServer| {
        server.arrivals()[0]
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value)))
            .collect::<String>()
            .to_lowercase()
    };
    assert!(text(&near).contains("secret-key"), "{said:?}");
    assert_eq!(said.done().text(), "elsewhere");
    let seen = text(&away);
    assert!(seen.contains("x-other: stays"), "{seen}");
    for secret in ["secret-key", "bearer mine", "cookie", "proxy-authorization", "x-blaxel"] {
        assert!(!seen.contains(secret), "{secret}: {seen}");
    }
}

fn packed(coding: &str, text: &[u8]) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        match coding {
            "gzip" => {
                let mut to = GzipEncoder::new(Vec::new());
                to.write_all(text).await.unwrap();
                to.shutdown().await.unwrap();
                to.into_inner()
            }
            "br" => {
                let mut to = BrotliEncoder::new(Vec::new());
                to.write_all(text).await.unwrap();
                to.shutdown().await.unwrap();
                to.into_inner()
            }
            _ => {
                let mut to = ZlibEncoder::new(Vec::new());
                to.write_all(text).await.unwrap();
                to.shutdown().await.unwrap();
                to.into_inner()
            }
        }
    })
}

#[test]
fn a_compressed_body_is_unpacked_when_it_was_asked_for() {
    let place = Place::new();
    let page: Vec<u8> = (0..200_000_u32).flat_map(|number| (number % 251).to_le_bytes()).collect();
    for coding in ["gzip", "deflate", "br"] {
        let body = packed(coding, &page);
        let server = server(Script::new().then(Step::ok(body.clone()).header("content-encoding", coding)));
        for flags in [&["--compressed"][..], &["--compressed", "-N"], &["--compressed", "-o", "-"]] {
            assert!(fetch(&place, &server, flags).done().out == page, "{coding} {flags:?}");
        }
        assert!(fetch(&place, &server, &[]).done().out == body, "{coding}");
        let cut = server_of_cut(coding, &body);
        for flags in [&["--compressed"][..], &["--compressed", "-N"]] {
            let said = fetch(&place, &cut, flags);
            assert_eq!(said.code, Some(1), "{coding}: {}", said.err);
            assert!(said.err.contains("unpacked"), "{coding}: {}", said.err);
        }
    }
}

#[test]
fn nothing_is_nothing_in_every_coding() {
    let place = Place::new();
    for status in [200, 204, 304] {
        for coding in ["gzip", "deflate", "br"] {
            let empty = Step::status(status).header("content-encoding", coding);
            let server = server(Script::new().then(empty));
            for flags in [&["--compressed"][..], &["--compressed", "-N"], &["--compressed", "-o", "-"]] {
                assert_eq!(fetch(&place, &server, flags).done().text(), "", "{status} {coding} {flags:?}");
            }
        }
    }
}

#[test]
fn a_deflated_body_is_unpacked_without_its_wrapper_too() {
    let place = Place::new();
    let page = b"a page without much in it, ".repeat(40);
    let wrapped = packed("deflate", &page);
    // Two bytes say what it is, and four at the end that it is whole (RFC 1950, 2.2).
    let bare = wrapped[2..wrapped.len() - 4].to_vec();
    let server = server(Script::new().then(Step::ok(bare).header("content-encoding", "deflate")));
    for flags in [&["--compressed"][..], &["--compressed", "-N"]] {
        assert!(fetch(&place, &server, flags).done().out == page, "{flags:?}");
    }
}

/// A body that was cut before it was sent.
fn server_of_cut(coding: &str, body: &[u8]) -> FaultServer {
    let half = Body::new(body[..body.len() / 2].to_vec());
    server(Script::new().then(Step::ok(half).header("content-encoding", coding)))
}

#[test]
fn what_is_written_out_is_what_was_asked_for() {
    let place = Place::new();
    let server =
        server(Script::new().then(Step::status(404).body("no").header("content-type", "text/\u{9b}x")));
    let said = fetch(&place, &server, &["-w", "\\n%{http_code} %{size_download} %{num_retries}%%\\n"]).done();
    assert_eq!(said.text(), "no\n404 2 0%\n");
    let said = fetch(&place, &server, &["-w", "%{time_total}", "-o", "/dev/null"]).done();
    assert!(said.text().parse::<f64>().is_ok(), "{said:?}");
    let said = fetch(&place, &server, &["-w", "%{content_type}"]).done();
    assert!(!said.text().contains('\u{9b}'), "{said:?}");
    assert_eq!(fetch(&place, &server, &["-w", "%{bogus}"]).code, Some(2));
}

#[test]
fn events_are_shown_as_they_happen_without_being_asked_for() {
    let place = Place::new();
    let events =
        Step::ok(Body::endless("data: tick\n\n")).header("content-type", "text/event-stream; charset=utf-8");
    let server = server(Script::new().then(events));
    let mut command = place.command();
    command.args(["fetch", &server.url(), "80", "/"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut first = [0; 12];
    std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut first).unwrap();
    assert_eq!(&first, b"data: tick\n\n");
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
}

//! Routes, from a program in a sandbox to a preview.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::process::ExitCode;

use reveille_host::engine::Namespaces;
use serde_json::json;

use crate::stand::{self, Stand};

const SECRET: &str = "sk-live-of-the-host";

/// A server that answers with the head and the body that it got.
pub(crate) fn serve_heads() -> ExitCode {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    for stream in listener.incoming() {
        let mut stream = BufReader::new(stream.unwrap());
        let mut head = String::new();
        while stream.read_line(&mut head).unwrap() > 2 {}
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        std::io::Read::read_exact(&mut stream, &mut body).unwrap();
        head.push_str(&String::from_utf8_lossy(&body));
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", head.len());
        stream.get_mut().write_all(format!("{answer}{head}").as_bytes()).unwrap();
    }
    ExitCode::SUCCESS
}

/// Asks for a URL by https through the proxy, trusting whom the environment says, and prints the answer.
const ASK: &str = "import sys,urllib.request as u; \
    r=u.Request(sys.argv[1],data=b'{\"own\":1}',headers={'content-type':'application/json','x-own':'{{SECRET:key}}'}); \
    a=u.urlopen(r); print('id', a.headers['x-blaxel-request-id']); print(a.read().decode())";

/// What a command line in the sandbox says, whatever becomes of it.
async fn says(stand: &Stand, line: &str) -> String {
    let command = json!({"command": line, "waitForCompletion": true});
    let said = stand.post("/process", &command).await.json();
    said["logs"].as_str().unwrap_or_default().to_owned()
}

pub(crate) async fn a_secret_is_added_on_the_way() {
    let stand = Stand::with_box(|_| {}).await;
    if stand.host.isolation().namespaces != Namespaces::All {
        return eprintln!("skipped: sandboxes have no network of their own here");
    }
    if says(&stand, "/usr/bin/python3 --version").await.trim().is_empty() {
        return eprintln!("skipped: there is no /usr/bin/python3 to ask with");
    }
    let server = json!({"command": stand::this_program("serve-heads"), "name": "server"});
    assert_eq!(stand.post("/process", &server).await.status, 200);
    let port: u16 = loop {
        let logs = stand.get("/process/server/logs").await.json();
        if let Ok(port) = logs["stdout"].as_str().unwrap_or_default().trim().parse() {
            break port;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    };
    let preview = json!({"metadata": {"name": "p"}, "spec": {"port": port, "public": true}}).to_string();
    let preview = stand.control("POST", "/sandboxes/box/previews", &preview).await.json();
    let url = preview["spec"]["url"].as_str().unwrap().replace("http://", "https://");

    // Another sandbox, made with a route to the preview.
    let route = |secret: &str| {
        json!({"spec": {"network": {"proxy": {"routing": [{
            "destinations": ["127.0.0.1"],
            "headers": {"x-added": "Bearer {{SECRET:key}}"},
            "body": {"added": "{{SECRET:key}}"},
            "secrets": {"key": secret},
        }]}}}})
    };
    let mut draft = route(SECRET);
    draft["metadata"] = json!({"name": "caller"});
    let made = stand.control("POST", "/sandboxes", &draft.to_string()).await;
    assert_eq!(made.status, 200, "{made:?}");
    for shown in ["/sandboxes/caller", "/sandboxes", "/sandboxes/caller?show_secrets=true"] {
        let shown = stand.control("GET", shown, "").await.json().to_string();
        assert!(!shown.contains(SECRET) && shown.contains("Bearer {{SECRET:key}}"), "{shown}");
    }
    let ask = format!("no_proxy= NO_PROXY= /usr/bin/python3 -c \"$ASK\" {url}/x");
    let called = async |line: &str| {
        let command = json!({"command": line, "env": {"ASK": ASK}, "waitForCompletion": true}).to_string();
        let said = stand.ask("POST", "/local/sandboxes/caller/process", command).await.json();
        said["logs"].as_str().unwrap_or_default().to_owned()
    };
    let said = called(&ask).await;
    let lower = said.to_ascii_lowercase();
    assert!(lower.contains(&format!("x-added: bearer {SECRET}")), "{said}");
    assert!(lower.contains(&format!("x-own: {SECRET}")), "{said}");
    assert!(said.contains(&format!(r#"{{"own":1,"added":"{SECRET}"}}"#)), "{said}");
    assert!(said.starts_with("id ") && !said.starts_with("id None"), "{said}");

    // By the very URL that the host gives, with no proxy asked; and nothing else of the host is there.
    let plain = url.replace("https://", "http://");
    let said = called(&format!("/usr/bin/python3 -c \"$ASK\" {plain}/x")).await;
    assert!(said.to_ascii_lowercase().contains(&format!("x-added: bearer {SECRET}")), "{said}");
    let (host, _) = plain.split_once("/preview/").unwrap();
    let named = preview["reveille"]["hostUrl"].as_str().unwrap().trim_start_matches("http://");
    let look = "import sys,urllib.request as u,urllib.error as e\nfor line in sys.argv[1:]:\n try:\n  \
        a=u.urlopen(u.Request(line.split('|')[0],headers={'host':line.split('|')[1]})); print(a.status)\n \
        except e.HTTPError as x: print(x.code)";
    let address = host.trim_start_matches("http://");
    let looked = [
        (format!("{host}/v0/sandboxes|{address}"), "403"),
        (format!("{host}/local/sandboxes/box/health|{address}"), "403"),
        (format!("{host}/|localhost"), "403"),
        (format!("{host}/x|{named}"), "200"),
        (format!("{host}/preview/none/|{address}"), "404"),
    ];
    let asked: Vec<&str> = looked.iter().map(|(asked, _)| asked.as_str()).collect();
    let command = json!({
        "command": format!("/usr/bin/python3 -c \"$LOOK\" '{}'", asked.join("' '")),
        "env": {"LOOK": look},
        "waitForCompletion": true,
    });
    let said = stand.ask("POST", "/local/sandboxes/caller/process", command.to_string()).await.json();
    let wanted: Vec<&str> = looked.iter().map(|(_, status)| *status).collect();
    assert_eq!(said["logs"].as_str().unwrap_or_default().lines().collect::<Vec<_>>(), wanted, "{said}");

    // Nothing inside holds the secret, or the key of whoever is trusted; and what is trusted is not to be changed.
    let inside = called(
        "env; cd /run/reveille/certificates; ls; cat authority.pem; grep -c PRIVATE bundle.pem; echo x > bundle.pem",
    )
    .await;
    for (name, file) in [("NODE_EXTRA_CA_CERTS", "authority.pem"), ("npm_config_cafile", "bundle.pem")] {
        assert!(inside.contains(&format!("{name}=/run/reveille/certificates/{file}")), "{inside}");
    }
    assert!(inside.contains("BEGIN CERTIFICATE") && inside.contains("\n0\n"), "{inside}");
    assert!(!inside.contains(SECRET) && !inside.contains("PRIVATE KEY"), "{inside}");
    assert!(inside.contains("ead-only"), "{inside}");

    // A record that is written back as it was read keeps its secrets; another secret holds at once.
    let read = stand.control("GET", "/sandboxes/caller", "").await.json();
    let back = json!({"spec": {"network": read["spec"]["network"]}}).to_string();
    assert_eq!(stand.control("PUT", "/sandboxes/caller", &back).await.status, 200);
    assert!(called(&ask).await.contains(SECRET));
    assert_eq!(stand.control("PUT", "/sandboxes/caller", &route("rotated").to_string()).await.status, 200);
    let said = called(&ask).await;
    assert!(said.contains("rotated") && !said.contains(SECRET), "{said}");

    // Without a route programs trust nobody but the machine's own.
    let said =
        says(&stand, &ask.replace("\"$ASK\"", "'import sys,urllib.request as u; u.urlopen(sys.argv[1])'"))
            .await;
    assert!(said.contains("CERTIFICATE_VERIFY_FAILED"), "{said}");
}

/// Serves one request on all addresses, and asks for it by the address that is named.
const ASK_ITSELF: &str = "import sys,threading,http.server as h,urllib.request as u; \
    s=h.HTTPServer(('0.0.0.0',0),h.SimpleHTTPRequestHandler); threading.Thread(target=s.handle_request).start(); \
    print(u.urlopen('http://%s:%d/' % (sys.argv[1], s.server_port)).status)";

pub(crate) async fn its_own_loopback_is_asked_without_the_proxy() {
    let stand = Stand::with_box(|_| {}).await;
    if stand.host.isolation().namespaces != Namespaces::All {
        return eprintln!("skipped: sandboxes have no network of their own here");
    }
    if says(&stand, "/usr/bin/python3 --version").await.trim().is_empty() {
        return eprintln!("skipped: there is no /usr/bin/python3 to ask with");
    }
    for address in ["localhost", "127.0.0.1", "127.0.1.1", "0.0.0.0"] {
        let command = json!({
            "command": format!("timeout 60 /usr/bin/python3 -c \"$ASK\" {address} 2>&1 | grep -v GET"),
            "env": {"ASK": ASK_ITSELF},
            "waitForCompletion": true,
        });
        let said = stand.post("/process", &command).await.json();
        assert_eq!(said["stdout"], "200\n", "{address}: {said}");
    }
}

/// What the proxy of a sandbox says to whoever wants to reach a name that there is not.
pub(crate) async fn reaches(stand: &Stand) -> String {
    let script = "exec 3<>/dev/tcp/127.0.0.1/61080; \
        printf 'CONNECT name.invalid:443 HTTP/1.1\\r\\nhost: x\\r\\nconnection: close\\r\\n\\r\\n' >&3; cat <&3";
    let command = json!({"command": format!("bash -c \"{script}\""), "waitForCompletion": true});
    let said = stand.post("/process", &command).await.json();
    said["logs"].as_str().unwrap_or_default().to_owned()
}

pub(crate) async fn another_network_at_once() {
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

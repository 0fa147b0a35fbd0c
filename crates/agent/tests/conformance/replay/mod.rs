//! Puts recorded exchanges to a server that speaks the sandbox protocol, and says where its answers differ.
//!
//! Nothing here knows which server it is: an agent, or a gateway with an agent behind it.

pub(crate) mod http;
mod stream;
mod template;

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use self::http::{Request, Response};
use self::stream::Stream;
use self::template::{differences, filled, short};

/// How many cases are put at once.
const AT_ONCE: usize = 6;
/// How long one answer may take, and what is waited for.
const PATIENCE: Duration = Duration::from_secs(40);
/// How long a stream is listened to for more than is wanted of it.
const QUIET: Duration = Duration::from_millis(600);

/// Is shown each request, and what was seen of its answer.
pub(crate) type Watcher<'a> = dyn Fn(&Value, &Value) + Sync + 'a;

/// The server that is asked.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    host: String,
    prefix: String,
    headers: Vec<(String, String)>,
}

impl Server {
    /// The server at `base` (`http://127.0.0.1:80/below`), which gets `headers` with every request.
    pub(crate) fn new(base: &str, headers: &[(&str, &str)]) -> Self {
        let rest = base.strip_prefix("http://").expect("an http:// address");
        let (host, prefix) = rest
            .split_once('/')
            .map_or((rest, String::new()), |(host, path)| (host, format!("/{}", path.trim_end_matches('/'))));
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self {
            host: host.to_owned(),
            prefix: prefix.trim_end_matches('/').to_owned(),
            headers: headers.iter().map(owned).collect(),
        }
    }

    /// Puts one request, and tells what was seen of its answer in the form of an `expect`.
    pub(crate) fn put(&self, step: &Value) -> io::Result<Value> {
        told(self.ask(step)?, step)
    }

    fn ask(&self, step: &Value) -> io::Result<Response> {
        let connection = http::connect(&self.host, PATIENCE)?;
        self.ask_on(&connection, step)
    }

    fn ask_on(&self, connection: &std::net::TcpStream, step: &Value) -> io::Result<Response> {
        let (method, path) = step["do"].as_str().and_then(|line| line.split_once(' ')).expect("a request");
        let mut headers = self.headers.clone();
        let body = body(step, &mut headers);
        for (name, value) in step["headers"].as_object().into_iter().flatten() {
            headers.retain(|(other, _)| !other.eq_ignore_ascii_case(name));
            headers.push((name.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
        let target = format!("{}{path}", self.prefix);
        http::send(connection, &self.host, &Request { method, target: &target, headers, body })
    }
}

fn body(step: &Value, headers: &mut Vec<(String, String)>) -> Option<Vec<u8>> {
    let mut typed = |media: &str| headers.push(("Content-Type".to_owned(), media.to_owned()));
    if let Some(json) = step.get("json") {
        typed("application/json");
        return Some(json.to_string().into_bytes());
    }
    if let Some(parts) = step["form"].as_array() {
        typed("multipart/form-data; boundary=between-the-parts");
        return Some(form(parts));
    }
    step["body"].as_str().map(|body| body.as_bytes().to_vec())
}

fn form(parts: &[Value]) -> Vec<u8> {
    let mut out = String::new();
    for part in parts {
        out.push_str("--between-the-parts\r\nContent-Disposition: form-data; ");
        out.push_str(&format!("name=\"{}\"", part["name"].as_str().unwrap_or_default()));
        if let Some(name) = part["filename"].as_str() {
            out.push_str(&format!("; filename=\"{name}\""));
        }
        let times = usize::try_from(part["times"].as_u64().unwrap_or(1)).expect("a small number");
        out.push_str(&format!("\r\n\r\n{}\r\n", part["value"].as_str().unwrap_or_default().repeat(times)));
    }
    out.push_str("--between-the-parts--\r\n");
    out.into_bytes()
}

/// Puts every case to `server` and says what does not hold, a line each; `watcher` is shown each request and what was
/// seen of its answer.
pub(crate) fn problems(server: &Server, watcher: &Watcher<'_>) -> Vec<String> {
    let recorded = with_free_ports(include_str!("../agent-cases.json"));
    let cases: Vec<Value> = serde_json::from_str(&recorded).expect("cases");
    let problems: Mutex<Vec<String>> = Mutex::default();
    let next = Mutex::new(cases.iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some(case) = next.lock().expect("no case panicked").next() else { return };
                    let name = case["name"].as_str().expect("a name");
                    let differs = replay(server, case, watcher);
                    let mut problems = problems.lock().expect("no case panicked");
                    problems.extend(differs.iter().map(|line| format!("{name}: {line}")));
                }
            });
        }
    });
    problems.into_inner().expect("no case panicked")
}

/// The same with ports that nobody has in place of those that were recorded.
fn with_free_ports(recorded: &str) -> String {
    let free = || {
        // Below those that the system gives to whoever names none.
        let mut ports = std::iter::repeat_with(|| fastrand::u16(10_000..30_000));
        ports.find(|port| TcpListener::bind(("0.0.0.0", *port)).is_ok()).expect("a free port")
    };
    let ports = ["28431", "28432", "28433"];
    ports.iter().fold(recorded.to_owned(), |text, port| text.replace(port, &free().to_string()))
}

/// Runs the steps of one case in order and says where an answer differs.
fn replay(server: &Server, case: &Value, watcher: &Watcher<'_>) -> Vec<String> {
    let root = format!("/tmp/rv-{:016x}", fastrand::u64(..));
    if let Err(error) = make_root(server, &root) {
        return vec![format!("no directory for it: {error}")];
    }
    let run = format!("{:08x}", fastrand::u32(..));
    let mut names = BTreeMap::from([("root".to_owned(), root.clone()), ("run".to_owned(), run)]);
    let mut streams = BTreeMap::new();
    let mut problems = Vec::new();
    for (number, step) in case["steps"].as_array().expect("steps").iter().enumerate() {
        let ready = filled(step, &names);
        let seen = observe(server, &ready, &mut streams);
        let what = ready["do"].as_str().or(ready["collect"].as_str()).unwrap_or_default().to_owned();
        let at = format!("step {} {what}", number + 1);
        let seen = match seen {
            Ok(seen) => seen,
            Err(error) => {
                problems.push(format!("{at}: {error}"));
                continue;
            }
        };
        watcher(&ready, &seen);
        for (name, pointer) in step["save"].as_object().into_iter().flatten() {
            let saved = seen["body"].pointer(pointer.as_str().unwrap_or_default());
            match saved {
                Some(Value::String(text)) => drop(names.insert(name.clone(), text.clone())),
                Some(value) => drop(names.insert(name.clone(), value.to_string())),
                None => problems.push(format!("{at}: nothing at {pointer} to save as {name}")),
            }
        }
        problems.extend(compare(&ready["expect"], &seen).into_iter().map(|line| format!("{at}: {line}")));
    }
    // Nothing in it is of any worth any more.
    let _gone = server.ask(&json!({"do": format!("DELETE /filesystem/{root}?recursive=true")}));
    problems
}

/// Makes an empty directory in the sandbox.
fn make_root(server: &Server, root: &str) -> io::Result<()> {
    server
        .ask(&json!({"do": format!("PUT /filesystem/{root}"), "json": {"isDirectory": true}}))?
        .read()
        .map(drop)
}

/// Runs one step, and tells what was seen in the form of an `expect`.
fn observe(server: &Server, step: &Value, streams: &mut BTreeMap<String, Stream>) -> io::Result<Value> {
    if let Some(name) = step["open"].as_str() {
        let connection = http::connect(&server.host, PATIENCE)?;
        let (server, step, to) = (server.clone(), step.clone(), connection.try_clone()?);
        let stream = Stream::open(connection, move || server.ask_on(&to, &step));
        streams.insert(name.to_owned(), stream);
        return Ok(Value::Null);
    }
    if let Some(name) = step["collect"].as_str() {
        let stream = streams.remove(name).expect("a stream that was opened");
        let ends = step["end"] == true;
        let wanted = step["expect"]["lines"].as_array().map_or(0, Vec::len);
        let seen = if ends { stream.end(PATIENCE) } else { stream.settle(wanted, QUIET, PATIENCE) };
        let lines = seen.lines.iter().filter(|line| is_news(line));
        let mut told = json!({"lines": lines.map(|line| parsed(line)).collect::<Value>()});
        if let Some((status, media)) = seen.head {
            told["status"] = status.into();
            told["type"] = media.into();
        }
        if ends {
            told["ended"] = seen.ended.into();
        }
        return Ok(told);
    }
    if let Some(name) = step["hear"].as_str() {
        let lines = step["lines"].as_u64().and_then(|lines| usize::try_from(lines).ok());
        streams[name].hear(lines.expect("how many lines"), PATIENCE);
        return Ok(Value::Null);
    }
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = server.put(step)?;
        let until = step.get("until").filter(|until| !differences(until, &seen["body"], "$").is_empty());
        if until.is_none() || Instant::now() > end {
            return Ok(seen);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn told(mut response: Response, step: &Value) -> io::Result<Value> {
    let mut told = json!({"status": response.status, "type": media_type(&response)});
    for name in step["look_at"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        told["headers"][name.to_ascii_lowercase()] = response.header(name).into();
    }
    let text = String::from_utf8_lossy(&response.read()?).into_owned();
    match media_type(&response).as_str() {
        "application/json" if !text.is_empty() => match serde_json::from_str(&text) {
            Ok(body) => told["body"] = body,
            Err(_) => told["text"] = text.into(),
        },
        "application/x-ndjson" => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            told["lines"] = lines.map(parsed).collect();
        }
        _ => told["text"] = text.into(),
    }
    Ok(told)
}

/// Whether a line of a stream says more than that the stream goes on.
fn is_news(line: &str) -> bool {
    !line.trim().is_empty() && !line.contains("[keepalive]")
}

/// The type of a body, without parameters.
fn media_type(response: &Response) -> String {
    response.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_owned()
}

fn parsed(line: &str) -> Value {
    let json = line.starts_with('{').then(|| serde_json::from_str(line).ok()).flatten();
    json.unwrap_or_else(|| line.into())
}

fn compare(expect: &Value, seen: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for key in ["status", "type", "text", "ended"] {
        let Some(want) = expect.get(key) else { continue };
        let choices = want.as_array().cloned().unwrap_or_else(|| vec![want.clone()]);
        if choices.iter().all(|choice| !differences(choice, &seen[key], key).is_empty()) {
            problems.push(format!("{key}: want {}, got {}", short(want), short(&seen[key])));
        }
    }
    for (name, value) in expect["headers"].as_object().into_iter().flatten() {
        problems.extend(differences(value, &seen["headers"][name], name));
    }
    if let Some(body) = expect.get("body") {
        problems.extend(differences(body, seen.get("body").unwrap_or(&seen["text"]), "$"));
    }
    if let Some(lines) = expect.get("lines") {
        problems.extend(differences(lines, &seen["lines"], "lines"));
    }
    problems
}

//! One fetch from the first request to the last, over the redirects that it follows.

use std::io;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION,
};
use reveille::{Body, Bytes, HeaderMap, Method, Request as Call, StatusCode};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use url::{Position, Url};

use super::{Fetch, coding};
use crate::connection::Connection;
use crate::report::{Asked, Exit, Failure, Request};

/// How many redirects are followed at the most; curl's number.
const MOST: usize = 50;
/// How the names of the platform's headers begin: its key, the token of a preview.
const PLATFORMS: &str = "x-blaxel-";
/// The most that is held of what is no file, in bytes.
const MOST_HELD: u64 = 256 * 1024 * 1024;
/// Stands for the app where a path is resolved.
const INSIDE: &str = "http://localhost";

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    /// A port of the sandbox, with the path and its query.
    Port(i64, String),
    /// Another origin, which gets nothing that is meant for this one.
    Elsewhere(Url),
}

/// What is sent in a body.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Data {
    Nothing,
    Held(Bytes),
    File(String),
    /// It can be read once.
    Stdin,
}

/// A fetch on its way.
#[derive(Debug)]
pub(super) struct Trip<'a> {
    connection: &'a Connection,
    asked: &'a Fetch,
    target: Target,
    method: Method,
    data: Data,
    headers: Vec<(String, String)>,
    redirects: usize,
}

impl<'a> Trip<'a> {
    pub(super) async fn new(connection: &'a Connection, asked: &'a Fetch) -> Result<Self, Failure> {
        let typed = asked.data.as_deref().or(asked.data_json.as_deref());
        let data = match typed {
            Some(typed) => data(typed).await?,
            None => Data::Nothing,
        };
        let mut headers = Vec::new();
        for header in &asked.header {
            let (name, value) = split(header)?;
            headers.push((name.to_owned(), value.to_owned()));
        }
        let mut unless_typed = |name: &str, value: &str| {
            if !headers.iter().any(|(typed, _)| typed.eq_ignore_ascii_case(name)) {
                headers.push((name.to_owned(), value.to_owned()));
            }
        };
        if asked.data_json.is_some() {
            unless_typed(CONTENT_TYPE.as_str(), "application/json");
            unless_typed(ACCEPT.as_str(), "application/json");
        }
        if asked.compressed {
            unless_typed(ACCEPT_ENCODING.as_str(), coding::ACCEPTED);
        }
        // A port that is no number is the call's error, as one that is out of range.
        let port = asked.port.parse().map_err(|_| {
            Failure::usage(format!("{:?} is not a port: use a number from 1 to 65535", asked.port))
        })?;
        let target = Target::Port(port, asked.path.clone());
        let method = method(asked)?;
        Ok(Self { connection, asked, target, method, data, headers, redirects: 0 })
    }

    pub(super) fn redirects(&self) -> usize {
        self.redirects
    }

    /// The next request, and what it is called.
    pub(super) fn request(&self) -> (Asked, Call) {
        let method = self.method.clone();
        let (name, call) = match &self.target {
            Target::Port(port, path) => {
                let plain = path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
                let sandbox = self.connection.sandbox(&self.asked.sandbox);
                let name = format!("/port/{port}/{plain}");
                (name, sandbox.network().fetch(*port, path).method(method))
            }
            Target::Elsewhere(url) => {
                let origin = url.origin().ascii_serialization();
                let path = &url[Position::BeforePath..Position::AfterQuery];
                let name = format!("{origin}{}", url.path());
                (name, self.connection.client().sandbox_at(origin).request(method, path))
            }
        };
        let call = self.headers.iter().fold(call, |call, (name, value)| call.header(name, value));
        let call = match &self.data {
            Data::Nothing => call,
            Data::Held(bytes) => call.body(Body::from(bytes.clone())),
            Data::File(path) => call.body(Body::file(path)),
            Data::Stdin => call.body(Body::stream(tokio_util::io::ReaderStream::new(tokio::io::stdin()))),
        };
        let whom = match &self.target {
            Target::Port(..) => self.asked.sandbox.clone(),
            Target::Elsewhere(url) => url.origin().ascii_serialization(),
        };
        (self.connection.asking(&whom, Request::new(self.method.as_str(), name)), call)
    }

    /// Goes where an answer leads, where it leads anywhere and it is to be followed.
    pub(super) fn follow(&mut self, status: StatusCode, headers: &HeaderMap) -> Result<bool, Failure> {
        let leads = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = headers.get(LOCATION).filter(|_| leads && self.asked.location) else {
            return Ok(false);
        };
        if self.redirects >= MOST {
            return Err(Failure::new(format!("it leads on and on: {MOST} redirects were followed")));
        }
        let location = String::from_utf8_lossy(location.as_bytes()).into_owned();
        let itself = self.connection.host_of_apps(&self.asked.sandbox);
        let target = self.target.leads_to(&location, itself.as_deref())?;
        // RFC 9110, 15.4: 303 makes a GET of everything, 301 and 302 of a POST, by everybody's habit.
        let becomes_get = match status.as_u16() {
            303 => self.method != Method::HEAD,
            301 | 302 => self.method == Method::POST,
            _ => false,
        };
        if becomes_get {
            (self.method, self.data) = (Method::GET, Data::Nothing);
            self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case(CONTENT_TYPE.as_str()));
        }
        if self.data == Data::Stdin {
            return Err(Failure::new(format!("it leads to {location}, and stdin cannot be sent twice"))
                .next("send a file: -d @FILE"));
        }
        if matches!(target, Target::Elsewhere(_)) {
            self.headers.retain(|(name, _)| !is_for_one_alone(name));
        }
        self.target = target;
        self.redirects += 1;
        Ok(true)
    }
}

impl Target {
    /// Where a `Location` leads from here. An app inside knows itself by the host that its requests come by, `itself`,
    /// or by the loopback.
    fn leads_to(&self, location: &str, itself: Option<&str>) -> Result<Self, Failure> {
        let here = match self {
            Self::Port(port, path) => Url::parse(&format!("{INSIDE}:{port}"))
                .and_then(|inside| inside.join(&format!("/{}", path.trim_start_matches('/')))),
            Self::Elsewhere(url) => Ok(url.clone()),
        };
        let unusable = |_| Failure::new(format!("it leads to {location:?}, which is no address"));
        let there = here.map_err(unusable)?.join(location).map_err(unusable)?;
        if !["http", "https"].contains(&there.scheme()) {
            return Err(Failure::new(format!("it leads to {there}, which is not followed: it is no http")));
        }
        let Self::Port(port, _) = *self else { return Ok(Self::Elsewhere(there)) };
        let path = || there[Position::BeforePath..Position::AfterQuery].to_owned();
        if itself == Some(&there[Position::BeforeHost..Position::AfterPort]) {
            return Ok(Self::Port(port, path()));
        }
        let is_inside = matches!(there.host_str(), Some("localhost" | "127.0.0.1" | "0.0.0.0" | "[::1]"));
        if is_inside {
            let port = there.port_or_known_default().unwrap_or(80);
            return Ok(Self::Port(i64::from(port), path()));
        }
        Ok(Self::Elsewhere(there))
    }
}

/// Whether a header is for whom it was typed and for nobody else: credentials, the platform's own too, and his name.
fn is_for_one_alone(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let own = [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE, HOST];
    own.iter().any(|own| name == own.as_str()) || name.starts_with(PLATFORMS)
}

fn method(asked: &Fetch) -> Result<Method, Failure> {
    let has_data = asked.data.is_some() || asked.data_json.is_some();
    let name = match &asked.request {
        Some(name) => name.as_str(),
        None if asked.head => "HEAD",
        None if has_data => "POST",
        None => "GET",
    };
    Method::from_bytes(name.as_bytes())
        .map_err(|_| Failure::usage(format!("{name:?} is not a method: use a word like GET or POST")))
}

fn split(header: &str) -> Result<(&str, &str), Failure> {
    let shown: String = header.split(':').next().unwrap_or_default().chars().take(80).collect();
    if header.contains(['\r', '\n', '\0']) {
        return Err(Failure::usage(format!("the header {shown:?} holds a line break, which cannot be sent")));
    }
    match header.split_once(':') {
        Some((name, value)) => Ok((name.trim(), value.trim())),
        None => Err(Failure::usage(format!("{shown:?} is not a header: write it like name:value"))),
    }
}

async fn data(typed: &str) -> Result<Data, Failure> {
    match typed.strip_prefix('@') {
        None => Ok(Data::Held(typed.to_owned().into())),
        Some("-") => Ok(Data::Stdin),
        Some(path) => named(path).await.map_err(|error| Failure::io(path, &error).exiting(Exit::Usage)),
    }
}

/// What a path names: a file, or what can be read once, as a pipe (`@<(command)`), and is held.
async fn named(path: &str) -> io::Result<Data> {
    let file = File::open(path).await?;
    if file.metadata().await?.is_file() {
        return Ok(Data::File(path.to_owned()));
    }
    let mut held = Vec::new();
    file.take(MOST_HELD + 1).read_to_end(&mut held).await?;
    if held.len() as u64 > MOST_HELD {
        return Err(io::Error::other("it gives more than can be held; stdin is streamed: -d @-"));
    }
    Ok(Data::Held(held.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where a location leads for who came by `127.0.0.1:7878`.
    fn leads(from: &Target, location: &str) -> Option<Target> {
        from.leads_to(location, Some("127.0.0.1:7878")).ok()
    }

    #[test]
    fn a_redirect_stays_inside_where_it_names_the_app() {
        let here = Target::Port(3000, "/a/b?q=1".to_owned());
        let inside = |port, path: &str| Some(Target::Port(port, path.to_owned()));
        assert_eq!(leads(&here, "/login?next=%2Fa"), inside(3000, "/login?next=%2Fa"));
        assert_eq!(leads(&here, "c"), inside(3000, "/a/c"));
        assert_eq!(leads(&here, "http://localhost:3000/x"), inside(3000, "/x"));
        assert_eq!(leads(&here, "http://127.0.0.1:4000"), inside(4000, "/"));
        assert_eq!(leads(&here, "http://127.0.0.1:7878/login?a=b"), inside(3000, "/login?a=b"));
        assert_eq!(leads(&here, "//127.0.0.1:7878"), inside(3000, "/"));
    }

    #[test]
    fn another_origin_is_elsewhere_and_what_is_no_http_is_nowhere() {
        let here = Target::Port(3000, "/".to_owned());
        assert!(matches!(leads(&here, "https://example.com/x"), Some(Target::Elsewhere(_))));
        assert!(matches!(leads(&here, "//example.com/x"), Some(Target::Elsewhere(_))));
        let away = leads(&here, "https://example.com/x").unwrap_or(here.clone());
        // Elsewhere, the loopback is not the sandbox's.
        assert!(matches!(leads(&away, "http://localhost:3000/"), Some(Target::Elsewhere(_))));
        for odd in ["file:///etc/passwd", "javascript:alert(1)", "http://", "http://[::1"] {
            assert_eq!(leads(&here, odd), None, "{odd}");
        }
    }
}

use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode, utf8_percent_encode};

use crate::InvalidInput;

/// The longest path with its query that is sent, in bytes; what an HTTP library takes at the most.
const MAX: usize = 60_000;

/// What must not stand in a path as it is (RFC 3986, section 3.3).
const IN_PATH: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');
/// What must not stand in a query as it is (RFC 3986, section 3.4).
const IN_QUERY: &AsciiSet = IN_PATH;
/// What must not stand in the path of a file: there `?`, `#` and `%` are letters like others.
const IN_FILE: &AsciiSet = &IN_PATH.add(b'?').add(b'#').add(b'%');
/// What must not stand in a name or value of a query pair.
const IN_PAIR: &AsciiSet = &IN_FILE.add(b'&').add(b'=').add(b'+').add(b';');

/// A path below a port, with its query, ready to be put on the wire.
///
/// It always starts with `/`. Spaces, controls and letters outside ASCII are percent-encoded, escapes that
/// are there already (`%2F`) and empty segments (`//`) stay as they are, and a fragment is cut off.
/// Segments `.` and `..`, escaped or not, are resolved as a browser does it, and never climb above the
/// port (WHATWG URL, path state).
///
/// ```
/// use reveille_wire::AppPath;
/// assert_eq!(AppPath::new("a b/ü?q=ö")?.as_str(), "/a%20b/%C3%BC?q=%C3%B6");
/// assert_eq!(AppPath::new("/a//b%2Fc/../../../d")?.as_str(), "/d");
/// # Ok::<(), reveille_wire::InvalidInput>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AppPath(String);

impl AppPath {
    /// Makes a path fit for the wire.
    ///
    /// # Errors
    /// When it is longer than 60,000 bytes once encoded.
    pub fn new(path: &str) -> Result<Self, InvalidInput> {
        if path.starts_with('/') && path.len() <= MAX && path.bytes().all(is_plain) {
            return Ok(Self(path.to_owned()));
        }
        let given = path.split('#').next().unwrap_or_default();
        let (path, query) = match given.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (given, None),
        };
        let mut encoded = String::with_capacity(given.len() + 1);
        for segment in resolved(path) {
            encoded.push('/');
            encode(&mut encoded, segment, IN_PATH);
        }
        if let Some(query) = query {
            encoded.push('?');
            encode(&mut encoded, query, IN_QUERY);
        }
        if encoded.len() > MAX {
            return Err(InvalidInput::new("path", given, "it is longer than 60,000 bytes"));
        }
        Ok(Self(encoded))
    }

    /// A path of a file, each of whose bytes stands for itself.
    pub(crate) fn of_file(path: &[u8]) -> Self {
        Self(percent_encode(path, IN_FILE).to_string())
    }

    /// Adds one pair to the query.
    #[must_use]
    pub fn with_query(mut self, name: &str, value: &str) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.extend(utf8_percent_encode(name, IN_PAIR));
        self.0.push('=');
        self.0.extend(utf8_percent_encode(value, IN_PAIR));
        self
    }

    /// The path and query as they are sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a letter stands for itself wherever in a path it is.
fn is_plain(letter: u8) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, b'/' | b'-' | b'_' | b'~')
}

/// The segments of a path without its dot segments.
fn resolved(path: &str) -> Vec<&str> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        let decoded = percent_decode_str(segment).decode_utf8_lossy();
        match &*decoded {
            "." => {}
            ".." => drop(kept.pop()),
            _ => {
                kept.push(segment);
                continue;
            }
        }
        if last {
            kept.push("");
        }
    }
    kept
}

/// Encodes what must not stand there, and a `%` that begins no escape.
fn encode(out: &mut String, text: &str, set: &'static AsciiSet) {
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.extend(utf8_percent_encode(&rest[..at], set));
        let escape = rest.as_bytes().get(at + 1..at + 3);
        let is_escape = escape.is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        out.push_str(if is_escape { "%" } else { "%25" });
        rest = &rest[at + 1..];
    }
    out.extend(utf8_percent_encode(rest, set));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn path(given: &str) -> String {
        AppPath::new(given).unwrap().0
    }

    #[test]
    fn a_path_gets_a_leading_slash() {
        assert_eq!(path(""), "/");
        assert_eq!(path("status"), "/status");
        assert_eq!(path("?a=1"), "/?a=1");
    }

    #[test]
    fn empty_segments_and_escapes_stay() {
        assert_eq!(path("//a//b/"), "//a//b/");
        assert_eq!(path("/a%2Fb%20c"), "/a%2Fb%20c");
    }

    #[test]
    fn dots_never_climb_above_the_port() {
        assert_eq!(path("/../../process"), "/process");
        assert_eq!(path("/a/%2e%2E/b"), "/b");
        assert_eq!(path("/a/.."), "/");
        assert_eq!(path("/a/./b/."), "/a/b/");
        assert_eq!(path("/a..b/...c"), "/a..b/...c");
    }

    #[test]
    fn odd_letters_are_encoded_and_a_fragment_is_cut() {
        assert_eq!(path("/a b\r\nX: y"), "/a%20b%0D%0AX:%20y");
        assert_eq!(path("/ü#frag"), "/%C3%BC");
        assert_eq!(path("/100%/%zz"), "/100%25/%25zz");
    }

    #[test]
    fn query_pairs_are_encoded_as_data() {
        let path = AppPath::new("/a?x=1").unwrap().with_query("k&", "v =%ö");
        assert_eq!(path.as_str(), "/a?x=1&k%26=v%20%3D%25%C3%B6");
    }

    proptest! {
        #[test]
        fn any_path_is_a_valid_uri_and_stays_below_the_port(given in ".{0,80}") {
            let path = AppPath::new(&given).unwrap();
            let uri: http::Uri = format!("http://h/port/1{path}").parse().unwrap();
            prop_assert!(uri.path().starts_with("/port/1/"));
            let climbs = uri.path().split('/').any(|s| percent_decode_str(s).decode_utf8_lossy() == "..");
            prop_assert!(!climbs);
        }
    }
}

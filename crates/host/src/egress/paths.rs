//! Paths of requests, as the servers that get them may read them.

use std::str::FromStr;

/// The longest path of a pattern.
const MAX_PATH: usize = 1024;

/// A path, in both readings that servers have of one. What is allowed has to be so in either.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// Where an encoded slash is a letter like others.
    closed: Vec<u8>,
    /// Where it is a slash, and so is a backslash.
    open: Vec<u8>,
}

/// How paths begin; a `*` stands for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Begins(Path);

/// What becomes of slashes that are written otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    Closed,
    Open,
}

impl Path {
    /// The path of a request, without its query.
    pub(super) fn of(path: &str) -> Self {
        let read = |reading| normal(&decoded(path.as_bytes(), reading), reading);
        Self { closed: read(Reading::Closed), open: read(Reading::Open) }
    }
}

impl Begins {
    /// Whether a path begins so, however it is read.
    pub(super) fn begins(&self, path: &Path) -> bool {
        begins(&self.0.closed, &path.closed) && begins(&self.0.open, &path.open)
    }

    /// Whether a path begins so, if it is read in one of the ways.
    pub(super) fn may_begin(&self, path: &Path) -> bool {
        begins(&self.0.closed, &path.closed) || begins(&self.0.open, &path.open)
    }
}

impl FromStr for Begins {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A URL ends its scheme so.
        if text.starts_with("//")
            || text.len() > MAX_PATH
            || text.bytes().any(|byte| byte.is_ascii_control() || byte == b'?')
        {
            let why = "a path without a query, at most 1024 bytes of it, without control characters";
            return Err(format!("{text:?} is no path: write {why}"));
        }
        Ok(Self(Path::of(text)))
    }
}

fn begins(pattern: &[u8], path: &[u8]) -> bool {
    let mut pieces = pattern.split(|byte| *byte == b'*');
    let Some(mut rest) = pieces.next().and_then(|first| path.strip_prefix(first)) else { return false };
    for piece in pieces.filter(|piece| !piece.is_empty()) {
        // What comes after it may be anything, so the first place is as good as any.
        let Some(at) = rest.windows(piece.len()).position(|window| window == piece) else { return false };
        rest = &rest[at + piece.len()..];
    }
    true
}

/// Without percent signs before what stands for itself.
fn decoded(path: &[u8], reading: Reading) -> Vec<u8> {
    let mut read = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = after.get(..2).filter(|it| byte == b'%' && it.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let meant = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (meant, reading) {
            (Some(slash @ (b'/' | b'\\')), Reading::Closed) => {
                read.extend_from_slice(if slash == b'/' { b"%2F" } else { b"%5C" });
                rest = &after[2..];
            }
            (Some(meant), _) => {
                read.push(meant);
                rest = &after[2..];
            }
            (None, _) => read.push(byte),
        }
    }
    if reading == Reading::Open {
        for byte in read.iter_mut().filter(|byte| **byte == b'\\') {
            *byte = b'/';
        }
    }
    read
}

/// With one slash where there are several, and without dots that lead elsewhere (RFC 3986, section 5.2.4).
fn normal(path: &[u8], reading: Reading) -> Vec<u8> {
    let mut steps: Vec<&[u8]> = Vec::new();
    let mut is_directory = false;
    for step in path.split(|byte| *byte == b'/') {
        // Some servers take parameters off before they look at the dots.
        let bare = match reading {
            Reading::Closed => step,
            Reading::Open => step.split(|byte| *byte == b';').next().unwrap_or_default(),
        };
        is_directory = step.is_empty() || matches!(bare, b"." | b"..");
        match bare {
            b".." => drop(steps.pop()),
            b"." => {}
            _ if step.is_empty() => {}
            _ => steps.push(step),
        }
    }
    let mut normal = Vec::with_capacity(path.len() + 1);
    for step in &steps {
        normal.push(b'/');
        normal.extend_from_slice(step);
    }
    if is_directory || steps.is_empty() {
        normal.push(b'/');
    }
    normal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(pattern: &str, path: &str) -> bool {
        pattern.parse::<Begins>().unwrap().begins(&Path::of(path))
    }

    #[test]
    fn a_path_begins_as_it_is_written() {
        assert!(is("/prefix/", "/prefix/file.txt") && is("/prefix/", "/prefix/"));
        assert!(!is("/prefix/", "/prefix") && !is("/prefix/", "/prefixes/x"));
        assert!(is("/mercor*", "/mercor-1/obj") && !is("/mercor*", "/other/obj"));
        assert!(is("/a/*/c", "/a/b/b/c/d") && !is("/a/*/c", "/a/b/d") && is("/*x*y", "/1x2y3"));
        assert!(is("/", "/") && is("/", "/anything") && is("/", "*"));
    }

    #[test]
    fn a_path_is_taken_for_where_it_leads() {
        assert!(is("/mercor*", "//mercor//obj") && is("/mercor*", "/x/../mercor/obj"));
        for out in [
            "/mercor/../other/obj",
            "/mercor/./../other",
            "/mercor/%2e%2e/other",
            "/mercor/.%2E/other",
            "/mercor%2f..%2fother",
            "/mercor/..%5cother",
            "/mercor/..\\other",
            "/mercor/..;x=1/other",
            "/mercor/..",
            "/../../other",
        ] {
            assert!(!is("/mercor*", out), "{out}");
        }
        assert!(!is("/mercor*", "/other%2f..%2fmercor"), "who does not open slashes sees another path");
    }

    #[test]
    fn letters_that_are_written_otherwise_are_the_same() {
        assert!(is("/secret*", "/%73ecret/key") && is("/a b/", "/a%20b/c") && is("/a%20b/", "/a%20b/c"));
        assert!(is("/%C3%A9t", "/%c3%a9t") && is("/x", "/x%") && is("/x%+1", "/x%+1"));
    }

    #[test]
    fn a_path_may_begin_so_in_one_reading_alone() {
        let secret: Begins = "/secret".parse().unwrap();
        for path in ["/secret/key", "/public%2f..%2fsecret", "/secret%2f..%2fpublic", "/public\\..\\secret"] {
            assert!(secret.may_begin(&Path::of(path)), "{path}");
        }
        assert!(!secret.may_begin(&Path::of("/public/secret")));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in
            ["/a\n".to_owned(), "//a".to_owned(), "/a?b=c".to_owned(), format!("/{}", "x".repeat(MAX_PATH))]
        {
            assert!(bad.parse::<Begins>().is_err());
        }
    }

    #[test]
    fn nothing_that_can_be_sent_is_too_much() {
        let path = "/..;%2f%".repeat(16 * 1024);
        assert!(!is(&"/*x".repeat(300), &path));
        assert!(is("/", &path));
    }
}

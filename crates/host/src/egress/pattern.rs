use std::str::FromStr;

use http::Method;

use super::Domain;
use super::paths::{Begins, Path};

/// The words that stand for methods at the beginning of a pattern.
const METHODS: [Method; 8] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
];

/// What may be asked, and of whom: a name alone, or some methods and some paths of it.
///
/// `GET:POST:api.example.com/v1/*` are two methods and the paths that begin so, `!DELETE:api.example.com` are all
/// methods but one.
///
/// ```
/// use http::Method;
/// use reveille_host::egress::Domains;
///
/// let domains = Domains::new(["GET:api.example.com/v1/".parse()?], []);
/// assert!(domains.allow("api.example.com"), "what it depends on is seen later");
/// assert!(domains.allow_request("api.example.com", &Method::GET, "/v1/users"));
/// assert!(!domains.allow_request("api.example.com", &Method::POST, "/v1/users"));
/// assert!(!domains.allow_request("api.example.com", &Method::GET, "/v1/../admin"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    methods: Methods,
    domain: Domain,
    path: Option<Begins>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Methods {
    All,
    Only(Vec<Method>),
    AllBut(Vec<Method>),
}

impl Pattern {
    /// Whether it says something of this name, be it of some requests only.
    pub(super) fn is_of(&self, name: &str) -> bool {
        self.domain.covers(name)
    }

    /// Whether it says the same of all requests.
    pub(super) fn is_whole(&self) -> bool {
        self.methods == Methods::All && self.path.is_none()
    }

    /// Whether it is of a request to its name, however the path is read.
    pub(super) fn covers(&self, method: &Method, path: &Path) -> bool {
        self.methods.hold(method) && self.path.as_ref().is_none_or(|begins| begins.begins(path))
    }

    /// Whether it is of a request to its name, if the path is read in one of the ways.
    pub(super) fn may_cover(&self, method: &Method, path: &Path) -> bool {
        self.methods.hold(method) && self.path.as_ref().is_none_or(|begins| begins.may_begin(path))
    }
}

impl Methods {
    fn hold(&self, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::Only(these) => these.contains(method),
            Self::AllBut(these) => !these.contains(method),
        }
    }
}

impl From<Domain> for Pattern {
    fn from(domain: Domain) -> Self {
        Self { methods: Methods::All, domain, path: None }
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (negated, rest) = match text.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mut host, path) = match rest.find('/') {
            Some(at) => (&rest[..at], Some(&rest[at..])),
            None => (rest, None),
        };
        let mut methods = Vec::new();
        while let Some((word, left)) = host.split_once(':')
            && let Some(method) = METHODS.iter().find(|method| method.as_str().eq_ignore_ascii_case(word))
        {
            methods.push(method.clone());
            host = left;
        }
        let methods = match (methods.is_empty(), negated) {
            // As on the platform: without methods there is nothing that a "!" could turn round.
            (true, _) => Methods::All,
            (false, false) => Methods::Only(methods),
            (false, true) => Methods::AllBut(methods),
        };
        let path = path.map(str::parse).transpose()?;
        let domain = host.parse().map_err(|error| match host == text {
            true => error,
            false => format!("{text:?}: {error}"),
        })?;
        Ok(Self { methods, domain, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covers(pattern: &str, method: &str, path: &str) -> bool {
        let pattern: Pattern = pattern.parse().unwrap();
        assert!(pattern.is_of("a.example"));
        pattern.covers(&method.parse().unwrap(), &Path::of(path))
    }

    #[test]
    fn methods_are_named_in_any_case_and_turned_round_by_an_exclamation_mark() {
        assert!(covers("GET:POST:a.example", "GET", "/") && covers("get:post:a.example", "POST", "/"));
        assert!(!covers("GET:POST:a.example", "DELETE", "/") && !covers("GET:a.example", "PURGE", "/"));
        assert!(
            covers("!POST:a.example/n-*", "GET", "/n-x") && !covers("!POST:a.example/n-*", "POST", "/n-x")
        );
        assert!(covers("!a.example", "GET", "/x"), "nothing to turn round");
        assert!(!covers("!POST:a.example/n-*", "GET", "/other"), "the path is not turned round");
    }

    #[test]
    fn a_name_alone_is_of_all_requests() {
        for whole in ["a.example", "!a.example", "*"] {
            assert!(whole.parse::<Pattern>().unwrap().is_whole(), "{whole}");
        }
        for part in ["GET:a.example", "a.example/", "!GET:*.a.example"] {
            assert!(!part.parse::<Pattern>().unwrap().is_whole(), "{part}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for bad in ["", "!", "GET:", "/x", "GET:/x", "https://a.example", "!!a.example", "GET:a b/x", "a/\n"]
        {
            assert!(bad.parse::<Pattern>().is_err(), "{bad:?}");
        }
        assert!("2001:db8::1".parse::<Pattern>().unwrap().is_of("2001:db8::1"));
    }
}

use std::fmt;
use std::str::FromStr;

use http::Method;

use super::Pattern;
use super::paths::Path;

/// Which names a sandbox may reach, and of some which requests only. What is forbidden is not allowed.
///
/// ```
/// use reveille_host::egress::Domains;
///
/// let domains = Domains::new(["*.crates.io".parse()?, "pypi.org".parse()?], ["evil.crates.io".parse()?]);
/// assert!(domains.allow("index.crates.io") && domains.allow("PyPI.org"));
/// assert!(!domains.allow("evil.crates.io") && !domains.allow("crates.io.example"));
/// assert!(Domains::all().allow("anything.example"));
/// # Ok::<(), String>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains {
    allowed: Vec<Pattern>,
    forbidden: Vec<Pattern>,
}

/// A name, or all names below one but not that itself: `example.com`, `*.example.com`, `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domains {
    /// These, but for those.
    #[must_use]
    pub fn new(
        allowed: impl IntoIterator<Item = Pattern>,
        forbidden: impl IntoIterator<Item = Pattern>,
    ) -> Self {
        Self { allowed: allowed.into_iter().collect(), forbidden: forbidden.into_iter().collect() }
    }

    /// All names.
    #[must_use]
    pub fn all() -> Self {
        Self::all_but([])
    }

    /// No name at all.
    #[must_use]
    pub fn none() -> Self {
        Self::new([], [])
    }

    /// All names but these.
    #[must_use]
    pub fn all_but(forbidden: impl IntoIterator<Item = Pattern>) -> Self {
        Self::new([Domain("*".to_owned()).into()], forbidden)
    }

    /// Whether this name, or address, may be reached, be it for some requests only.
    #[must_use]
    pub fn allow(&self, name: &str) -> bool {
        let name = bare(name);
        self.allowed.iter().any(|pattern| pattern.is_of(&name))
            && !self.forbidden.iter().any(|pattern| pattern.is_whole() && pattern.is_of(&name))
    }

    /// Whether this may be asked of a name. The path is without a query.
    #[must_use]
    pub fn allow_request(&self, name: &str, method: &Method, path: &str) -> bool {
        if !self.depend_on_requests(name) {
            return self.allow(name);
        }
        let (name, path) = (bare(name), Path::of(path));
        self.allowed.iter().any(|pattern| pattern.is_of(&name) && pattern.covers(method, &path))
            && !self.forbidden.iter().any(|pattern| pattern.is_of(&name) && pattern.may_cover(method, &path))
    }

    /// Whether something is said of some requests to a name, so that they have to be read.
    pub(super) fn depend_on_requests(&self, name: &str) -> bool {
        let name = bare(name);
        let is_part = |pattern: &&Pattern| !pattern.is_whole() && pattern.is_of(&name);
        let is_allowed = self.allowed.iter().any(|pattern| pattern.is_whole() && pattern.is_of(&name));
        self.forbidden.iter().any(|pattern| is_part(&pattern))
            || (!is_allowed && self.allowed.iter().any(|pattern| is_part(&pattern)))
    }

    /// Whether there are names of which requests have to be read.
    pub(super) fn have_parts(&self) -> bool {
        self.allowed.iter().chain(&self.forbidden).any(|pattern| !pattern.is_whole())
    }
}

/// A name as it is compared.
fn bare(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

impl Default for Domains {
    fn default() -> Self {
        Self::all()
    }
}

impl Domain {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn covers(&self, name: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some("") => true,
            // `*.example.com` means names below it, and not the name itself, as on the platform.
            Some(below) => name.len() > below.len() && name.ends_with(below),
            None => name == self.0,
        }
    }
}

impl FromStr for Domain {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self(text.to_owned()));
        }
        let name = text.trim_end_matches('.').to_ascii_lowercase();
        let plain = match name.strip_prefix('*') {
            Some(below) => below.strip_prefix('.'),
            None => Some(name.as_str()),
        };
        let letter =
            |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'[' | b']');
        match plain {
            Some(plain) if !plain.is_empty() && plain.len() <= 255 && plain.bytes().all(letter) => {
                Ok(Self(name))
            }
            _ => Err(format!("{text:?} is no domain: write example.com, *.example.com or *")),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_domain_is_refused() {
        for bad in ["", "*.", "a*b", "a b", "http://a", "*x", "ä.example", "a\n"] {
            assert!(bad.parse::<Domain>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_star_covers_what_is_below_and_not_the_name_itself() {
        let domains = Domains::new(["*.example.com".parse().unwrap()], []);
        assert!(domains.allow("a.b.example.com.") && !domains.allow("example.com"));
        assert!(!domains.allow("badexample.com") && !domains.allow("com"));
        let domains = Domains::all_but(["*.example.com".parse().unwrap()]);
        assert!(!domains.allow("a.example.com") && domains.allow("example.com"));
    }

    #[test]
    fn nothing_is_allowed_by_an_empty_list() {
        assert!(!Domains::new([], []).allow("example.com"));
    }

    fn asked(domains: &Domains, request: &str) -> bool {
        let (method, path) = request.split_once(' ').unwrap();
        domains.allow_request("A.example.", &method.parse().unwrap(), path)
    }

    #[test]
    fn what_is_forbidden_of_a_name_leaves_the_rest_of_it() {
        let forbidden = ["POST:a.example/f-*", "a.example/secret*"].map(|pattern| pattern.parse().unwrap());
        let domains = Domains::new(["a.example".parse().unwrap()], forbidden);
        assert!(domains.allow("a.example") && domains.depend_on_requests("a.example"));
        assert!(asked(&domains, "GET /anything") && asked(&domains, "GET /f-x"));
        for refused in ["POST /f-x", "GET /secret/key", "GET /public/../secret/key", "GET /x%2f..%2fsecret"] {
            assert!(!asked(&domains, refused), "{refused}");
        }
    }

    #[test]
    fn what_is_allowed_of_a_name_is_all_of_it() {
        let domains = Domains::new(["GET:a.example/m-*".parse().unwrap()], []);
        assert!(domains.allow("a.example") && !domains.allow("b.example"));
        assert!(asked(&domains, "GET /m-ok"));
        assert!(!asked(&domains, "GET /unmatched") && !asked(&domains, "HEAD /m-ok"));
        let domains = Domains::new(["GET:a.example".parse().unwrap(), "*".parse().unwrap()], []);
        assert!(asked(&domains, "POST /") && !domains.depend_on_requests("a.example"));
    }
}

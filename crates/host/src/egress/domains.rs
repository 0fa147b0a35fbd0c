use std::fmt;
use std::str::FromStr;

/// Which names a sandbox may reach. What is forbidden is not allowed.
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
    allowed: Vec<Domain>,
    forbidden: Vec<Domain>,
}

/// A name, or all names below one: `example.com`, `*.example.com`, `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain(String);

impl Domains {
    /// These, but for those.
    #[must_use]
    pub fn new(
        allowed: impl IntoIterator<Item = Domain>,
        forbidden: impl IntoIterator<Item = Domain>,
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
    pub fn all_but(forbidden: impl IntoIterator<Item = Domain>) -> Self {
        Self::new([Domain("*".to_owned())], forbidden)
    }

    /// Whether this name, or address, may be reached.
    #[must_use]
    pub fn allow(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        self.allowed.iter().any(|domain| domain.covers(&name))
            && !self.forbidden.iter().any(|domain| domain.covers(&name))
    }
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
            // `*.example.com` means names below it, and the name itself, as people mean it.
            Some(below) => name.ends_with(below) || Some(name) == below.strip_prefix('.'),
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
    fn a_star_covers_what_is_below_and_the_name_itself() {
        let domains = Domains::new(["*.example.com".parse().unwrap()], []);
        assert!(domains.allow("a.b.example.com.") && domains.allow("example.com"));
        assert!(!domains.allow("badexample.com") && !domains.allow("com"));
    }

    #[test]
    fn nothing_is_allowed_by_an_empty_list() {
        assert!(!Domains::new([], []).allow("example.com"));
    }
}

//! The API key: made, compared, taken out of what is forwarded.

use std::fmt;
use std::fmt::Write as _;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use reveille_wire::header;

use crate::error::{Error, ErrorKind};

/// The key that a host wants.
pub(crate) struct Key(String);

/// What a request's credentials are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credentials {
    Right,
    Wrong,
    Missing,
}

impl Key {
    /// The given key, or a new one of 192 random bits.
    pub(crate) fn given_or_new(given: Option<String>) -> Result<Self, Error> {
        if let Some(key) = given {
            return Ok(Self(key));
        }
        let mut bits = [0_u8; 24];
        getrandom::fill(&mut bits).map_err(|source| {
            let message = "the system gave no random bits for an API key: give one with --key";
            Error::new(ErrorKind::Settings, message).with_source(source)
        })?;
        let mut key = String::from("rv_");
        for byte in bits {
            // Writing to a string cannot fail.
            let _ = write!(key, "{byte:02x}");
        }
        Ok(Self(key))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What the credentials of a request are worth.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Credentials {
        let given = [&header::AUTHORIZATION, &AUTHORIZATION].map(|name| headers.get(name));
        if given.iter().flatten().any(|value| self.is_in(value)) {
            return Credentials::Right;
        }
        if given.iter().any(Option::is_some) { Credentials::Wrong } else { Credentials::Missing }
    }

    /// Takes the host's credentials out of a request. An `Authorization` of the app's own stays.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(&header::AUTHORIZATION);
        if headers.get_all(AUTHORIZATION).iter().any(|value| self.is_in(value)) {
            headers.remove(AUTHORIZATION);
        }
    }

    fn is_in(&self, value: &HeaderValue) -> bool {
        let value = value.as_bytes();
        let Some((scheme, token)) = value.split_at_checked(7) else { return false };
        scheme.eq_ignore_ascii_case(b"bearer ") && same(token.trim_ascii(), self.0.as_bytes())
    }
}

/// Compares without telling by the time it takes where the two differ.
fn same(given: &[u8], wanted: &[u8]) -> bool {
    let mut difference = given.len() ^ wanted.len();
    for (at, byte) in given.iter().enumerate() {
        // Compared to itself where the key has ended already; the lengths differ then.
        difference |= usize::from(byte ^ wanted.get(at).unwrap_or(byte));
    }
    std::hint::black_box(difference) == 0
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key([secret])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        pairs.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    fn key() -> Key {
        Key("secret".to_owned())
    }

    #[test]
    fn either_header_opens_the_door() {
        assert_eq!(key().check(&headers(&[(header::AUTHORIZATION, "Bearer secret")])), Credentials::Right);
        assert_eq!(key().check(&headers(&[(AUTHORIZATION, "bearer  secret")])), Credentials::Right);
        let both = headers(&[(header::AUTHORIZATION, "Bearer secret"), (AUTHORIZATION, "Basic app")]);
        assert_eq!(key().check(&both), Credentials::Right);
    }

    #[test]
    fn anything_else_does_not() {
        for wrong in ["Bearer secre", "Bearer secret1", "Bearer ", "secret", "Basic secret", "Bearer xecret"]
        {
            assert_eq!(key().check(&headers(&[(AUTHORIZATION, wrong)])), Credentials::Wrong, "{wrong}");
        }
        assert_eq!(key().check(&HeaderMap::new()), Credentials::Missing);
    }

    #[test]
    fn only_the_hosts_own_credentials_are_taken_out() {
        let mut both = headers(&[(header::AUTHORIZATION, "Bearer secret"), (AUTHORIZATION, "Basic app")]);
        key().strip(&mut both);
        assert_eq!(both, headers(&[(AUTHORIZATION, "Basic app")]));
        let mut own = headers(&[(AUTHORIZATION, "Bearer secret")]);
        key().strip(&mut own);
        assert!(own.is_empty());
    }

    #[test]
    fn a_made_key_is_new_every_time_and_is_not_shown() {
        let (a, b) = (Key::given_or_new(None).unwrap(), Key::given_or_new(None).unwrap());
        assert_ne!(a.as_str(), b.as_str());
        assert!(a.as_str().len() > 48);
        assert!(!format!("{a:?}").contains(a.as_str()));
    }
}

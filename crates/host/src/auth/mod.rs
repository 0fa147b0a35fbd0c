//! Who may come in: the host's own key, and the keys that were made for others.

pub(crate) mod in_url;
mod made;
mod own;

use std::sync::Arc;
use std::time::SystemTime;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use reveille_wire::header;
use sha2::{Digest as _, Sha256};

use crate::clock::Clock;
use crate::store::Shelf;

pub(crate) use made::Made;
pub(crate) use own::{Key, can_be_key, new_key, same};

/// Every key of a host.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) own: Key,
    pub(crate) made: Arc<Shelf<Made>>,
    pub(crate) clock: Clock,
}

/// What a request's credentials are worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Credentials {
    Right(Holder),
    Wrong,
    Missing,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Whoever runs the host: who has its own key may make others and take them away.
    Operator,
    /// Somebody to whom a key was given.
    Guest,
}

impl Keys {
    /// What the credentials of a request are worth.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Credentials {
        let mut credentials = Credentials::Missing;
        for value in given(headers) {
            match self.holder(value) {
                Some(holder) => return Credentials::Right(holder),
                None => credentials = Credentials::Wrong,
            }
        }
        credentials
    }

    /// Takes the host's credentials out of a request. An `Authorization` of the app's own stays.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        headers.remove(&header::AUTHORIZATION);
        // Most have none, and few names are gone over faster than one is looked up.
        if headers.keys().any(|name| name == AUTHORIZATION)
            && headers.get_all(AUTHORIZATION).iter().any(|value| self.holder(value).is_some())
        {
            headers.remove(AUTHORIZATION);
        }
    }

    fn holder(&self, value: &HeaderValue) -> Option<Holder> {
        let token = bearer(value)?;
        if same(token, self.own.as_str().as_bytes()) {
            return Some(Holder::Operator);
        }
        let (hash, now) = (hash(token), self.clock.now());
        // All are compared, so that the time it takes tells of none of them.
        let known = self.made.all().iter().fold(false, |known, made| known | made.is(&hash, now));
        known.then_some(Holder::Guest)
    }
}

/// What a key is kept as. It is 192 random bits: nothing slower is needed to keep it from being guessed.
pub(crate) fn hash(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}

/// Where credentials can stand, the platform's own header first.
fn given(headers: &HeaderMap) -> impl Iterator<Item = &HeaderValue> {
    [header::AUTHORIZATION, AUTHORIZATION].into_iter().filter_map(|name| headers.get(name))
}

fn bearer(value: &HeaderValue) -> Option<&[u8]> {
    let (scheme, token) = value.as_bytes().split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// Whether a moment has passed.
fn has_passed(moment: Option<SystemTime>, now: SystemTime) -> bool {
    moment.is_some_and(|moment| moment <= now)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::Store;

    fn headers(pairs: &[(http::HeaderName, &str)]) -> HeaderMap {
        let value = |text: &str| HeaderValue::from_str(text).unwrap();
        pairs.iter().map(|(name, text)| (name.clone(), value(text))).collect()
    }

    /// The keys of a host whose own is `secret`, with their store.
    async fn keys(made: &[(&str, &str)]) -> (tempfile::TempDir, Store, Keys) {
        let root = tempfile::tempdir().unwrap();
        let mut store = Store::open(&root.path().join("data")).unwrap();
        let own = Key::given_or_kept(Some("secret".to_owned()), root.path()).unwrap();
        let keys = Keys { own, made: store.shelf(), clock: Clock::default() };
        for (name, key) in made {
            let made = Made::of((*name).to_owned(), key, keys.clock.now(), None);
            keys.made.turn(name).await.put(made).await.unwrap();
        }
        (root, store, keys)
    }

    const OPERATOR: Credentials = Credentials::Right(Holder::Operator);
    const GUEST: Credentials = Credentials::Right(Holder::Guest);

    #[tokio::test]
    async fn either_header_opens_the_door() {
        let (_root, _store, keys) = keys(&[]).await;
        assert_eq!(keys.check(&headers(&[(header::AUTHORIZATION, "Bearer secret")])), OPERATOR);
        assert_eq!(keys.check(&headers(&[(AUTHORIZATION, "bearer  secret")])), OPERATOR);
        let both = headers(&[(header::AUTHORIZATION, "Bearer secret"), (AUTHORIZATION, "Basic app")]);
        assert_eq!(keys.check(&both), OPERATOR);
    }

    #[tokio::test]
    async fn anything_else_does_not() {
        let (_root, _store, keys) = keys(&[("a", "rv_a")]).await;
        for wrong in [
            "Bearer secre",
            "Bearer secret1",
            "Bearer ",
            "secret",
            "Basic secret",
            "Bearer xecret",
            "Bearer a",
        ] {
            assert_eq!(keys.check(&headers(&[(AUTHORIZATION, wrong)])), Credentials::Wrong, "{wrong}");
        }
        assert_eq!(keys.check(&HeaderMap::new()), Credentials::Missing);
    }

    #[tokio::test]
    async fn a_key_that_was_made_is_a_guests_until_it_is_revoked_or_expires() {
        let (_root, _store, keys) = keys(&[("a", "rv_a"), ("b", "rv_b")]).await;
        let check = |key: &str| keys.check(&headers(&[(header::AUTHORIZATION, &format!("Bearer {key}"))]));
        assert_eq!([check("rv_a"), check("rv_b"), check("rv_c")], [GUEST, GUEST, Credentials::Wrong]);
        keys.made.turn("a").await.remove().await.unwrap();
        assert_eq!([check("rv_a"), check("rv_b")], [Credentials::Wrong, GUEST]);
        let now = keys.clock.now();
        for (expires, credentials) in [(now, Credentials::Wrong), (now + Duration::from_secs(60), GUEST)] {
            let made = Made::of("b".to_owned(), "rv_b", now, Some(expires));
            keys.made.turn("b").await.put(made).await.unwrap();
            assert_eq!(check("rv_b"), credentials);
        }
    }

    #[tokio::test]
    async fn a_key_that_was_made_is_on_disk_as_its_hash_only() {
        let key = new_key().unwrap();
        let (root, store, keys) = keys(&[("a", &key)]).await;
        assert!(!format!("{keys:?}").contains(&key));
        store.close().await;
        let file = std::fs::read(root.path().join("data/store.redb")).unwrap();
        let holds = |what: &str| file.windows(what.len()).any(|found| found == what.as_bytes());
        assert!(holds("\"hint\"") && !holds(&key) && !holds(&key[10..]));
    }

    #[tokio::test]
    async fn only_the_hosts_own_credentials_are_taken_out() {
        let (_root, _store, keys) = keys(&[("a", "rv_a")]).await;
        let mut both = headers(&[(header::AUTHORIZATION, "Bearer secret"), (AUTHORIZATION, "Basic app")]);
        keys.strip(&mut both);
        assert_eq!(both, headers(&[(AUTHORIZATION, "Basic app")]));
        for key in ["Bearer secret", "Bearer rv_a"] {
            let mut own = headers(&[(AUTHORIZATION, key)]);
            keys.strip(&mut own);
            assert!(own.is_empty(), "{key}");
        }
    }
}

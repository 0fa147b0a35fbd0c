use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::secret::{Secret, is_name};
use super::{Destination, Text};

/// Headers that say how a message is written down or where it goes, which is the proxy's to say.
const FRAMING: [HeaderName; 9] =
    [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE];

/// What is added to requests to some destinations.
///
/// Secrets come first: headers and fields are resolved when they are added. One that names a secret which the route
/// does not have is not sent. `{{FUNC:uuid()}}` and its like stand for values that are made for each request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    destinations: Vec<Destination>,
    headers: Vec<(HeaderName, Text)>,
    fields: Vec<(String, Text)>,
    secrets: BTreeMap<String, Secret>,
}

impl Route {
    /// A route to these, which adds nothing yet.
    #[must_use]
    pub fn to(destinations: impl IntoIterator<Item = Destination>) -> Self {
        Self { destinations: destinations.into_iter().collect(), ..Self::default() }
    }

    /// The same with a secret: `{{SECRET:name}}` stands for it in requests to these destinations.
    ///
    /// # Errors
    /// A sentence, where a secret cannot be called so.
    pub fn with_secret(mut self, name: &str, value: &str) -> Result<Self, String> {
        if !is_name(name) {
            return Err(format!(
                "a secret cannot be called {name:?}: 1 to 256 bytes without braces and control characters"
            ));
        }
        self.secrets.insert(name.to_owned(), Secret::new(value.to_owned()));
        Ok(self)
    }

    /// The same with a header, where the request has none of that name.
    ///
    /// # Errors
    /// A sentence, where that is no header, with its secrets in their places, or one that the proxy writes itself.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, String> {
        let header = HeaderName::try_from(name).map_err(|_| format!("{name:?} is no name of a header"))?;
        if FRAMING.contains(&header) || header.as_str().starts_with("proxy-") {
            return Err(format!("a route cannot add {name}: the proxy writes that itself"));
        }
        let Some(value) = Text::read(value, |secret| self.plain(secret)) else { return Ok(self) };
        HeaderValue::try_from(value.with_words()).map_err(|_| {
            format!("the header {name} cannot be sent: its value, or a secret in it, holds a line break or another control character")
        })?;
        self.headers.push((header, value));
        Ok(self)
    }

    /// The same with a field of JSON bodies, where the body has none of that name.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: &Value) -> Self {
        let value = Text::read(&value.to_string(), |secret| self.in_json(secret));
        self.fields.extend(value.map(|value| (name.to_owned(), value)));
        self
    }

    pub(super) fn leads_to(&self, name: &str) -> bool {
        self.destinations.iter().any(|destination| destination.is(name))
    }

    pub(in crate::egress) fn headers(&self) -> impl Iterator<Item = &(HeaderName, Text)> {
        self.headers.iter()
    }

    /// Fields of bodies, each written in JSON.
    pub(in crate::egress) fn fields(&self) -> impl Iterator<Item = (&str, &Text)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// Whether anything of it can change a body.
    pub(in crate::egress) fn changes_bodies(&self) -> bool {
        !self.fields.is_empty() || !self.secrets.is_empty()
    }

    /// A secret as it is.
    pub(in crate::egress) fn plain(&self, name: &str) -> Option<Cow<'_, str>> {
        self.secrets.get(name).map(|secret| Cow::Borrowed(secret.reveal()))
    }

    /// A secret as it stands within a string of JSON.
    pub(in crate::egress) fn in_json(&self, name: &str) -> Option<Cow<'_, str>> {
        let written = Value::from(self.secrets.get(name)?.reveal()).to_string();
        // Without the quotes around it.
        Some(Cow::Owned(written[1..written.len() - 1].to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route() -> Route {
        Route::to(["a.example".parse().unwrap()]).with_secret("k", "tok\"1").unwrap()
    }

    #[test]
    fn headers_and_fields_hold_their_secrets_and_do_not_show_them() {
        let route = route().with_header("X-Key", "Bearer {{SECRET:k}}").unwrap();
        let route = route.with_field("key", &json!({"deep": ["{{SECRET:k}}"]}));
        assert_eq!(route.headers().next().unwrap().1.with_words(), "Bearer tok\"1");
        let (name, value) = route.fields().next().unwrap();
        assert_eq!((name, &*value.with_words()), ("key", r#"{"deep":["tok\"1"]}"#));
        let shown = format!("{route:?}");
        assert!(!shown.contains("tok"), "{shown}");
    }

    #[test]
    fn what_names_a_secret_that_it_has_not_is_not_added() {
        let route = route().with_header("x-other", "{{SECRET:other}}").unwrap();
        let route = route.with_field("other", &json!("x{{SECRET:other}}"));
        assert_eq!((route.headers().count(), route.fields().count()), (0, 0));
    }

    #[test]
    fn what_cannot_be_a_header_is_refused_and_its_secret_not_told() {
        let route = route().with_secret("lines", "one\r\nx-two: 2").unwrap();
        let refused = route.clone().with_header("x-lines", "{{SECRET:lines}}").unwrap_err();
        assert!(refused.contains("x-lines") && !refused.contains("two"), "{refused}");
        for (name, value) in [
            ("a b", ""),
            ("", ""),
            ("x\n", ""),
            ("Host", "a"),
            ("content-length", "1"),
            ("Proxy-Authorization", ""),
        ] {
            assert!(route.clone().with_header(name, value).is_err(), "{name:?}");
        }
        for name in ["", "a}", "a\nb", &"a".repeat(257)] {
            assert!(route.clone().with_secret(name, "").is_err(), "{name:?}");
        }
    }
}

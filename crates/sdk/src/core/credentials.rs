//! Who the client is.

use std::fmt;

use http::HeaderValue;

use crate::error::Error;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into().trim().to_owned())
    }

    #[cfg(test)]
    pub(crate) fn exposed(&self) -> &str {
        &self.0
    }

    /// The header in which it is shown to the platform; marked as sensitive. `scheme` is `Bearer` or `Basic`.
    pub(crate) fn header(&self, scheme: &str) -> Result<HeaderValue, Error> {
        let mut value = HeaderValue::try_from(format!("{scheme} {}", self.0))
            .map_err(|_| Error::settings("the credentials hold characters that no header can carry"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What proves who the client is.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// A key that does not expire.
    ApiKey(Secret),
    /// base64 of `id:secret`, which is exchanged for access tokens.
    Client(Secret),
    /// An access token that somebody else got.
    AccessToken(Secret),
}

impl Credentials {
    #[cfg(test)]
    pub(crate) fn exposed(&self) -> &str {
        match self {
            Self::ApiKey(secret) | Self::Client(secret) | Self::AccessToken(secret) => secret.exposed(),
        }
    }
}

//! Who the client is.

use std::fmt;
use std::time::{Duration, Instant};

use http::{HeaderValue, Method};
use reveille_retry::Replay;
use serde::Deserialize;
use tokio::sync::Mutex;

use crate::call::{Call, CallFuture};
use crate::client::Client;
use crate::error::Error;
use crate::operation::{Identity, Operation, Target};

/// A token is renewed when it has less than this left, or a tenth of its life.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// A text that is never shown.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into().trim().to_owned())
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
            Self::ApiKey(secret) | Self::Client(secret) | Self::AccessToken(secret) => &secret.0,
        }
    }

    /// The value of the header, made anew for every attempt. It is marked as sensitive.
    pub(crate) async fn bearer(&self, client: &Client, tokens: &Tokens) -> Result<HeaderValue, Error> {
        match self {
            Self::ApiKey(secret) | Self::AccessToken(secret) => bearer(&secret.0),
            Self::Client(pair) => bearer(&tokens.current(client, pair).await?.0),
        }
    }
}

fn bearer(text: &str) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::try_from(format!("Bearer {text}"))
        .map_err(|_| Error::settings("the API key or token holds characters that no header can carry"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The access token of client credentials, renewed before it expires.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Option<Token>>);

struct Token {
    text: Secret,
    renew_at: Instant,
}

#[derive(Deserialize)]
struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

impl Tokens {
    /// Lets the next call ask for a new token, unless one is being asked for just now.
    pub(crate) fn forget(&self) {
        if let Ok(mut kept) = self.0.try_lock() {
            *kept = None;
        }
    }

    async fn current(&self, client: &Client, pair: &Secret) -> Result<Secret, Error> {
        let mut kept = self.0.lock().await;
        if let Some(token) = &*kept
            && Instant::now() < token.renew_at
        {
            return Ok(token.text.clone());
        }
        let granted = fetch(client, pair).await?;
        let life = Duration::from_secs(granted.expires_in);
        let useful = life.saturating_sub(RENEW_BEFORE.min(life / 10));
        let now = Instant::now();
        let text = Secret::new(granted.access_token);
        *kept = Some(Token { text: text.clone(), renew_at: now.checked_add(useful).unwrap_or(now) });
        Ok(text)
    }
}

/// `POST {api}/oauth/token`. To ask for a token twice does no harm.
///
/// Boxed, as a call asks for the credentials that this fetches.
fn fetch(client: &Client, pair: &Secret) -> CallFuture<Granted> {
    let operation = Operation::new(Method::POST, Target::Control("/oauth/token".to_owned()))
        .identity(Identity::Nobody)
        .replay(Replay::Vouched)
        .json(&serde_json::json!({ "grant_type": "client_credentials" }));
    let Ok(mut login) = HeaderValue::try_from(format!("Basic {}", pair.0)) else {
        let said = "the client credentials hold characters that no header can carry";
        return Box::pin(std::future::ready(Err(Error::settings(said))));
    };
    login.set_sensitive(true);
    Call::json(client.clone(), operation.header(http::header::AUTHORIZATION, login)).into_future()
}

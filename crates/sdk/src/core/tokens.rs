//! Access tokens of client credentials.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::sync::Mutex;

use super::Secret;
use crate::error::Error;

/// A token is renewed when it has less than this left, or a tenth of its life.
const RENEW_BEFORE: Duration = Duration::from_secs(60);

/// The access token that is in use, renewed before it expires.
#[derive(Default)]
pub(crate) struct Tokens(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    token: Option<Token>,
    failed: Option<Failed>,
}

struct Token {
    text: Secret,
    renew_at: Instant,
}

struct Failed {
    at: Instant,
    why: Arc<Error>,
}

/// What the platform grants.
#[derive(Deserialize)]
pub(crate) struct Granted {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
}

impl Tokens {
    /// The token, asked for by `fetch` where there is none. Callers that come while one is being asked for
    /// wait for it, and share what it brings, a failure as well as a token.
    ///
    /// # Errors
    /// What `fetch` failed with.
    pub(crate) async fn current<F, R>(&self, fetch: F) -> Result<Secret, Arc<Error>>
    where
        F: FnOnce() -> R,
        R: Future<Output = Result<Granted, Error>>,
    {
        let arrived = Instant::now();
        let mut kept = self.0.lock().await;
        if let Some(token) = &kept.token
            && Instant::now() < token.renew_at
        {
            return Ok(token.text.clone());
        }
        if let Some(failed) = &kept.failed
            && failed.at >= arrived
        {
            return Err(Arc::clone(&failed.why));
        }
        match fetch().await {
            Ok(granted) => {
                let token = Token::of(granted);
                let text = token.text.clone();
                *kept = Kept { token: Some(token), failed: None };
                Ok(text)
            }
            Err(error) => {
                let why = Arc::new(error);
                *kept =
                    Kept { token: None, failed: Some(Failed { at: Instant::now(), why: Arc::clone(&why) }) };
                Err(why)
            }
        }
    }

    /// The platform did not take this token: the next call asks for a new one, unless somebody has one already
    /// or asks for it just now.
    pub(crate) fn refused(&self, token: &Secret) {
        if let Ok(mut kept) = self.0.try_lock()
            && kept.token.as_ref().is_some_and(|current| current.text == *token)
        {
            kept.token = None;
        }
    }
}

impl Token {
    fn of(granted: Granted) -> Self {
        let life = Duration::from_secs(granted.expires_in);
        let useful = life.saturating_sub(RENEW_BEFORE.min(life / 10));
        let now = Instant::now();
        Self { text: Secret::new(granted.access_token), renew_at: now.checked_add(useful).unwrap_or(now) }
    }
}

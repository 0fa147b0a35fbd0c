//! Whose name a request is sent in, as its headers say it.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, header};
use reveille_retry::Replay;
use reveille_wire::header as platform;

use super::drive;
use crate::answer::Reading;
use crate::call::{Identity, Operation, Target, Tuning};
use crate::core::{Core, Credentials, Granted, Secret};
use crate::error::Error;
use crate::record::{Record, Site};

/// Why nobody's name can be shown.
pub(super) enum Unshown {
    Settings(Error),
    /// No access token was to be had.
    Token(Arc<Error>),
}

impl Unshown {
    pub(super) fn into_error(self, record: Record) -> Error {
        match self {
            Self::Settings(error) => error,
            Self::Token(why) => Error::of_token(why, record),
        }
    }
}

impl From<Error> for Unshown {
    fn from(error: Error) -> Self {
        Self::Settings(error)
    }
}

/// Adds to the headers what the platform wants to know of the client, but for what is there already. Gives the
/// access token that was shown, where one was.
pub(super) async fn show(
    core: &Arc<Core>,
    identity: Identity,
    headers: &mut HeaderMap,
) -> Result<Option<Secret>, Unshown> {
    match identity {
        Identity::Theirs => return Ok(None),
        Identity::InTheirPlace => drop(headers.remove(platform::AUTHORIZATION)),
        Identity::Client | Identity::ClientIfAny | Identity::Nobody => {
            headers.entry(header::USER_AGENT).or_insert_with(|| core.user_agent());
            headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        }
    }
    if identity == Identity::Nobody {
        return Ok(None);
    }
    let (bearer, token) = match &core.settings.credentials {
        Some(Credentials::ApiKey(secret) | Credentials::AccessToken(secret)) => {
            (Some(secret.header("Bearer")?), None)
        }
        Some(Credentials::Client(pair)) => {
            let fetched = core.tokens.current(|| fetch(Arc::clone(core), pair.clone())).await;
            let token = fetched.map_err(Unshown::Token)?;
            (Some(token.header("Bearer")?), Some(token))
        }
        None if identity != Identity::ClientIfAny => return Err(Error::no_key().into()),
        None => (None, None),
    };
    if let Some(bearer) = bearer {
        headers.entry(platform::AUTHORIZATION).or_insert(bearer);
    }
    if let Some(workspace) = core.workspace_header()? {
        headers.entry(platform::WORKSPACE).or_insert(workspace);
    }
    headers.entry(platform::VERSION).or_insert_with(|| core.version_header());
    Ok(token)
}

/// `POST {api}/oauth/token`. To ask for a token twice changes nothing, so that it is a read.
///
/// Boxed, as the driver that asks for a token is the one that fetches it.
async fn fetch(core: Arc<Core>, pair: Secret) -> Result<Granted, Error> {
    let target = Target::new(core.settings.api_url.as_str(), "/oauth/token", Site::ControlPlane);
    let mut operation = Operation::new(Method::POST, target)
        .identity(Identity::Nobody)
        .declare(Replay::Read)
        .header(header::AUTHORIZATION, pair.header("Basic")?)
        .json(&serde_json::json!({ "grant_type": "client_credentials" }));
    operation.accept_json();
    let reading = Reading::json();
    let answer = Box::pin(drive(core, operation, Tuning::default(), reading.taking())).await?;
    reading.make(answer)
}

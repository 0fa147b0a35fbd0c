//! Whose name a request is sent in, as its headers say it.

use std::sync::Arc;

use http::{HeaderMap, Method, header};
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

/// The headers of a request: what the platform wants to know of the client, and what the caller says, which wins. With
/// the access token that is shown, where one is.
pub(super) async fn show(
    core: &Arc<Core>,
    identity: Identity,
    own: &HeaderMap,
) -> Result<(HeaderMap, Option<Secret>), Unshown> {
    if identity == Identity::Theirs {
        return Ok((own.clone(), None));
    }
    let (mut headers, token) = match (&core.settings.credentials, identity) {
        (_, Identity::Nobody) => (core.said_by_all(), None),
        (Some(Credentials::ApiKey(secret) | Credentials::AccessToken(secret)), _) => {
            let ready = core.said_by_client();
            (ready.map_or_else(|| core.said_with(Some(secret)), Ok)?, None)
        }
        (Some(Credentials::Client(pair)), _) => {
            // Boxed, as most credentials are shown as they are.
            let fetched = Box::pin(core.tokens.current(|| fetch(Arc::clone(core), pair.clone())));
            let token = fetched.await.map_err(Unshown::Token)?;
            (core.said_with(Some(&token))?, Some(token))
        }
        (None, Identity::ClientIfAny) => (core.said_with(None)?, None),
        (None, _) => return Err(Error::no_key().into()),
    };
    if identity == Identity::InTheirPlace {
        headers.remove(header::USER_AGENT);
        headers.remove(header::ACCEPT);
    }
    if !own.is_empty() {
        let mut own = own.clone();
        if identity == Identity::InTheirPlace {
            own.remove(platform::AUTHORIZATION);
        }
        headers.extend(own);
    }
    Ok((headers, token))
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

//! The exchange of client credentials for an access token.

use std::sync::Arc;

use http::{Method, header};
use reveille_retry::Replay;

use super::drive;
use crate::answer::Reading;
use crate::call::{Identity, Operation, Target, Tuning};
use crate::core::{Core, Granted, Secret};
use crate::error::Error;
use crate::record::Site;

/// `POST {api}/oauth/token`. To ask for a token twice changes nothing, so that it is a read.
///
/// Boxed, as the driver that asks for a token is the one that fetches it.
pub(super) async fn fetch(core: Arc<Core>, pair: Secret) -> Result<Granted, Error> {
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

//! Bodies that are JSON.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::failure::Failure;

/// The largest JSON body that is read, in bytes. A command with its environment is far below it.
const MAX: usize = 8 << 20;

/// The largest JSON body with texts of files in it, in bytes. What is larger comes as a form, and is not held.
const MAX_LARGE: usize = 64 << 20;

/// A JSON body, whatever its `Content-Type` says.
///
/// A key whose value is null counts as missing, as it does for clients of the vendor's server.
#[derive(Debug)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, _: &S) -> Result<Self, Failure> {
        parse(&read(request.into_body()).await?).map(Self)
    }
}

/// A JSON body that holds texts of files.
pub(crate) async fn large<T: DeserializeOwned>(body: Body) -> Result<T, Failure> {
    parse(&read_up_to(MAX_LARGE, body).await?)
}

/// A whole body of at most [`MAX`] bytes.
pub(crate) async fn read(body: Body) -> Result<bytes::Bytes, Failure> {
    read_up_to(MAX, body).await
}

async fn read_up_to(most: usize, body: Body) -> Result<bytes::Bytes, Failure> {
    match Limited::new(body, most).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Failure::too_large(format!("the body is larger than {} MiB", most >> 20)))
        }
        Err(_) => Err(Failure::bad("the body ended early")),
    }
}

/// A body that was read. A key whose value is null counts as missing.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    if body.is_empty() {
        return Err(Failure::bad("the body is empty; send JSON"));
    }
    let mut value: Value = serde_json::from_slice(body).map_err(|error| said(&error))?;
    if let Value::Object(object) = &mut value {
        object.retain(|_, value| !value.is_null());
    }
    serde_json::from_value(value).map_err(|error| said(&error))
}

fn said(error: &serde_json::Error) -> Failure {
    Failure::bad(format!("the body cannot be used: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reveille_wire::ProcessRequest;

    #[test]
    fn a_null_counts_as_missing() {
        let request: ProcessRequest = parse(br#"{"command":"true","env":null,"name":null}"#).unwrap();
        assert_eq!(request, ProcessRequest::new("true"));
    }

    #[test]
    fn what_is_no_json_is_refused_with_a_reason() {
        for bad in ["", "{", "[]", r#"{"command":5}"#, r#"{"command":"a","env":["A=1"]}"#] {
            let failure = parse::<ProcessRequest>(bad.as_bytes()).unwrap_err();
            assert!(failure.sentence().contains("body"), "{bad}: {}", failure.sentence());
        }
    }
}

//! Requests that mount a drive: what its permissions have to say of them.

use axum::body::Body;
use axum::response::IntoResponse as _;
use http::header::{CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use reveille_wire::MountRequest;
use serde_json::json;

use super::received::Received;
use crate::control::Control;

/// The longest wish to mount something.
const MAX_WISH: usize = 64 * 1024;

/// Whether a request is one, to any sandbox.
pub(super) fn is_mounting<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST && sandbox(request.uri().path()).is_some()
}

/// The sandbox that a path mounts a drive in. It is as its agent reads it: letter by letter.
fn sandbox(path: &str) -> Option<&str> {
    let (within, name) = path.strip_suffix("/drives/mount")?.rsplit_once('/')?;
    let workspace = within.strip_prefix('/')?.strip_suffix("/sandboxes")?;
    (!workspace.contains('/')).then_some(name)
}

/// The request as the drive's permissions let it be, or the answer that it may not be.
pub(super) async fn permitted(
    control: &Control,
    request: Request<Received>,
) -> Result<Request<Received>, Response<Body>> {
    let (mut head, body) = request.into_parts();
    let name = sandbox(head.uri.path()).unwrap_or_default();
    let mut said = match Limited::new(body, MAX_WISH).collect().await {
        Ok(said) => said.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Err(refused(
                StatusCode::PAYLOAD_TOO_LARGE,
                "a wish to mount a drive is 64 KiB at the most",
            ));
        }
        Err(_) => return Err(refused(StatusCode::BAD_REQUEST, "the body broke off")),
    };
    // What is no wish is for the agent to refuse.
    if let Ok(wish) = serde_json::from_slice::<MountRequest>(&said) {
        let wish = control.permitted(name, wish).map_err(|why| refused(StatusCode::FORBIDDEN, &why))?;
        said = json!(wish).to_string().into();
    }
    head.headers.remove(TRANSFER_ENCODING);
    head.headers.remove(EXPECT);
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(said.len()));
    Ok(Request::from_parts(head, Received::whole(said)))
}

fn refused(status: StatusCode, why: &str) -> Response<Body> {
    (status, axum::Json(json!({ "error": why }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_mounts_a_drive_is_known_by_its_path() {
        assert_eq!(sandbox("/local/sandboxes/box/drives/mount"), Some("box"));
        for other in [
            "/local/sandboxes/box/port/3000/drives/mount",
            "/local/sandboxes/box/drives/mount/",
            "/local/sandboxes/box/drives/mount/mnt",
            "/local/x/sandboxes/box/drives/mount",
            "/drives/mount",
        ] {
            assert_eq!(sandbox(other), None, "{other}");
        }
    }
}

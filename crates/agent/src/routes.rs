//! Which endpoint a request goes to, and what every answer carries.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
    PRAGMA, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri};
use reveille_wire::header::BOOT;
use tower_service::Service;

use crate::agent::Agent;
use crate::failure::Failure;
use crate::listener::Kind;
use crate::passage::{self, Target, handover};
use crate::{beyond, drives, files, mcp, network, process, reference, system, terminal, upgrade};

/// On every answer that the agent makes itself, also on one that says no.
const ON_EVERY_ANSWER: [(HeaderName, HeaderValue); 6] = [
    (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")),
    (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE, HEAD, OPTIONS")),
    (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type, Authorization")),
    (CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate")),
    (PRAGMA, HeaderValue::from_static("no-cache")),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
];

/// The agent's endpoints. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Routes {
    endpoints: Router,
    boot: Option<HeaderValue>,
}

impl Routes {
    /// The endpoints of `agent`.
    pub(crate) fn new(agent: Agent) -> Self {
        let boot = agent.boot().header();
        let endpoints = Router::new()
            .route("/", any(system::welcome))
            .route("/health", get(system::health))
            .route("/upgrade", post(upgrade::upgrade))
            .route("/environment/reload", post(system::reload_environment))
            .route(reference::PATH, get(reference::get))
            .merge(process::routes())
            .merge(drives::routes())
            .merge(terminal::routes())
            .merge(files::routes())
            .merge(network::routes())
            .merge(beyond::routes())
            .fallback(|| async { Failure::absent("there is no such endpoint") })
            .method_not_allowed_fallback(|| async { Failure::wrong_method() })
            .with_state(agent);
        let tools =
            mcp::routes(endpoints.clone()).method_not_allowed_fallback(|| async { Failure::wrong_method() });
        Self { endpoints: endpoints.merge(tools), boot }
    }

    /// Answers one request.
    pub(crate) async fn answer(&self, request: Request<Body>, over: Kind) -> Response {
        let mut response = match (Target::of(request.uri()), over) {
            // What a server in the sandbox answers is its own, to the last header.
            (Some(_), _) => return passage::forward(request).await,
            (None, Kind::Unix) if handover::is_asked_for(&request) => return handover::begin(request),
            (None, Kind::Tcp) if handover::is_asked_for(&request) => handover::impossible(),
            (None, _) => self.own(request).await,
        };
        for (name, value) in &ON_EVERY_ANSWER {
            response.headers_mut().insert(name, value.clone());
        }
        response.headers_mut().extend(self.boot.clone().map(|boot| (BOOT, boot)));
        response
    }

    async fn own(&self, mut request: Request<Body>) -> Response {
        if request.method() == Method::OPTIONS {
            return StatusCode::NO_CONTENT.into_response();
        }
        for spelling in [with_slash_behind_endpoint, without_last_slash] {
            if let Some(uri) = spelling(request.uri()) {
                *request.uri_mut() = uri;
            }
        }
        let answered: Result<Response, Infallible> = self.endpoints.clone().call(request).await;
        answered.unwrap_or_else(|never| match never {})
    }
}

/// The endpoints for which an absolute path follows as it is: its slash separates it from them, in either spelling.
const BEFORE_PATHS: [&str; 6] = [
    "/filesystem/tree",
    "/filesystem",
    "/filesystem-find",
    "/filesystem-search",
    "/filesystem-content-search",
    "/watch/filesystem",
];

/// The same path with a slash between it and its endpoint, where only the path's own, encoded, stands there: the
/// platform's server knows `/filesystem%2Fetc/hosts`, and its own tests ask so.
fn with_slash_behind_endpoint(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let (endpoint, rest) = BEFORE_PATHS.iter().find_map(|endpoint| {
        let rest = path.strip_prefix(endpoint)?;
        let encoded = rest.get(..3).is_some_and(|three| three.eq_ignore_ascii_case("%2f"));
        encoded.then_some((endpoint, rest))
    })?;
    with_path(uri, &format!("{endpoint}/{rest}"))
}

/// The same endpoint under the name that the routes know it by: a slash at the end means nothing, except where
/// what follows the endpoint is a path itself.
fn without_last_slash(uri: &Uri) -> Option<Uri> {
    const PATHS_FOLLOW: [&str; 4] = ["/drives/mount/", "/filesystem/", "/filesystem-", "/watch/filesystem/"];
    let path = uri.path();
    if path == "/" || !path.ends_with('/') || PATHS_FOLLOW.iter().any(|endpoint| path.starts_with(endpoint)) {
        return None;
    }
    with_path(uri, path.trim_end_matches('/'))
}

fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{path}{query}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(uri: &str) -> String {
        let uri: Uri = uri.parse().unwrap();
        without_last_slash(&uri).unwrap_or(uri).to_string()
    }

    #[test]
    fn a_slash_at_the_end_means_nothing() {
        assert_eq!(shortened("/health/"), "/health");
        assert_eq!(shortened("/process/?a=/"), "/process?a=/");
        assert_eq!(shortened("/"), "/");
    }

    #[test]
    fn an_encoded_slash_separates_a_path_from_its_endpoint() {
        let separated = |uri: &str| {
            let uri: Uri = uri.parse().unwrap();
            with_slash_behind_endpoint(&uri).unwrap_or(uri).to_string()
        };
        assert_eq!(separated("/filesystem%2Fetc/hosts?a=%2F"), "/filesystem/%2Fetc/hosts?a=%2F");
        assert_eq!(separated("/filesystem/tree%2fa"), "/filesystem/tree/%2fa");
        assert_eq!(separated("/watch/filesystem%2Fa/**"), "/watch/filesystem/%2Fa/**");
        for same in
            ["/filesystem/%2Fa", "/filesystem-find/a%2Fb", "/process%2Fa", "/filesystem", "/filesystems%2Fa"]
        {
            assert_eq!(separated(same), same);
        }
    }

    #[test]
    fn a_mount_path_keeps_its_slash() {
        assert_eq!(shortened("/drives/mount/"), "/drives/mount/");
    }
}

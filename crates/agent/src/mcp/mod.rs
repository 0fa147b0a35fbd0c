//! The Model Context Protocol: what the endpoints do, as tools.
//!
//! Streamable HTTP without sessions and without streams: every request is answered by itself, in JSON.

mod codegen;
mod rpc;
mod tools;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use http::StatusCode;
use serde_json::{Value, json};

use self::rpc::{Call, Problem};
use crate::json;

/// The versions of the protocol that are spoken, the newest last.
const VERSIONS: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// The endpoint `/mcp`, whose tools go to `endpoints`.
pub(crate) fn routes(endpoints: Router) -> Router {
    Router::new().route("/mcp", post(answer)).with_state(endpoints)
}

async fn answer(State(endpoints): State<Router>, body: Body) -> Response {
    let body = match json::read(body).await {
        Ok(body) => body,
        Err(failure) => return failure.into_response(),
    };
    match serde_json::from_slice(&body) {
        Err(error) => {
            let problem = Problem::unreadable(format!("the body is no JSON: {error}"));
            (StatusCode::BAD_REQUEST, axum::Json(problem.answer(&Value::Null))).into_response()
        }
        Ok(Value::Array(batch)) => {
            let mut answers = Vec::new();
            for message in batch {
                answers.extend(one(&endpoints, message).await);
            }
            if answers.is_empty() { accepted() } else { axum::Json(answers).into_response() }
        }
        Ok(message) => match one(&endpoints, message).await {
            Some(answer) => axum::Json(answer).into_response(),
            None => accepted(),
        },
    }
}

fn accepted() -> Response {
    StatusCode::ACCEPTED.into_response()
}

/// The answer to one message; nothing to one that wants none.
async fn one(endpoints: &Router, message: Value) -> Option<Value> {
    let call = match Call::read(message) {
        Ok(call) => call?,
        Err(problem) => return Some(problem.answer(&Value::Null)),
    };
    let result = match call.method.as_str() {
        "initialize" => Ok(hello(&call.parameters)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({"tools": tools::all()})),
        "tools/call" => tools::call(endpoints, &call.parameters).await,
        other => Err(Problem::unknown_method(other)),
    };
    Some(match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": call.id, "result": result}),
        Err(problem) => problem.answer(&call.id),
    })
}

fn hello(parameters: &Value) -> Value {
    let asked = parameters["protocolVersion"].as_str().unwrap_or_default();
    let version =
        VERSIONS.into_iter().find(|version| *version == asked).unwrap_or(VERSIONS[VERSIONS.len() - 1]);
    json!({
        "protocolVersion": version,
        "capabilities": {"tools": {"listChanged": false}},
        "serverInfo": {"name": "reveille", "version": env!("CARGO_PKG_VERSION")},
    })
}

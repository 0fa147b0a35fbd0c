//! The tools, each of which is what an endpoint does.

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Limited};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reveille_wire::FilePath;
use serde_json::{Map, Value, json};
use tower_service::Service;

use super::codegen;
use super::rpc::Problem;

/// The longest answer that a tool gives, in bytes. What is longer is read through the endpoint itself.
const MAX: usize = 8 << 20;

/// All tools, as they are listed.
pub(crate) fn all() -> Value {
    let path = json!({"type": "string", "description": "absolute, or relative to the working directory"});
    let identifier = json!({"type": "string", "description": "the pid or the name of a process"});
    let text = |what: &str| json!({"type": "string", "description": what});
    let flag = |what: &str| json!({"type": "boolean", "description": what});
    let number = |what: &str| json!({"type": "integer", "description": what});
    let mut tools = vec![
        tool(
            "processExecute",
            "Run a shell command, in the background or to its end",
            &["command"],
            json!({
                "command": text("what a shell runs"),
                "name": text("a name to find the process by"),
                "workingDir": text("where it runs; / when missing"),
                "env": {"type": "object", "additionalProperties": {"type": "string"}, "description": "laid over the environment"},
                "waitForCompletion": flag("whether to wait for its end"),
                "timeout": number("how long to wait, in seconds"),
                "waitForPorts": {"type": "array", "items": {"type": "integer"}, "description": "ports to wait for"},
                "restartOnFailure": flag("whether it is started again when it fails"),
                "maxRestarts": number("how often at the most"),
                "keepAlive": flag("whether the sandbox stays awake while it runs"),
            }),
        ),
        tool("processGet", "Tell of a process", &["identifier"], json!({"identifier": identifier})),
        tool(
            "processGetLogs",
            "Give the output of a process",
            &["identifier"],
            json!({"identifier": identifier}),
        ),
        tool("processKill", "Kill a process", &["identifier"], json!({"identifier": identifier})),
        tool("processStop", "Ask a process to stop", &["identifier"], json!({"identifier": identifier})),
        tool("processesList", "Tell of all processes", &[], json!({})),
        tool("fsGetWorkingDirectory", "Tell where relative paths begin", &[], json!({})),
        tool("fsListDirectory", "List a directory", &["path"], json!({"path": path})),
        tool("fsReadFile", "Read a file as text", &["path"], json!({"path": path})),
        tool(
            "fsWriteFile",
            "Write a file, or make a directory",
            &["path"],
            json!({
                "path": path,
                "content": text("what is to be in the file"),
                "permissions": text("its mode, in octal"),
                "isDirectory": flag("whether a directory is to be made"),
            }),
        ),
        tool(
            "fsDeleteFileOrDirectory",
            "Remove a file or a directory",
            &["path"],
            json!({
                "path": path,
                "isDirectory": flag("means nothing; what is there is removed"),
                "recursive": flag("whether a directory goes with all that is below it"),
            }),
        ),
        tool(
            "fsEditFile",
            "Replace a text in a file",
            &["path", "oldString", "newString"],
            json!({
                "path": path,
                "oldString": text("what is replaced; it has to be there once"),
                "newString": text("what it is replaced by"),
                "replaceAll": flag("whether it may be there several times, and all are replaced"),
            }),
        ),
    ];
    tools.extend(codegen::all());
    Value::Array(tools)
}

/// A tool as it is listed.
pub(super) fn tool(name: &str, description: &str, required: &[&str], properties: impl Into<Value>) -> Value {
    json!({
        "name": name,
        "description": description,
        "inputSchema": {"type": "object", "properties": properties.into(), "required": required},
    })
}

/// Answers `tools/call`. A tool that fails is a result that says so.
///
/// # Errors
/// When there is no such tool.
pub(crate) async fn call(endpoints: &Router, parameters: &Value) -> Result<Value, Problem> {
    let name = parameters["name"].as_str().unwrap_or_default();
    let tools = all();
    let tool = tools.as_array().into_iter().flatten().find(|tool| tool["name"] == name);
    let tool = tool.ok_or_else(|| Problem::bad_parameters(format!("there is no tool {name:?}")))?;
    let given = match &parameters["arguments"] {
        Value::Object(given) => given.clone(),
        _ => Map::new(),
    };
    let done = match checked(tool, &given) {
        Ok(()) => run(endpoints, name, given).await,
        Err(sentence) => Err(sentence),
    };
    Ok(match done {
        Ok(content) => json!({
            "content": [{"type": "text", "text": content.to_string()}],
            "structuredContent": content,
        }),
        Err(sentence) => json!({"content": [{"type": "text", "text": sentence}], "isError": true}),
    })
}

/// Whether the arguments are those that the tool lists.
fn checked(tool: &Value, given: &Map<String, Value>) -> Result<(), String> {
    let schema = &tool["inputSchema"];
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if given.get(name).is_none_or(Value::is_null) {
            return Err(format!("the argument {name:?} is missing"));
        }
    }
    for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
        let fits = match schema["properties"][name]["type"].as_str() {
            Some("string") => value.is_string(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_i64() || value.is_u64(),
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            _ => true,
        };
        if !fits {
            return Err(format!(
                "the argument {name:?} is not of the type {}",
                schema["properties"][name]["type"]
            ));
        }
    }
    Ok(())
}

async fn run(endpoints: &Router, name: &str, mut given: Map<String, Value>) -> Result<Value, String> {
    let ask = |method, target: String, body| ask(endpoints, method, target, body);
    let text = |key: &str| given.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let file = || {
        FilePath::new(text("path"))
            .map(|path| path.as_url_path("/filesystem"))
            .map_err(|error| error.to_string())
    };
    let process =
        |rest: &str| format!("/process/{}{rest}", utf8_percent_encode(&text("identifier"), NON_ALPHANUMERIC));
    match name {
        "processExecute" => {
            given.entry("workingDir").or_insert_with(|| "/".into());
            ask(Method::POST, "/process".to_owned(), Some(Value::Object(given))).await
        }
        "processGet" => ask(Method::GET, process(""), None).await,
        "processGetLogs" => {
            let told = ask(Method::GET, process("/logs"), None).await?;
            Ok(json!({"logs": told["logs"]}))
        }
        "processKill" | "processStop" => {
            let how = if name == "processKill" { "/kill" } else { "" };
            ask(Method::DELETE, process(how), None).await?;
            // One that takes its time runs on.
            let told = ask(Method::GET, process(""), None).await?;
            Ok(json!({"status": told["status"]}))
        }
        "processesList" => {
            let told = ask(Method::GET, "/process".to_owned(), None).await?;
            Ok(json!({"processes": told}))
        }
        "fsGetWorkingDirectory" => {
            let directory = crate::files::working_directory().to_string_lossy().into_owned();
            Ok(json!({"workingDirectory": directory}))
        }
        "fsListDirectory" => {
            let told = ask(Method::GET, file()?, None).await?;
            if told.get("subdirectories").is_none() {
                return Err(format!("{} is no directory", text("path")));
            }
            Ok(json!({"directory": told}))
        }
        "fsReadFile" => {
            let told = ask(Method::GET, file()?, None).await?;
            if told.get("content").is_none() {
                return Err(format!("{} is a directory", text("path")));
            }
            Ok(told)
        }
        "fsWriteFile" => {
            let target = file()?;
            given.remove("path");
            ask(Method::PUT, target, Some(Value::Object(given))).await
        }
        "fsDeleteFileOrDirectory" => {
            let recursive = given.get("recursive").and_then(Value::as_bool).unwrap_or_default();
            ask(Method::DELETE, format!("{}?recursive={recursive}", file()?), None).await
        }
        "fsEditFile" => {
            let all = given.get("replaceAll").and_then(Value::as_bool).unwrap_or_default();
            let (before, replaced) =
                edited(&bytes(endpoints, &file()?).await?, &text("oldString"), &text("newString"), all)?;
            ask(Method::PUT, file()?, Some(json!({"content": before}))).await?;
            Ok(json!({"path": text("path"), "occurrencesReplaced": replaced}))
        }
        _ => codegen::run(endpoints, name, &given).await,
    }
}

/// The content of a file after an edit, and how often it was edited. What is no text stays as it is.
fn edited(content: &[u8], old: &str, new: &str, all: bool) -> Result<(String, usize), String> {
    let content = std::str::from_utf8(content).map_err(|_| "the file is no text".to_owned())?;
    if old.is_empty() {
        return Err("oldString is empty".to_owned());
    }
    if old == new {
        return Err("oldString and newString are identical".to_owned());
    }
    match content.matches(old).count() {
        0 => Err("oldString was not found in the file".to_owned()),
        several @ 2.. if !all => {
            Err(format!("oldString is in the file {several} times; say more of what is around it"))
        }
        count => Ok((content.replace(old, new), count)),
    }
}

/// Asks an endpoint.
///
/// # Errors
/// The sentence of a refusal.
pub(super) async fn ask(
    endpoints: &Router,
    method: Method,
    target: String,
    body: Option<Value>,
) -> Result<Value, String> {
    let body = body.map(|body| Body::from(body.to_string())).unwrap_or_default();
    let request =
        Request::builder().method(method).uri(target).header(CONTENT_TYPE, "application/json").body(body);
    let (status, body) = sent(endpoints, request).await?;
    let told: Value =
        serde_json::from_slice(&body).map_err(|error| format!("the answer is no JSON: {error}"))?;
    if status.is_success() {
        return Ok(told);
    }
    Err(told["error"].as_str().map_or_else(|| format!("it was answered with {status}"), str::to_owned))
}

/// The bytes of a file.
///
/// # Errors
/// The sentence of a refusal.
pub(super) async fn bytes(endpoints: &Router, target: &str) -> Result<Vec<u8>, String> {
    let request = Request::get(target).header(ACCEPT, "application/octet-stream").body(Body::empty());
    let (status, body) = sent(endpoints, request).await?;
    if status.is_success() {
        return Ok(body.into());
    }
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    Err(told["error"].as_str().map_or_else(|| format!("it was answered with {status}"), str::to_owned))
}

async fn sent(
    endpoints: &Router,
    request: Result<Request<Body>, http::Error>,
) -> Result<(StatusCode, bytes::Bytes), String> {
    let request = request.map_err(|error| format!("it cannot be asked for: {error}"))?;
    let answered: Result<Response, std::convert::Infallible> = endpoints.clone().call(request).await;
    let response = answered.unwrap_or_else(|never| match never {});
    let status = response.status();
    match Limited::new(response.into_body(), MAX).collect().await {
        Ok(body) => Ok((status, body.to_bytes())),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err("the answer is larger than 8 MiB; read it through the files of the sandbox".to_owned())
        }
        Err(error) => Err(format!("the answer broke off: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_is_of_one_place_unless_all_are_meant() {
        assert_eq!(edited(b"a b a", "b", "c", false), Ok(("a c a".to_owned(), 1)));
        assert_eq!(edited(b"a b a", "a", "c", true), Ok(("c b c".to_owned(), 2)));
        for (old, new) in [("a", "c"), ("x", "c"), ("", "c"), ("b", "b")] {
            assert!(edited(b"a b a", old, new, false).is_err(), "{old:?}");
        }
        assert!(edited(b"a\xff", "a", "b", false).is_err());
    }
}

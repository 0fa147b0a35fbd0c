//! What can be asked of the agent, told to programs that find out by themselves.

use axum::Json;
use serde_json::{Map, Value, json};

/// Where it is told, as at the platform's server.
pub(crate) const PATH: &str = "/swagger/doc.json";

/// A parameter or a field, with its type.
type Named = (&'static str, &'static str);

/// Something that can be asked.
#[derive(Debug)]
struct Endpoint {
    method: &'static str,
    path: &'static str,
    says: &'static str,
    query: &'static [Named],
    body: &'static [Named],
}

impl Endpoint {
    const fn new(method: &'static str, path: &'static str, says: &'static str) -> Self {
        Self { method, path, says, query: &[], body: &[] }
    }

    const fn query(self, query: &'static [Named]) -> Self {
        Self { query, ..self }
    }

    const fn body(self, body: &'static [Named]) -> Self {
        Self { body, ..self }
    }

    fn parameters(&self) -> Vec<Value> {
        let in_path = self.path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'));
        let in_path =
            in_path.map(|name| json!({"name": name, "in": "path", "required": true, "type": "string"}));
        let in_query =
            self.query.iter().map(|(name, kind)| json!({"name": name, "in": "query", "type": kind}));
        let mut parameters: Vec<Value> = in_path.chain(in_query).collect();
        if !self.body.is_empty() {
            let fields: Map<String, Value> =
                self.body.iter().map(|(name, kind)| ((*name).to_owned(), json!({"type": kind}))).collect();
            let schema = json!({"type": "object", "properties": fields});
            parameters.push(json!({"name": "request", "in": "body", "schema": schema}));
        }
        parameters
    }
}

/// What is told: the platform's endpoints that do something for whoever is in the sandbox, or asks from outside.
const ENDPOINTS: [Endpoint; 34] = [
    Endpoint::new("get", "/health", "How the agent is"),
    Endpoint::new("get", "/process", "Lists processes"),
    Endpoint::new("post", "/process", "Starts a process").body(&[
        ("command", "string"),
        ("name", "string"),
        ("workingDir", "string"),
        ("env", "object"),
        ("waitForCompletion", "boolean"),
        ("waitForPorts", "array"),
        ("timeout", "integer"),
        ("restartOnFailure", "boolean"),
        ("maxRestarts", "integer"),
        ("keepAlive", "boolean"),
        ("stdin", "boolean"),
    ]),
    Endpoint::new("get", "/process/{identifier}", "A process, by its number or its name"),
    Endpoint::new("delete", "/process/{identifier}", "Asks a process to stop"),
    Endpoint::new("delete", "/process/{identifier}/kill", "Kills a process"),
    Endpoint::new("get", "/process/{identifier}/wait", "Waits for the end of a process")
        .query(&[("timeout", "integer")]),
    Endpoint::new(
        "post",
        "/process/{identifier}/stdin",
        "Writes the body to the standard input of a process",
    ),
    Endpoint::new("delete", "/process/{identifier}/stdin", "Closes the standard input of a process"),
    Endpoint::new("get", "/process/{identifier}/logs", "What a process has said"),
    Endpoint::new("get", "/process/{identifier}/logs/stream", "What a process says, as it goes on"),
    Endpoint::new("get", "/filesystem/{path}", "Reads a file, or lists a directory")
        .query(&[("download", "boolean")]),
    Endpoint::new("put", "/filesystem/{path}", "Writes a file, or makes a directory").body(&[
        ("content", "string"),
        ("isDirectory", "boolean"),
        ("permissions", "string"),
    ]),
    Endpoint::new("delete", "/filesystem/{path}", "Removes a file or a directory")
        .query(&[("recursive", "boolean")]),
    Endpoint::new("get", "/filesystem/tree/{path}", "Reads a directory with what is in it").query(&[
        ("recursive", "boolean"),
        ("content", "boolean"),
        ("patterns", "string"),
        ("excludeDirs", "string"),
        ("excludeHidden", "boolean"),
        ("maxFiles", "integer"),
        ("maxBytes", "integer"),
    ]),
    Endpoint::new("put", "/filesystem/tree/{path}", "Writes files below a directory")
        .body(&[("files", "object")]),
    Endpoint::new("delete", "/filesystem/tree/{path}", "Removes a directory")
        .query(&[("recursive", "boolean")]),
    Endpoint::new("post", "/filesystem-copy", "Copies a file or a directory").body(&[
        ("source", "string"),
        ("destination", "string"),
        ("noOverwrite", "boolean"),
    ]),
    Endpoint::new("get", "/filesystem-find/{path}", "Finds files by name").query(&[
        ("type", "string"),
        ("patterns", "string"),
        ("maxResults", "integer"),
        ("excludeDirs", "string"),
        ("excludeHidden", "boolean"),
    ]),
    Endpoint::new("get", "/filesystem-search/{path}", "Finds files whose paths are nearly a text").query(&[
        ("query", "string"),
        ("maxResults", "integer"),
        ("patterns", "string"),
        ("excludeDirs", "string"),
        ("excludeHidden", "boolean"),
    ]),
    Endpoint::new("get", "/filesystem-content-search/{path}", "Finds lines that hold a text").query(&[
        ("query", "string"),
        ("caseSensitive", "boolean"),
        ("contextLines", "integer"),
        ("maxResults", "integer"),
        ("filePattern", "string"),
        ("excludeDirs", "string"),
    ]),
    Endpoint::new("get", "/watch/filesystem/{path}", "Tells of changes in a directory")
        .query(&[("ignore", "string")]),
    Endpoint::new("get", "/filesystem-multipart", "Lists uploads in parts"),
    Endpoint::new("post", "/filesystem-multipart/initiate/{path}", "Begins an upload in parts")
        .body(&[("permissions", "string")]),
    Endpoint::new("put", "/filesystem-multipart/{uploadId}/part", "Uploads a part, as a form with a file")
        .query(&[("partNumber", "integer")]),
    Endpoint::new("get", "/filesystem-multipart/{uploadId}/parts", "Lists the parts of an upload"),
    Endpoint::new("post", "/filesystem-multipart/{uploadId}/complete", "Makes the file of its parts")
        .body(&[("parts", "array")]),
    Endpoint::new("delete", "/filesystem-multipart/{uploadId}/abort", "Gives an upload up"),
    Endpoint::new("get", "/network/process/{pid}/ports", "The ports of a process"),
    Endpoint::new("post", "/network/process/{pid}/monitor", "Tells a URL of ports that a process opens")
        .body(&[("callback", "string")]),
    Endpoint::new("delete", "/network/process/{pid}/monitor", "Tells of no more ports"),
    Endpoint::new("get", "/drives/mount", "Lists drives that are mounted"),
    Endpoint::new("post", "/drives/mount", "Mounts a drive").body(&[
        ("driveName", "string"),
        ("mountPath", "string"),
        ("drivePath", "string"),
        ("readOnly", "boolean"),
    ]),
    Endpoint::new("delete", "/drives/mount/{mountPath}", "Unmounts a drive"),
];

/// `GET /swagger/doc.json`: the endpoints in the form of Swagger 2.0.
pub(crate) async fn get() -> Json<Value> {
    let mut paths: Map<String, Value> = Map::new();
    for endpoint in &ENDPOINTS {
        let operation = json!({
            "summary": endpoint.says,
            "parameters": endpoint.parameters(),
            "responses": {"200": {"description": "It is done"}, "default": {"description": "Why it is not"}},
        });
        paths.entry(endpoint.path).or_insert_with(|| json!({}))[endpoint.method] = operation;
    }
    let info = json!({"title": "Reveille sandbox", "version": env!("CARGO_PKG_VERSION")});
    Json(json!({"swagger": "2.0", "info": info, "basePath": "/", "paths": paths}))
}

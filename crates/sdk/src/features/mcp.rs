//! The tools of a sandbox, by the Model Context Protocol.

use http::{HeaderValue, Method, StatusCode, header};
use reveille_retry::Replay;
use reveille_wire::Every;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::Sandbox;
use crate::answer::{Reading, Whole};
use crate::call::{Call, Operation};
use crate::error::Error;

const PATH: &str = "/mcp";

/// The tools of a sandbox, by the Model Context Protocol: streamable HTTP without sessions, where every message is
/// answered by itself.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let list = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"fsReadFile","inputSchema":{}}]}}"#;
/// # let told = r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"hi"}]}}"#;
/// # let server = FaultServer::start(Script::new().step(Step::ok(list)).then(Step::ok(told)))?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
/// let mcp = client.sandbox("box").mcp();
/// for tool in mcp.list_tools().wait()? {
///     println!("{}: {}", tool.name, tool.description.unwrap_or_default());
/// }
/// let read = mcp.call_tool("fsReadFile", serde_json::json!({"path": "/etc/hostname"})).wait()?;
/// println!("{}{}", if read.is_error { "failed: " } else { "" }, read.text());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mcp(Sandbox);

/// A tool of a sandbox.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct McpTool {
    /// What it is called by.
    pub name: String,
    /// What it does, for whoever chooses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON schema of its arguments.
    pub input_schema: Value,
    /// What else was said.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// What a tool did. That it failed is no error of the call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[non_exhaustive]
pub struct McpOutcome {
    /// Blocks of text, images and the like, as the protocol has them.
    pub content: Vec<Value>,
    /// The same as one JSON value, where the tool gives one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// Whether the tool failed.
    pub is_error: bool,
}

impl McpOutcome {
    /// The text of all blocks, one after the other.
    #[must_use]
    pub fn text(&self) -> String {
        self.content.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n")
    }
}

#[derive(Debug, Deserialize)]
struct Listed {
    tools: Every<McpTool>,
}

impl Mcp {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// What tools there are. A read.
    pub fn list_tools(&self) -> Call<Vec<McpTool>> {
        self.ask("tools/list", &json!({}), |listed: Listed| listed.tools.0)
    }

    /// Uses a tool, with its arguments as a JSON object. A mutation, whatever the tool does.
    pub fn call_tool(&self, name: impl AsRef<str>, arguments: impl Into<Value>) -> Call<McpOutcome> {
        let parameters = json!({"name": name.as_ref(), "arguments": arguments.into()});
        self.ask("tools/call", &parameters, |outcome| outcome)
    }

    /// Sends a message of a client of the protocol as it is, and gives the answer: nothing where none is wanted. A call
    /// of a tool is a mutation, and so is what cannot be told from one; everything else is a read.
    pub fn send(&self, message: &Value) -> Call<Option<Value>> {
        let operation = self.operation(message).declare(replay_of(message));
        let reading = Reading::Success(Box::new(|whole: Whole| match whole.answered.status {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => Ok(None),
            _ => whole.json().map(Some),
        }));
        Call::new(self.0.core(), operation, reading)
    }

    fn ask<W: DeserializeOwned, T: 'static>(
        &self,
        method: &str,
        parameters: &Value,
        make: impl FnOnce(W) -> T + Send + Sync + 'static,
    ) -> Call<T> {
        let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": parameters});
        let operation = self.operation(&message).declare(replay_of(&message));
        let reading = Reading::Success(Box::new(|whole: Whole| {
            let record = whole.record.clone();
            match whole.json::<Answer<W>>()? {
                Answer::Result { result } => Ok(make(result)),
                Answer::Refusal { error } => Err(Error::of_refusal(&error.message, record)),
            }
        }));
        Call::new(self.0.core(), operation, reading)
    }

    fn operation(&self, message: &Value) -> Operation {
        // A server may answer with a stream where it is not said that none is wanted (MCP, streamable HTTP).
        let accept = HeaderValue::from_static("application/json, text/event-stream");
        self.0.endpoint(Method::POST, Ok(PATH.to_owned())).header(header::ACCEPT, accept).json(message)
    }
}

/// What a JSON-RPC call brought.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Result { result: T },
    Refusal { error: Refusal },
}

#[derive(Deserialize)]
struct Refusal {
    message: String,
}

/// What a repeat of a message would do.
fn replay_of(message: &Value) -> Replay {
    match message["method"].as_str() {
        Some(method) if method != "tools/call" => Replay::Read,
        _ => Replay::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_known_to_use_no_tool_is_repeated() {
        assert_eq!(replay_of(&json!({"method": "tools/list"})), Replay::Read);
        assert_eq!(replay_of(&json!({"method": "initialize"})), Replay::Read);
        assert_eq!(replay_of(&json!({"method": "tools/call"})), Replay::Never);
        assert_eq!(replay_of(&json!([{"method": "tools/list"}])), Replay::Never);
        assert_eq!(replay_of(&json!(null)), Replay::Never);
    }
}

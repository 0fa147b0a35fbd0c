//! The tools of a sandbox, as clients of the Model Context Protocol use them.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::place::{Host, Place, said};

fn with_box() -> (Place, Host) {
    let place = Place::new();
    let host = Host::start(&place, &[]);
    place.run(["create", "box"]).done();
    (place, host)
}

/// Sends lines, and gives the answers by their ids.
fn answers(place: &Place, lines: &[String]) -> BTreeMap<String, Value> {
    let said = place.feed(&["mcp", "box"], (lines.join("\n") + "\n").as_bytes()).done();
    let answers = said.text();
    answers
        .lines()
        .map(|line| {
            let answer: Value = serde_json::from_str(line).unwrap();
            (answer["id"].to_string(), answer)
        })
        .collect()
}

fn call(id: u32, tool: &str, arguments: &Value) -> String {
    let parameters = json!({"name": tool, "arguments": arguments});
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": parameters}).to_string()
}

#[test]
fn every_message_that_wants_an_answer_gets_one_on_a_line_and_nothing_else_is_said() {
    let (place, _host) = with_box();
    place.run(["sleep", "box"]).done();
    let answers = answers(
        &place,
        &[
            json!({"jsonrpc": "2.0", "id": "hello", "method": "initialize", "params": {}}).to_string(),
            json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string(),
            String::new(),
            "nonsense".to_owned(),
            json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string(),
            json!({"jsonrpc": "2.0", "id": 2, "method": "dance"}).to_string(),
            call(3, "fsWriteFile", &json!({"path": "/tmp/a", "content": "text\n"})),
            call(4, "fsReadFile", &json!({"path": 7})),
            call(5, "noSuchTool", &json!({})),
            call(6, "fsReadFile", &json!("path")),
            call(7, "fsReadFile", &json!({})),
            call(8, "fsReadFile", &json!({"path": "/no/such/\u{1b}[2Jfile"})),
            "{\"jsonrpc\": \"2.0\", \"id\": 9, \"method\": \"ping\"}".to_owned(),
        ],
    );
    assert_eq!(answers.len(), 11, "{answers:?}");
    assert_eq!(answers["null"]["error"]["code"], -32700);
    assert_eq!(answers["\"hello\""]["result"]["serverInfo"]["name"], "reveille");
    assert!(answers["1"]["result"]["tools"].as_array().unwrap().len() >= 12);
    assert_eq!(answers["2"]["error"]["code"], -32601);
    assert_eq!(answers["5"]["error"]["code"], -32602);
    for id in ["4", "6", "7", "8"] {
        let answer = &answers[id];
        assert!(answer["result"]["isError"] == true || answer["error"].is_object(), "{answer}");
    }
    assert_eq!(answers["9"]["result"], json!({}));
    assert_eq!(place.run(["cat", "box:/tmp/a"]).done().text(), "text\n");
}

#[test]
fn a_file_is_the_one_of_exactly_its_name() {
    let (place, _host) = with_box();
    for (at, name) in
        ["a%2fb", "c#d?e=f&g", "h\ni", "j k+l", "\u{e4}\u{1f680}", "%", "m.."].into_iter().enumerate()
    {
        let path = format!("/tmp/odd/{name}");
        let content = format!("content {at}");
        let wrote = answers(&place, &[call(1, "fsWriteFile", &json!({"path": path, "content": content}))]);
        assert_ne!(wrote["1"]["result"]["isError"], true, "{wrote:?}");
        let read = answers(&place, &[call(1, "fsReadFile", &json!({"path": path}))]);
        assert_eq!(read["1"]["result"]["structuredContent"]["content"], content, "{read:?}");
        let listed =
            place.run(["exec", "box", "--", "cd /tmp/odd && for name in *; do printf '%s' \"$name\"; done"]);
        assert_eq!(listed.done().text(), name);
        let removed = answers(&place, &[call(1, "fsDeleteFileOrDirectory", &json!({"path": path}))]);
        assert_ne!(removed["1"]["result"]["isError"], true, "{removed:?}");
    }
    let zero = answers(&place, &[call(1, "fsReadFile", &json!({"path": "/tmp/a\u{0}b"}))]);
    assert_eq!(zero["1"]["result"]["isError"], true, "{zero:?}");
}

#[test]
fn a_sandbox_that_is_not_there_is_an_answer_to_each_message() {
    let (place, _host) = with_box();
    place.run(["delete", "box"]).done();
    let answers = answers(&place, &[call(1, "processesList", &json!({}))]);
    assert_eq!(answers["1"]["error"]["code"], -32000);
    assert_eq!(answers["1"]["error"]["data"]["mayHaveRun"], false);
}

/// What a user does with the client that the authors of the protocol make.
const USE: &str = r#"
import asyncio, os, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

def is_error(result):
    # Its second version writes names as Python does.
    return result.is_error if hasattr(result, "is_error") else result.isError

async def use():
    server = StdioServerParameters(command=sys.argv[1], args=["mcp", "box"], env=dict(os.environ))
    async with stdio_client(server) as (reads, writes), ClientSession(reads, writes) as session:
        await session.initialize()
        tools = (await session.list_tools()).tools
        assert "processExecute" in [tool.name for tool in tools], tools
        ran = await session.call_tool("processExecute", {"command": "echo $((6*7))", "waitForCompletion": True})
        assert not is_error(ran) and "42" in ran.content[0].text, ran
        failed = await session.call_tool("fsReadFile", {"path": "/no/such/file"})
        assert is_error(failed), failed
        several = await asyncio.gather(*[session.call_tool("fsGetWorkingDirectory", {}) for _ in range(20)])
        assert all(not is_error(one) for one in several), several

asyncio.run(use())
"#;

#[test]
fn the_python_client_of_the_protocol_finds_the_tools_and_uses_them() {
    let python = std::env::var("REVEILLE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let asked = Command::new(&python).args(["-c", "import mcp"]).stderr(Stdio::null()).status();
    if !asked.is_ok_and(|status| status.success()) {
        return eprintln!(
            "skipped: {python} has no mcp: pip install mcp, or name another with REVEILLE_PYTHON"
        );
    }
    let (place, _host) = with_box();
    place.run(["sleep", "box"]).done();
    let mut command = Command::new(python);
    command.args(["-c", USE, env!("CARGO_BIN_EXE_reveille")]).env_clear();
    for (name, value) in place.command().get_envs() {
        command.env(name, value.unwrap());
    }
    said(command.current_dir(place.path())).done();
}

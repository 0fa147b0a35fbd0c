//! Script files: what a person gets wrong is said in one line that says where.

use std::io::Write;

use crate::client::{GET, connect, expect};
use reveille_faults::{ErrorKind, FaultServer, Script};

fn complaint(text: &str) -> String {
    let error = Script::from_json(text).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Script);
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

#[test]
fn a_file_does_what_the_same_words_in_rust_do() {
    let script = r#"{
        "steps": [
            {"status": 503, "headers": {"b": ["2", "\u00ff"], "a": "1"}, "framing": "bare"},
            {"status": "99", "reason": "Odd", "body": {"repeat": "ab", "length": 5}, "times": 2}
        ],
        "then": {"status": 200, "body": {"json": {"ok": true}}},
        "routes": [{"method": "PUT", "path": "/", "then": {"status": 409}}]
    }"#;
    let server = FaultServer::start(Script::from_json(script).unwrap()).unwrap();
    let mut stream = connect(&server);
    stream.write_all(&GET.repeat(4)).unwrap();
    let mut head = [0; 54];
    std::io::Read::read_exact(&mut stream, &mut head).unwrap();
    assert_eq!(&head[..], b"HTTP/1.1 503 Service Unavailable\r\nb: 2\r\nb: \xff\r\na: 1\r\n\r\n");
    expect(&mut stream, &"HTTP/1.1 99 Odd\r\ncontent-length: 5\r\n\r\nababa".repeat(2));
    expect(&mut stream, "HTTP/1.1 200 OK\r\ncontent-length: 11\r\n\r\n{\"ok\":true}");
    stream.write_all(b"PUT /x HTTP/1.1\r\nhost: box\r\n\r\n").unwrap();
    expect(&mut stream, "HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n");
}

#[test]
fn an_unknown_key_is_named_with_its_line() {
    let line = complaint("{\n  \"steps\": [\n    {\"statsu\": 503}\n  ]\n}");
    assert!(line.contains("unknown field `statsu`") && line.contains("line 3"), "{line}");
    for text in
        [r#"{"step": []}"#, r#"{"routes": [{"path": "/", "x": 1}]}"#, r#"{"then": {"goaway": {"lats": 1}}}"#]
    {
        assert!(complaint(text).contains("unknown field"));
    }
}

#[test]
fn what_cannot_be_is_named_with_its_step() {
    for (text, expected) in [
        (r#"{"steps": [{"status": 200}, {}]}"#, "steps[1]: one of \"status\""),
        (r#"{"steps": [{"status": 200, "reset": "after-head"}]}"#, "steps[0]: one of \"status\""),
        (r#"{"steps": [{"reset": "after-head", "body": "x"}]}"#, "steps[0]: \"body\" needs a \"status\""),
        (r#"{"then": {"status": 200, "times": 1, "for_ms": 1}}"#, "then: \"times\" and \"for_ms\" exclude"),
        (r#"{"then": {"status": 200}, "repeat": "last"}"#, "the script: \"then\" and \"repeat\" exclude"),
        (
            r#"{"routes": [{"path": "/", "steps": [{"rst_stream": "NOPE"}]}]}"#,
            "routes[0].steps[0]: HTTP/2 has no error code \"NOPE\"",
        ),
        (r#"{"then": {"status": 200, "headers": {"a": "€"}}}"#, "then: '€' is not a byte"),
        (r#"{"then": {"status": 200, "then_after_ms": 5}}"#, "then: \"then_after_ms\" belongs to \"then\""),
        (r#"{"then": {"hang": "after-head", "end": "close"}}"#, "then: \"end\" belongs to \"garbage\""),
        (r#"{"then": {"hang": "after-head", "at": "after-head"}}"#, "then: \"at\" belongs to"),
        (
            r#"{"then": {"goaway": {"last": 1, "answer": {"reset": "after-head"}}}}"#,
            "then: an answer needs a \"status\"",
        ),
    ] {
        let line = complaint(text);
        assert!(line.starts_with(expected), "{line}");
    }
}

#[test]
fn a_value_of_the_wrong_kind_is_told_what_it_should_be() {
    for (text, expected) in [
        (r#"{"then": {"status": 200, "body": 5}}"#, "a body is a text"),
        (r#"{"then": {"status": true}}"#, "a status is a number"),
        (r#"{"then": {"status": 200, "headers": {"a": 1}}}"#, "a header is a text"),
        (r#"{"then": {"reset": "later"}}"#, "unknown variant `later`"),
        ("nonsense", "expected"),
    ] {
        let line = complaint(text);
        assert!(line.contains(expected), "{line}");
    }
}

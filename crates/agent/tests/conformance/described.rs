//! The platform's own description of the sandbox API (OpenAPI), and whether an answer is one that it describes.

use std::collections::BTreeSet;
use std::fmt;

use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::{Value, json};

const DESCRIPTION: &str = include_str!("sandbox-openapi.yml");
/// Where the description stands for references inside it.
const PLACE: &str = "http://description.invalid/openapi.json";

/// What the description calls a text, and the vendor's server was recorded to answer `null` for.
const NULLABLE: [&str; 2] = [
    "/components/schemas/ProcessResponse/properties/completedAt",
    "/components/schemas/ProcessResponse/properties/logs",
];
/// Answers whose recorded type is none of the described ones: files come as what they are, a watch refuses in JSON,
/// and the newest clients stream a process by lines of JSON.
const TYPED_OTHERWISE: [&str; 4] = [
    "GET /filesystem/{path} 200",
    "GET /watch/filesystem/{path} 400",
    "GET /process/{identifier}/logs/stream 404",
    "POST /process 200",
];

/// One answer of one operation, as the description counts them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Described {
    method: String,
    path: String,
    status: String,
}

impl fmt::Display for Described {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, status } = self;
        write!(to, "{method} {path} {status}")
    }
}

/// What became of holding one answer against the description.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The description does not name this operation, or not with this status.
    Elsewhere,
    /// It is as described.
    Fits(Described),
    /// It is not, for this reason.
    Differs(String),
}

/// The description, ready to be asked.
pub(crate) struct Description {
    document: Value,
    schemas: Schemas,
    responses: Vec<(Described, Vec<(String, SchemaIndex)>)>,
}

impl Description {
    /// Reads the description that stands beside this file.
    pub(crate) fn read() -> Self {
        let mut document: Value = serde_yaml_ng::from_str(DESCRIPTION).expect("a description in YAML");
        for member in NULLABLE {
            let described = document.pointer_mut(member).expect("a member");
            described["type"] = json!([described["type"], "null"]);
        }
        let mut schemas = Schemas::new();
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V4);
        compiler.add_resource(PLACE, document.clone()).expect("a document");
        let mut responses = Vec::new();
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                for (status, response) in operation["responses"].as_object().expect("responses") {
                    let types = response["content"].as_object().into_iter().flatten().map(|(media, _)| {
                        let steps = ["paths", path, method, "responses", status, "content", media, "schema"];
                        let pointer: String =
                            steps.iter().map(|step| format!("/{}", escaped(step))).collect();
                        let schema = compiler.compile(&format!("{PLACE}#{pointer}"), &mut schemas);
                        (media.clone(), schema.expect("a schema"))
                    });
                    let described = Described {
                        method: method.to_uppercase(),
                        path: path.clone(),
                        status: status.clone(),
                    };
                    responses.push((described, types.collect()));
                }
            }
        }
        Self { document, schemas, responses }
    }

    /// Every answer that is described.
    pub(crate) fn all(&self) -> BTreeSet<Described> {
        self.responses.iter().map(|(described, _)| described.clone()).collect()
    }

    /// Holds `seen`, the answer to the request line `line` (`GET /health`), against the description.
    pub(crate) fn judge(&self, line: &str, seen: &Value) -> Verdict {
        let (method, target) = line.split_once(' ').expect("a request line");
        let path = target.split('?').next().unwrap_or_default();
        let Some(template) = self.template(path) else { return Verdict::Elsewhere };
        let status = seen["status"].to_string();
        let found = self.responses.iter().find(|(described, _)| {
            described.method == method && described.path == template && described.status == status
        });
        let Some((described, types)) = found else { return Verdict::Elsewhere };
        let media = seen["type"].as_str().unwrap_or_default();
        if types.is_empty() {
            return Verdict::Fits(described.clone());
        }
        let Some((_, schema)) = types.iter().find(|(name, _)| name == media) else {
            if TYPED_OTHERWISE.contains(&described.to_string().as_str()) {
                return Verdict::Fits(described.clone());
            }
            let names: Vec<_> = types.iter().map(|(name, _)| name.as_str()).collect();
            return Verdict::Differs(format!("{described}: {media:?} in place of {names:?}"));
        };
        // What is no JSON is shown by its text alone, in which a schema of objects has nothing to say.
        let Some(body) = seen.get("body") else { return Verdict::Fits(described.clone()) };
        match self.schemas.validate(body, *schema) {
            Ok(()) => Verdict::Fits(described.clone()),
            Err(error) => Verdict::Differs(format!("{described}: {error:#}\n  of {body}")),
        }
    }

    /// The path of the description that `path` is one of: the one with the most words of its own.
    fn template(&self, path: &str) -> Option<&str> {
        let templates = self.document["paths"].as_object()?.keys();
        templates
            .filter(|template| covers(template, path))
            .max_by_key(|template| template.split('/').filter(|step| !step.starts_with('{')).count())
            .map(String::as_str)
    }
}

/// Whether `path` is one of `template`'s, whose last `{path}` may have steps of its own.
fn covers(template: &str, path: &str) -> bool {
    let mut left = path.split('/');
    for step in template.split('/') {
        let Some(next) = left.next() else { return false };
        match step {
            "{path}" | "{mountPath}" => return true,
            _ if step.starts_with('{') && !next.is_empty() => {}
            _ if step == next => {}
            _ => return false,
        }
    }
    left.next().is_none()
}

/// One step of a JSON pointer in a URL's fragment (RFC 6901, 6).
fn escaped(step: &str) -> String {
    let pointer = step.replace('~', "~0").replace('/', "~1");
    pointer.replace('%', "%25").replace('{', "%7B").replace('}', "%7D")
}

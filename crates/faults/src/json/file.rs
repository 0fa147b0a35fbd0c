//! The words of a script file. Every key of a step is optional here; which go together is decided
//! when a step is read.

use std::fmt;

use serde::Deserialize as Words;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::Wrong;
use crate::code::Code;

#[derive(Words)]
#[serde(deny_unknown_fields)]
pub(super) struct ScriptSpec {
    #[serde(default)]
    pub(super) steps: Vec<StepSpec>,
    pub(super) then: Option<StepSpec>,
    pub(super) repeat: Option<Repeat>,
    #[serde(default)]
    pub(super) routes: Vec<RouteSpec>,
}

#[derive(Words)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteSpec {
    #[serde(default = "any_method")]
    pub(super) method: String,
    pub(super) path: String,
    #[serde(default)]
    pub(super) steps: Vec<StepSpec>,
    pub(super) then: Option<StepSpec>,
    pub(super) repeat: Option<Repeat>,
}

fn any_method() -> String {
    "*".to_owned()
}

#[derive(Words)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Repeat {
    Last,
    All,
}

#[derive(Words)]
#[serde(deny_unknown_fields)]
pub(super) struct StepSpec {
    pub(super) status: Option<StatusSpec>,
    pub(super) reset: Option<MomentSpec>,
    pub(super) close: Option<MomentSpec>,
    pub(super) hang: Option<MomentSpec>,
    pub(super) freeze: Option<MomentSpec>,
    pub(super) garbage: Option<String>,
    pub(super) rst_stream: Option<CodeSpec>,
    pub(super) goaway: Option<GoAwaySpec>,

    pub(super) at: Option<MomentSpec>,
    pub(super) end: Option<EndSpec>,
    pub(super) delay_ms: Option<u64>,
    pub(super) times: Option<u32>,
    pub(super) for_ms: Option<u64>,

    pub(super) reason: Option<String>,
    pub(super) headers: Option<Headers>,
    pub(super) body: Option<BodySpec>,
    pub(super) framing: Option<FramingSpec>,
    pub(super) content_length: Option<u64>,
    pub(super) informational: Option<Vec<InformationalSpec>>,
    pub(super) body_delay_ms: Option<u64>,
    pub(super) early: Option<bool>,
    pub(super) cut_head: Option<CutSpec>,
    pub(super) cut_body: Option<CutSpec>,
    pub(super) connection_close: Option<bool>,
    pub(super) then: Option<EndSpec>,
    pub(super) then_after_ms: Option<u64>,
}

impl StepSpec {
    /// A key that means nothing without a status.
    pub(super) fn key_of_an_answer(&self) -> Option<&'static str> {
        let given = [
            ("reason", self.reason.is_some()),
            ("headers", self.headers.is_some()),
            ("body", self.body.is_some()),
            ("framing", self.framing.is_some()),
            ("content_length", self.content_length.is_some()),
            ("informational", self.informational.is_some()),
            ("body_delay_ms", self.body_delay_ms.is_some()),
            ("early", self.early.is_some()),
            ("cut_head", self.cut_head.is_some()),
            ("cut_body", self.cut_body.is_some()),
            ("connection_close", self.connection_close.is_some()),
            ("then", self.then.is_some()),
            ("then_after_ms", self.then_after_ms.is_some()),
        ];
        given.into_iter().find_map(|(key, is_given)| is_given.then_some(key))
    }

    pub(super) fn kinds_given(&self) -> usize {
        let given = [
            self.status.is_some(),
            self.reset.is_some(),
            self.close.is_some(),
            self.hang.is_some(),
            self.freeze.is_some(),
            self.garbage.is_some(),
            self.rst_stream.is_some(),
            self.goaway.is_some(),
        ];
        given.into_iter().filter(|given| *given).count()
    }
}

#[derive(Words)]
#[serde(untagged, expecting = "a status is a number like 503 or a text like \"99\"")]
pub(super) enum StatusSpec {
    Number(u16),
    Text(String),
}

#[derive(Clone, Copy, Words)]
#[serde(rename_all = "kebab-case")]
pub(super) enum MomentSpec {
    BeforeRequest,
    AfterHead,
    AfterRequest,
}

#[derive(Words)]
#[serde(rename_all = "snake_case")]
pub(super) enum EndSpec {
    Close,
    Reset,
    Hang,
    Freeze,
    RstStream(CodeSpec),
}

#[derive(Words)]
#[serde(untagged, expecting = "a code is a name like \"REFUSED_STREAM\" or a number")]
pub(super) enum CodeSpec {
    Number(u32),
    Name(String),
}

impl CodeSpec {
    pub(super) fn read(&self) -> Result<Code, Wrong> {
        match self {
            Self::Number(code) => Ok(Code(*code)),
            Self::Name(name) => {
                Code::from_name(name).ok_or_else(|| Wrong::new(format!("HTTP/2 has no error code {name:?}")))
            }
        }
    }
}

#[derive(Words)]
#[serde(deny_unknown_fields)]
pub(super) struct GoAwaySpec {
    pub(super) last: LastSpec,
    pub(super) code: Option<CodeSpec>,
    pub(super) at: Option<MomentSpec>,
    #[serde(default)]
    pub(super) graceful: bool,
    pub(super) answer: Option<Box<StepSpec>>,
    pub(super) end: Option<EndSpec>,
}

#[derive(Words)]
#[serde(untagged, expecting = "a last stream is \"covering\", \"not-covering\" or a number")]
pub(super) enum LastSpec {
    Number(u32),
    Word(LastWord),
}

#[derive(Words)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LastWord {
    Covering,
    NotCovering,
}

#[derive(Words)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FramingSpec {
    Length,
    Chunked,
    UntilClose,
    Bare,
}

#[derive(Words)]
#[serde(deny_unknown_fields)]
pub(super) struct CutSpec {
    pub(super) after: u64,
    pub(super) end: EndSpec,
}

#[derive(Words)]
#[serde(untagged, expecting = "an informational head is a number or {\"status\": 103, \"headers\": {…}}")]
pub(super) enum InformationalSpec {
    Number(u16),
    Head(InformationalHead),
}

#[derive(Words)]
#[serde(deny_unknown_fields)]
pub(super) struct InformationalHead {
    pub(super) status: u16,
    #[serde(default)]
    pub(super) headers: Headers,
}

impl From<InformationalSpec> for InformationalHead {
    fn from(spec: InformationalSpec) -> Self {
        match spec {
            InformationalSpec::Number(status) => Self { status, headers: Headers::default() },
            InformationalSpec::Head(head) => head,
        }
    }
}

#[derive(Words)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "a body is a text, {\"json\": …}, {\"raw\": \"…\"}, {\"repeat\": \"…\", \"length\": N} or {\"endless\": \"…\"}"
)]
pub(super) enum BodySpec {
    Text(String),
    Json { json: serde_json::Value },
    Raw { raw: String },
    Repeat { repeat: String, length: u64 },
    Endless { endless: String },
}

/// Headers in the order of the file; a name may stand there twice or have a list of values.
#[derive(Default)]
pub(super) struct Headers(pub(super) Vec<(String, String)>);

#[derive(Words)]
#[serde(untagged, expecting = "a header is a text or a list of texts")]
enum Values {
    One(String),
    Many(Vec<String>),
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers like {\"retry-after\": \"0\"}")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = Vec::new();
                while let Some((name, values)) = map.next_entry::<String, Values>()? {
                    match values {
                        Values::One(value) => headers.push((name, value)),
                        Values::Many(values) => {
                            headers.extend(values.into_iter().map(|value| (name.clone(), value)));
                        }
                    }
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

//! Script files: the file's words become a script, or one line that says what is wrong and where.

mod file;

use std::time::Duration;

use bytes::Bytes;

use crate::answer::{Answer, Framing, Informational};
use crate::body::Body;
use crate::error::Error;
use crate::script::{Script, Steps};
use crate::step::{End, GoAway, Moment, Step};
use file::{
    BodySpec, CutSpec, EndSpec, GoAwaySpec, Headers, InformationalHead, RouteSpec, ScriptSpec, StatusSpec,
    StepSpec,
};

pub(crate) fn parse(text: &str) -> Result<Script, Error> {
    let file: ScriptSpec = serde_json::from_str(text).map_err(|source| {
        Error::script(format!("the script cannot be understood: {source}")).caused_by(source)
    })?;
    let ScriptSpec { steps, then, repeat, routes } = file;
    let mut script = Script { steps: read_steps("", steps, then, repeat)?, routes: Vec::new() };
    for (index, route) in routes.into_iter().enumerate() {
        let RouteSpec { method, path, steps, then, repeat } = route;
        let steps = read_steps(&format!("routes[{index}]."), steps, then, repeat)?;
        script = script.on(&method, &path, steps);
    }
    Ok(script)
}

fn read_steps(
    place: &str,
    steps: Vec<StepSpec>,
    then: Option<StepSpec>,
    repeat: Option<file::Repeat>,
) -> Result<Steps, Error> {
    let mut read = Steps::new();
    for (index, spec) in steps.into_iter().enumerate() {
        read = read.step(step(spec).map_err(|wrong| wrong.at(&format!("{place}steps[{index}]")))?);
    }
    match (then, repeat) {
        (Some(_), Some(_)) => {
            let place = if place.is_empty() { "the script" } else { place.trim_end_matches('.') };
            Err(exclusive("then", "repeat").at(place))
        }
        (Some(spec), None) => Ok(read.then(step(spec).map_err(|wrong| wrong.at(&format!("{place}then")))?)),
        (None, Some(file::Repeat::Last)) => Ok(read.repeat_last()),
        (None, Some(file::Repeat::All)) => Ok(read.repeat_all()),
        (None, None) => Ok(read),
    }
}

/// What is wrong with a step, before it is known where the step stands.
struct Wrong(String);

impl Wrong {
    fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    fn at(self, place: &str) -> Error {
        Error::script(format!("{place}: {}", self.0))
    }
}

fn step(spec: StepSpec) -> Result<Step, Wrong> {
    check(&spec)?;
    let delay = Duration::from_millis(spec.delay_ms.unwrap_or_default());
    let (times, window) = (spec.times, spec.for_ms.map(Duration::from_millis));
    let step = act(spec)?.delay(delay);
    match (times, window) {
        (Some(_), Some(_)) => Err(exclusive("times", "for_ms")),
        (Some(times), None) => Ok(step.times(times)),
        (None, Some(window)) => Ok(step.lasting(window)),
        (None, None) => Ok(step),
    }
}

fn check(spec: &StepSpec) -> Result<(), Wrong> {
    if spec.kinds_given() != 1 {
        return Err(Wrong::new(
            "one of \"status\", \"reset\", \"close\", \"hang\", \"freeze\", \"garbage\", \"rst_stream\" and \
             \"goaway\" is needed, and only one",
        ));
    }
    if let (None, Some(key)) = (&spec.status, spec.key_of_an_answer()) {
        return Err(Wrong::new(format!("\"{key}\" needs a \"status\"")));
    }
    if spec.end.is_some() && spec.garbage.is_none() {
        return Err(Wrong::new("\"end\" belongs to \"garbage\""));
    }
    if spec.at.is_some() && spec.garbage.is_none() && spec.rst_stream.is_none() {
        return Err(Wrong::new("\"at\" belongs to \"garbage\" and \"rst_stream\""));
    }
    Ok(())
}

fn act(spec: StepSpec) -> Result<Step, Wrong> {
    let at = spec.at.map_or(Moment::AfterRequest, Moment::from);
    if let Some(bytes) = &spec.garbage {
        return Ok(Step::garbage_at(at, raw(bytes)?, spec.end.map_or(Ok(End::Close), read_end)?));
    }
    if let Some(code) = &spec.rst_stream {
        return Ok(Step::end(at, End::Stream(code.read()?)));
    }
    if let Some(goaway) = spec.goaway {
        return read_goaway(goaway).map(Step::goaway);
    }
    let ends = [
        (spec.reset, End::Reset),
        (spec.close, End::Close),
        (spec.hang, End::Hang),
        (spec.freeze, End::Freeze),
    ];
    for (moment, end) in ends {
        if let Some(moment) = moment {
            return Ok(Step::end(moment.into(), end));
        }
    }
    read_answer(spec).map(Step::from)
}

fn read_answer(spec: StepSpec) -> Result<Answer, Wrong> {
    let mut answer = match spec.status {
        Some(StatusSpec::Number(status)) => Answer::status(status),
        Some(StatusSpec::Text(status)) => Answer::status_text(status),
        None => return Err(Wrong::new("an answer needs a \"status\"")),
    };
    if let Some(reason) = spec.reason {
        answer = answer.reason(raw(&reason)?);
    }
    answer.headers = read_headers(spec.headers.unwrap_or_default())?;
    if let Some(body) = spec.body {
        answer = answer.body(read_body(body)?);
    }
    if let Some(framing) = spec.framing {
        answer = answer.framing(framing.into());
    }
    if let Some(length) = spec.content_length {
        answer = answer.content_length(length);
    }
    for head in spec.informational.unwrap_or_default() {
        let InformationalHead { status, headers } = head.into();
        let headers = read_headers(headers)?;
        answer.informational.push(Informational { status: format!("{status:03}"), headers });
    }
    if let Some(delay) = spec.body_delay_ms {
        answer = answer.delay_body(Duration::from_millis(delay));
    }
    if spec.early == Some(true) {
        answer = answer.early();
    }
    answer = match (spec.cut_head, spec.cut_body) {
        (Some(_), Some(_)) => return Err(exclusive("cut_head", "cut_body")),
        (Some(CutSpec { after, end }), None) => answer.cut_head(after, read_end(end)?),
        (None, Some(CutSpec { after, end })) => answer.cut_body(after, read_end(end)?),
        (None, None) => answer,
    };
    let idle = spec.then_after_ms.map(Duration::from_millis);
    match (spec.connection_close == Some(true), spec.then, idle) {
        (true, Some(_), _) => Err(exclusive("connection_close", "then")),
        (_, None, Some(_)) => Err(Wrong::new("\"then_after_ms\" belongs to \"then\"")),
        (true, None, None) => Ok(answer.connection_close()),
        (false, Some(end), idle) => Ok(answer.then_after(idle.unwrap_or_default(), read_end(end)?)),
        (false, None, None) => Ok(answer),
    }
}

fn exclusive(one: &str, other: &str) -> Wrong {
    Wrong::new(format!("\"{one}\" and \"{other}\" exclude each other"))
}

fn read_goaway(spec: GoAwaySpec) -> Result<GoAway, Wrong> {
    let mut goaway = match spec.last {
        file::LastSpec::Word(file::LastWord::Covering) => GoAway::covering(),
        file::LastSpec::Word(file::LastWord::NotCovering) => GoAway::not_covering(),
        file::LastSpec::Number(id) => GoAway::last_stream(id),
    };
    if let Some(code) = spec.code {
        goaway = goaway.code(code.read()?);
    }
    if let Some(moment) = spec.at {
        goaway = goaway.at(moment.into());
    }
    if spec.graceful {
        goaway = goaway.graceful();
    }
    match (spec.answer, spec.end) {
        (Some(_), Some(_)) => Err(exclusive("answer", "end")),
        (Some(spec), None) => {
            let spec = *spec;
            check(&spec)?;
            if spec.times.is_some() || spec.for_ms.is_some() {
                return Err(Wrong::new("\"times\" and \"for_ms\" belong to the step, not to its \"answer\""));
            }
            let delay = Duration::from_millis(spec.delay_ms.unwrap_or_default());
            Ok(goaway.then_answer(read_answer(spec)?.delay(delay)))
        }
        (None, Some(end)) => Ok(goaway.then(read_end(end)?)),
        (None, None) => Ok(goaway),
    }
}

fn read_end(end: EndSpec) -> Result<End, Wrong> {
    Ok(match end {
        EndSpec::Close => End::Close,
        EndSpec::Reset => End::Reset,
        EndSpec::Hang => End::Hang,
        EndSpec::Freeze => End::Freeze,
        EndSpec::RstStream(code) => End::Stream(code.read()?),
    })
}

fn read_headers(headers: Headers) -> Result<Vec<(Bytes, Bytes)>, Wrong> {
    headers.0.into_iter().map(|(name, value)| Ok((raw(&name)?, raw(&value)?))).collect()
}

fn read_body(body: BodySpec) -> Result<Body, Wrong> {
    Ok(match body {
        BodySpec::Text(text) => Body::new(text),
        BodySpec::Json { json } => Body::new(json.to_string()),
        BodySpec::Raw { raw: text } => Body::new(raw(&text)?),
        BodySpec::Repeat { repeat, length } => Body::repeat(repeat, length),
        BodySpec::Endless { endless } => Body::endless(endless),
    })
}

/// The bytes that a string stands for where any byte is allowed: one a character, up to U+00FF.
fn raw(text: &str) -> Result<Bytes, Wrong> {
    let byte = |character: char| {
        u8::try_from(u32::from(character)).map_err(|_| {
            Wrong::new(format!("{character:?} is not a byte; bytes are written as \\u0000 to \\u00ff"))
        })
    };
    text.chars().map(byte).collect()
}

impl From<file::MomentSpec> for Moment {
    fn from(moment: file::MomentSpec) -> Self {
        match moment {
            file::MomentSpec::BeforeRequest => Self::BeforeRequest,
            file::MomentSpec::AfterHead => Self::AfterHead,
            file::MomentSpec::AfterRequest => Self::AfterRequest,
        }
    }
}

impl From<file::FramingSpec> for Framing {
    fn from(framing: file::FramingSpec) -> Self {
        match framing {
            file::FramingSpec::Length => Self::Length,
            file::FramingSpec::Chunked => Self::Chunked,
            file::FramingSpec::UntilClose => Self::UntilClose,
            file::FramingSpec::Bare => Self::Bare,
        }
    }
}

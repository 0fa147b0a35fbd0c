//! Templates of answers, and where an answer does not fit one.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// One line for each place in which `got` does not fit `want`.
pub(crate) fn differences(want: &Value, got: &Value, at: &str) -> Vec<String> {
    match want {
        Value::String(text) => match kind(text) {
            Some(fits) if fits(got) => Vec::new(),
            None if want == got => Vec::new(),
            _ => vec![wanted(want, got, at)],
        },
        Value::Object(object) => of_object(object, got, at),
        Value::Array(elements) => match got {
            Value::Array(list) if list.len() == elements.len() => {
                let pairs = elements.iter().zip(list).enumerate();
                pairs.flat_map(|(i, (want, got))| differences(want, got, &format!("{at}[{i}]"))).collect()
            }
            _ => vec![wanted(want, got, at)],
        },
        _ if want == got => Vec::new(),
        _ => vec![wanted(want, got, at)],
    }
}

fn of_object(want: &Map<String, Value>, got: &Value, at: &str) -> Vec<String> {
    if let Some(Value::Array(elements)) = want.get("<unordered>") {
        return match got {
            Value::Array(list) if list.len() == elements.len() => without_match(elements, list, at),
            _ => vec![format!("{at}: want {} elements in any order, got {}", elements.len(), short(got))],
        };
    }
    if let Some(Value::Array(elements)) = want.get("<contains>") {
        return match got {
            Value::Array(list) => without_match(elements, list, at),
            _ => vec![format!("{at}: want a list, got {}", short(got))],
        };
    }
    let Value::Object(object) = got else {
        return vec![format!("{at}: want an object, got {}", short(got))];
    };
    let pairs = want.iter().map(|(key, value)| (key, value, object.get(key)));
    pairs
        .flat_map(|(key, value, got)| match got {
            Some(got) => differences(value, got, &format!("{at}.{key}")),
            None => vec![format!("{at}.{key}: missing")],
        })
        .collect()
}

/// What stands for a value of a kind.
fn kind(name: &str) -> Option<fn(&Value) -> bool> {
    Some(match name {
        "<string>" => Value::is_string,
        "<int>" => |value| value.is_i64() || value.is_u64(),
        "<number>" => Value::is_number,
        "<bool>" => Value::is_boolean,
        "<list>" => Value::is_array,
        "<object>" => Value::is_object,
        "<any>" => |_| true,
        "<null|string>" => |value| value.is_null() || value.is_string(),
        "<digits>" => |value| {
            value.as_str().is_some_and(|text| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()))
        },
        "<httpdate>" => |value| value.as_str().is_some_and(|text| httpdate::parse_http_date(text).is_ok()),
        "<rfc3339>" => |value| {
            let is_time = |text: &str| humantime::parse_rfc3339(text).is_ok();
            value.as_str().is_some_and(is_time)
        },
        _ => return None,
    })
}

fn without_match(elements: &[Value], list: &[Value], at: &str) -> Vec<String> {
    let mut left: Vec<&Value> = list.iter().collect();
    let mut problems = Vec::new();
    for element in elements {
        match left.iter().position(|candidate| differences(element, candidate, at).is_empty()) {
            Some(found) => drop(left.remove(found)),
            None => problems.push(format!("{at}: nothing fits {} in {}", short(element), short_list(list))),
        }
    }
    problems
}

fn wanted(want: &Value, got: &Value, at: &str) -> String {
    format!("{at}: want {}, got {}", short(want), short(got))
}

fn short_list(list: &[Value]) -> String {
    short(&Value::Array(list.to_vec()))
}

/// A value in at most 160 letters.
pub(crate) fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() < 160 { text } else { text.chars().take(157).chain("...".chars()).collect() }
}

/// `value` with `{name}` replaced by what the name stands for.
pub(crate) fn filled(value: &Value, names: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(filled_text(text, names)),
        Value::Array(list) => list.iter().map(|value| filled(value, names)).collect(),
        Value::Object(object) => {
            let pairs = object.iter();
            Value::Object(pairs.map(|(key, value)| (filled_text(key, names), filled(value, names))).collect())
        }
        _ => value.clone(),
    }
}

/// The same of a text.
pub(crate) fn filled_text(text: &str, names: &BTreeMap<String, String>) -> String {
    names.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
}

use std::io;

use reveille_faults::{Arrival, BodyState, Counts};
use serde_json::json;

use super::{FAINT, Format, Line, STRONG, Screen};
use crate::report::{duration, size};

/// What a script server shows: where it is, each arrival, and the sum at the end.
impl Screen {
    pub(crate) fn faults_begin(&self, url: &str) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(&json!({"listening": {"url": url}})),
            Format::People => {
                self.note(Line::from("listening on ").styled(STRONG, url).text(", until Ctrl-C"));
                Ok(())
            }
        }
    }

    pub(crate) fn arrival(&self, arrival: &Arrival) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(&json!({"arrival": in_json(arrival)})),
            Format::People => self.line(in_a_line(arrival)),
        }
    }

    pub(crate) fn faults_end(&self, counts: &Counts) -> io::Result<()> {
        match self.format {
            Format::Json => self.json(&json!({"summary": {
                "arrivals": counts.arrivals, "connections": counts.connections, "open": counts.open,
                "cancelled": counts.cancelled, "streamResets": counts.stream_resets,
            }})),
            Format::People => {
                self.note(in_a_sentence(counts));
                Ok(())
            }
        }
    }
}

fn in_a_line(arrival: &Arrival) -> Line {
    let at = duration(arrival.at);
    let protocol = arrival.protocol.to_string();
    let mut line = Line::new()
        .styled(FAINT, format_args!("{at:>8}  #{:<3} {protocol}", arrival.connection))
        .text(format_args!("  {:<7} {}  ", arrival.method, arrival.target))
        .styled(STRONG, &arrival.treatment);
    if let Some(body) = body_words(arrival) {
        line = line.text("  ").styled(FAINT, format_args!("body {body}"));
    }
    if arrival.cancelled {
        line = line.text("  given up");
    }
    line
}

fn in_json(arrival: &Arrival) -> serde_json::Value {
    let headers: Vec<_> = arrival
        .headers
        .iter()
        .map(|(name, value)| [name.as_str().into(), String::from_utf8_lossy(value)])
        .collect();
    json!({
        "sequence": arrival.sequence,
        "connection": arrival.connection,
        "protocol": arrival.protocol.to_string(),
        "stream": arrival.stream,
        "method": arrival.method,
        "target": arrival.target,
        "headers": headers,
        "body": {
            "length": arrival.body.length,
            "sha256": arrival.body.sha256,
            "complete": arrival.body.state == BodyState::Complete,
        },
        "atMs": (arrival.at.as_secs_f64() * 10_000.0).round() / 10.0,
        "treatment": arrival.treatment,
        "cancelled": arrival.cancelled,
    })
}

/// How much of a body arrived, in words.
fn body_words(arrival: &Arrival) -> Option<String> {
    let size = size(arrival.body.length);
    match arrival.body.state {
        BodyState::Complete if arrival.body.length == 0 => None,
        BodyState::Complete => Some(size),
        _ => Some(format!("{size}, not all")),
    }
}

/// The counters in a sentence.
fn in_a_sentence(counts: &Counts) -> String {
    let plural = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let mut text =
        format!("{} on {}", plural(counts.arrivals, "request"), plural(counts.connections, "connection"));
    if counts.cancelled > 0 {
        text.push_str(&format!(", {} given up by the client", counts.cancelled));
    }
    text
}

//! Values that are made anew for each request, and the words that stand for them: `{{FUNC:name(argument)}}`.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Builder;

use super::text::{Piece, Text};
use crate::clock;

/// How such a word begins and ends, and how long what stands between can be, in bytes.
const BEGIN: &str = "{{FUNC:";
const END: &str = ")}}";
const MAX_WORD: usize = 64;
/// How many values are made for one request, as on the platform; the words that are left stay as they are.
const AT_MOST: usize = 10;
/// The longest value that can be asked for, as on the platform.
const MAX_LENGTH: usize = 1024;
/// Below what a number is that does not say.
const BELOW: u64 = 2_147_483_647;
/// What answers tell of values begin so: behind it stands the header or the field that one is in.
const TOLD: &str = "x-blaxel-func-";

/// What is made where a word stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// The word itself, for where no value is made.
    text: String,
    name: String,
    value: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Uuid,
    UuidByTime,
    Seconds,
    Milliseconds,
    Nanoseconds,
    DateTime,
    Date,
    Time,
    NumberBelow(u64),
    HexDigits(usize),
    Letters(usize),
}

/// The first word in a text that a value can be made for, with what stands before it and behind it.
pub(super) fn first_word(text: &str) -> Option<(&str, Word, &str)> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find(BEGIN)?;
        let inner = &text[at + BEGIN.len()..];
        if let Some((word, length)) = Word::read(inner) {
            return Some((&text[..at], word, &inner[length..]));
        }
        from = at + BEGIN.len();
    }
}

impl Word {
    /// Reads what stands behind the beginning of a word, and says how long that is.
    fn read(inner: &str) -> Option<(Self, usize)> {
        let end = inner.find(END).filter(|end| *end <= MAX_WORD)?;
        let (name, argument) = inner[..end].split_once('(')?;
        let name = name.to_ascii_lowercase();
        let value = Kind::read(&name, argument)?;
        let length = end + END.len();
        Some((Self { text: format!("{BEGIN}{}", &inner[..length]), name, value }, length))
    }
}

impl Kind {
    fn read(name: &str, argument: &str) -> Option<Self> {
        let length = |unsaid: usize| match argument {
            "" => Some(unsaid),
            said => number(said)
                .and_then(|it| usize::try_from(it).ok())
                .filter(|it| (1..=MAX_LENGTH).contains(it)),
        };
        match name {
            "randint" if argument.is_empty() => return Some(Self::NumberBelow(BELOW)),
            "randint" => return number(argument).filter(|below| *below > 0).map(Self::NumberBelow),
            "randhex" => return length(32).map(Self::HexDigits),
            "randstr" => return length(16).map(Self::Letters),
            _ if !argument.is_empty() => return None,
            _ => {}
        }
        Some(match name {
            "uuid" | "uuidv4" => Self::Uuid,
            "uuidv7" => Self::UuidByTime,
            "timestamp" => Self::Seconds,
            "timestamp_ms" => Self::Milliseconds,
            "timestamp_ns" => Self::Nanoseconds,
            "datetime" | "iso8601" => Self::DateTime,
            "date" => Self::Date,
            "time" => Self::Time,
            "nonce" => Self::HexDigits(32),
            _ => return None,
        })
    }

    /// A value; none where the system gives no random bits.
    fn value(self, now: SystemTime) -> Option<String> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let stamp = clock::stamp(now);
        Some(match self {
            Self::Uuid => Builder::from_random_bytes(random()?).into_uuid().to_string(),
            Self::UuidByTime => {
                let now = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
                Builder::from_unix_timestamp_millis(now, &random()?).into_uuid().to_string()
            }
            Self::Seconds => since.as_secs().to_string(),
            Self::Milliseconds => since.as_millis().to_string(),
            Self::Nanoseconds => since.as_nanos().to_string(),
            Self::DateTime => format!("{}Z", stamp.get(..19)?),
            Self::Date => stamp.get(..10)?.to_owned(),
            Self::Time => stamp.get(11..19)?.to_owned(),
            Self::NumberBelow(below) => number_below(below)?.to_string(),
            Self::HexDigits(many) => drawn(b"0123456789abcdef", many)?,
            Self::Letters(many) => {
                drawn(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", many)?
            }
        })
    }
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn random<const N: usize>() -> Option<[u8; N]> {
    let mut bits = [0; N];
    getrandom::fill(&mut bits).ok()?;
    Some(bits)
}

/// Every number equally likely: those at the end that would give the first ones another chance are drawn again.
fn number_below(below: u64) -> Option<u64> {
    let fair = u64::MAX - u64::MAX % below;
    loop {
        let drawn = u64::from_le_bytes(random()?);
        if drawn < fair {
            return Some(drawn % below);
        }
    }
}

/// So many of these signs, each equally likely.
fn drawn(signs: &[u8], many: usize) -> Option<String> {
    let fair = 256 - 256 % signs.len();
    let mut drawn = String::with_capacity(many);
    while drawn.len() < many {
        let bits: [u8; 64] = random()?;
        let fit = bits.iter().map(|bits| usize::from(*bits)).filter(|bits| *bits < fair);
        drawn.extend(fit.take(many - drawn.len()).map(|bits| char::from(signs[bits % signs.len()])));
    }
    Some(drawn)
}

/// The values that are made for one request. Its answer tells of them.
#[derive(Debug)]
pub(in crate::egress) struct Made {
    now: SystemTime,
    left: usize,
    told: Vec<(String, String)>,
}

impl Made {
    pub(in crate::egress) fn at(now: SystemTime) -> Self {
        Self { now, left: AT_MOST, told: Vec::new() }
    }

    /// A text as it stands in this request, in this header or field.
    pub(in crate::egress) fn write(&mut self, target: &str, text: &Text) -> String {
        let (mut written, mut told) = (String::new(), Vec::new());
        for piece in text.pieces() {
            match piece {
                Piece::Fixed(text) => written.push_str(text.reveal()),
                Piece::Made(word) => match self.value(word) {
                    Some(value) => {
                        written.push_str(&value);
                        told.push(format!("{}={value}", word.name));
                    }
                    None => written.push_str(&word.text),
                },
            }
        }
        if !told.is_empty() {
            self.told.push((target.to_owned(), told.join(", ")));
        }
        written
    }

    fn value(&mut self, word: &Word) -> Option<String> {
        self.left = self.left.checked_sub(1)?;
        word.value.value(self.now)
    }

    /// Tells of the values in an answer. A field whose name is no part of a header's is left out.
    pub(in crate::egress) fn tell(self, headers: &mut HeaderMap) {
        for (target, told) in self.told {
            let name = HeaderName::try_from(format!("{TOLD}{target}"));
            if let (Ok(name), Ok(told)) = (name, HeaderValue::try_from(told)) {
                headers.insert(name, told);
            }
        }
    }
}

impl Word {
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// 2026-11-28T19:42:39.25Z.
    const NOW: Duration = Duration::from_millis(1_795_894_959_250);

    fn made(text: &str) -> String {
        let text = Text::read(text, |_| None).unwrap();
        Made::at(SystemTime::UNIX_EPOCH + NOW).write("x", &text)
    }

    fn one(function: &str) -> String {
        made(&format!("{{{{FUNC:{function}}}}}"))
    }

    #[test]
    fn times_are_those_of_the_request() {
        for (function, wanted) in [
            ("timestamp()", "1795894959"),
            ("timestamp_ms()", "1795894959250"),
            ("timestamp_ns()", "1795894959250000000"),
            ("datetime()", "2026-11-28T19:42:39Z"),
            ("iso8601()", "2026-11-28T19:42:39Z"),
            ("DATE()", "2026-11-28"),
            ("time()", "19:42:39"),
        ] {
            assert_eq!(one(function), wanted, "{function}");
        }
    }

    #[test]
    fn what_is_drawn_has_its_form_and_is_another_each_time() {
        let is_hex =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        for (function, length) in
            [("randhex()", 32), ("randhex(7)", 7), ("randhex(1024)", 1024), ("nonce()", 32)]
        {
            let drawn = one(function);
            assert!(drawn.len() == length && is_hex(&drawn), "{function}: {drawn}");
        }
        for (function, length) in [("randstr()", 16), ("randstr(1)", 1), ("randstr(1024)", 1024)] {
            let drawn = one(function);
            assert!(drawn.len() == length && drawn.bytes().all(|it| it.is_ascii_alphanumeric()), "{drawn}");
        }
        for (function, version) in [("uuid()", "4"), ("uuidv4()", "4"), ("UUIDv7()", "7")] {
            let (drawn, other) = (one(function), one(function));
            let parts: Vec<&str> = drawn.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{drawn}");
            assert!(parts[2].starts_with(version) && parts[3].starts_with(['8', '9', 'a', 'b']), "{drawn}");
            assert!(parts.iter().all(|part| is_hex(part)) && drawn != other, "{drawn}");
        }
        assert!(one("uuidv7()").starts_with("01a223ae-5c92-7"), "{}", one("uuidv7()"));
        let numbers: Vec<u64> = (0..64).map(|_| one("randint(3)").parse().unwrap()).collect();
        assert!((0..3).all(|number| numbers.contains(&number)) && numbers.iter().all(|it| *it < 3));
        assert!(one("randint()").parse::<u64>().unwrap() < BELOW);
    }

    #[test]
    fn what_stands_for_nothing_stays() {
        for text in [
            "{{FUNC:notafunction()}}",
            "{{FUNC:uuid}}",
            "{{FUNC:uuid(1)}}",
            "{{FUNC:randhex(abc)}}",
            "{{FUNC:randhex(1025)}}",
            "{{FUNC:randstr(0)}}",
            "{{FUNC:randint(0)}}",
            "{{FUNC:randint(-1)}}",
            "{{FUNC:uuid()",
            "{{FUNC:",
            "{{func:uuid()}}",
        ] {
            assert_eq!(made(text), text);
        }
        assert_eq!(made("a{{FUNC:{{FUNC:date()}}z"), "a{{FUNC:2026-11-28z");
        let long = format!("{{{{FUNC:uuid({}", "x".repeat(100_000));
        assert_eq!(made(&long), long);
    }

    #[test]
    fn ten_are_made_for_a_request_and_its_answer_tells_of_each_where_it_stands() {
        let text = |text: &str| Text::read(text, |name| (name == "k").then(|| "sk-1".into())).unwrap();
        let mut made = Made::at(SystemTime::UNIX_EPOCH + NOW);
        let one = made.write("X-One", &text("{{FUNC:Date()}}|{{FUNC:time()}} {{SECRET:k}}"));
        assert_eq!(one, "2026-11-28|19:42:39 sk-1");
        made.write("no header", &text("{{FUNC:date()}}"));
        for _ in 0..7 {
            made.write("x-again", &text("{{FUNC:date()}}"));
        }
        assert_eq!(made.write("x-over", &text("{{FUNC:date()}}")), "{{FUNC:date()}}");
        assert_eq!(made.write("x-fixed", &text("{{SECRET:k}}")), "sk-1");
        let mut headers = HeaderMap::new();
        made.tell(&mut headers);
        assert_eq!(headers["x-blaxel-func-x-one"], "date=2026-11-28, time=19:42:39");
        assert_eq!(headers["x-blaxel-func-x-again"], "date=2026-11-28");
        assert_eq!(headers.len(), 2, "{headers:?}");
    }
}

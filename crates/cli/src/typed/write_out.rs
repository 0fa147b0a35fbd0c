//! The format of `--write-out`, as curl has it.

/// A piece of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Value(Value),
}

/// A format that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WriteOut(pub(crate) Vec<Piece>);

/// What can be asked for, under curl's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    HttpCode,
    ContentType,
    NumRedirects,
    NumRetries,
    SizeDownload,
    TimeTotal,
}

/// Every name, and what it stands for.
const NAMES: [(&str, Value); 7] = [
    ("http_code", Value::HttpCode),
    ("response_code", Value::HttpCode),
    ("content_type", Value::ContentType),
    ("num_redirects", Value::NumRedirects),
    ("num_retries", Value::NumRetries),
    ("size_download", Value::SizeDownload),
    ("time_total", Value::TimeTotal),
];

/// Reads a format: text with `%{name}`, `%%`, `\n`, `\t` and `\r`.
///
/// # Errors
/// When it names something that there is not, with a sentence that says what there is.
pub(crate) fn write_out(format: &str) -> Result<WriteOut, String> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = format;
    while let Some(letter) = rest.chars().next() {
        let (taken, skip) = match rest.as_bytes() {
            [b'%', b'%', ..] => ('%', 2),
            [b'\\', b'n', ..] => ('\n', 2),
            [b'\\', b't', ..] => ('\t', 2),
            [b'\\', b'r', ..] => ('\r', 2),
            [b'%', b'{', ..] => {
                let (name, after) = rest[2..].split_once('}').ok_or("a %{ is open in it")?;
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Value(named(name)?));
                rest = after;
                continue;
            }
            _ => (letter, letter.len_utf8()),
        };
        text.push(taken);
        rest = &rest[skip..];
    }
    pieces.push(Piece::Text(text));
    Ok(WriteOut(pieces))
}

fn named(name: &str) -> Result<Value, String> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = NAMES.iter().map(|(known, _)| *known).collect();
        format!("there is no {name:?} in it; there are {}", known.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_is_text_and_values() {
        let pieces = |format| write_out(format).map(|WriteOut(pieces)| pieces);
        let text = |text: &str| Piece::Text(text.to_owned());
        let read = vec![text(""), Piece::Value(Value::HttpCode), text(" 100%\n")];
        assert_eq!(pieces(r"%{http_code} 100%%\n"), Ok(read));
        assert_eq!(pieces(""), Ok(vec![text("")]));
        assert!(write_out("%{nonsense}").unwrap_err().contains("http_code"));
        assert!(write_out("%{http_code").is_err());
        assert_eq!(pieces(r"50% \q ü"), Ok(vec![text(r"50% \q ü")]));
    }
}

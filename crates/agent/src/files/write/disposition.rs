//! What a part of a form says that it is: `Content-Disposition` (RFC 7578, with the parameters of RFC 2183).

use http::HeaderMap;
use http::header::CONTENT_DISPOSITION;

/// What a part is, as far as it matters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Disposition {
    /// The name of its field.
    pub(super) name: Option<Vec<u8>>,
    /// Whether it is a file: it has a name as one, in whichever spelling (RFC 2231), be it empty.
    pub(super) is_file: bool,
}

impl Disposition {
    /// That of the part with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut this = Self::default();
        let Some(value) = headers.get(CONTENT_DISPOSITION) else { return this };
        let mut rest = after(value.as_bytes(), b';');
        while let Some((name, value, next)) = parameter(rest) {
            match name.as_str() {
                "name" => this.name = Some(value),
                "filename" | "filename*" => this.is_file = true,
                _ => {}
            }
            rest = next;
        }
        this
    }
}

/// The first parameter, its name in lower case, and what follows it.
fn parameter(text: &[u8]) -> Option<(String, Vec<u8>, &[u8])> {
    let end = text.iter().position(|&byte| byte == b'=')?;
    let (name, value) = (text.get(..end)?, text.get(end + 1..)?.trim_ascii_start());
    let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
    match value.strip_prefix(b"\"") {
        Some(quoted) => {
            let (value, next) = unquoted(quoted);
            Some((name, value, after(next, b';')))
        }
        None => {
            let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
            Some((name, value.get(..end)?.trim_ascii().to_vec(), after(value, b';')))
        }
    }
}

/// What stands before the closing quotation mark, and what follows that. A backslash stands for itself where it escapes
/// nothing: some programs put whole paths of Windows there.
fn unquoted(text: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut value = Vec::new();
    let mut rest = text;
    while let [first, next @ ..] = rest {
        rest = next;
        match (first, next) {
            (b'"', _) => break,
            (b'\\', [escaped @ (b'"' | b'\\'), further @ ..]) => {
                value.push(*escaped);
                rest = further;
            }
            _ => value.push(*first),
        }
    }
    (value, rest)
}

fn after(text: &[u8], mark: u8) -> &[u8] {
    let start = text.iter().position(|&byte| byte == mark).map_or(text.len(), |at| at + 1);
    text.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn parts_are_told_by_their_parameters_in_every_spelling() {
        for (said, name, is_file) in [
            (&b"form-data; name=\"file\"; filename=\"x\""[..], "file", true),
            (b"form-data; name=file; filename=x.txt; filename*=utf-8''x.txt", "file", true),
            (b"form-data;filename*=UTF-8''%E2%82%AC.txt;name=\"file\"", "file", true),
            (b"FORM-DATA; NAME=\"file\" ; FileName = \"x\"", "file", true),
            (b"form-data; filename=\"a; name=b\"; name=\"file\"", "file", true),
            (b"form-data; filename=\"a\\\"; name=\\\"b\"; name=\"file\"", "file", true),
            (b"form-data; filename=\"C:\\new\"; name=\"file\"", "file", true),
            (b"form-data; name=\"file\"; filename=\"\xe9\"", "file", true),
            (b"form-data; name=\"file\"; filename=\"\"", "file", true),
            (b"form-data; name=\"permissions\"", "permissions", false),
            (b"form-data; name=\"open", "open", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_DISPOSITION, HeaderValue::from_bytes(said).unwrap());
            let told = Disposition { name: Some(name.into()), is_file };
            assert_eq!(Disposition::of(&headers), told, "{}", said.escape_ascii());
        }
        assert_eq!(Disposition::of(&HeaderMap::new()), Disposition::default());
    }
}

//! Values that nobody inside gets to see, and the words that stand for them.

use std::borrow::Cow;
use std::fmt;

/// How a word begins that stands for a secret: `{{SECRET:name}}`.
pub(in crate::egress) const PLACEHOLDER: &[u8] = b"{{SECRET:";
const END: &[u8] = b"}}";
/// The longest name of a secret, in bytes.
const MAX_NAME: usize = 256;

/// A value that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::egress) struct Secret(String);

impl Secret {
    pub(in crate::egress) fn new(value: String) -> Self {
        Self(value)
    }

    pub(in crate::egress) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Whether a secret can be called so.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| !c.is_control() && !matches!(c, '{' | '}');
    !name.is_empty() && name.len() <= MAX_NAME && name.chars().all(plain)
}

/// A text in which secrets stand in their places.
pub(in crate::egress) struct Resolved<'a> {
    pub(in crate::egress) text: Cow<'a, [u8]>,
    /// Whether a word was left as it is, because nobody knows the secret.
    pub(in crate::egress) is_partial: bool,
}

/// Puts secrets in the places of the words that stand for them. Of a secret that is not known the word stays; what
/// comes out of a secret is not looked at again.
pub(in crate::egress) fn resolve<'a, 's>(
    text: &'a [u8],
    known: impl Fn(&str) -> Option<Cow<'s, str>>,
) -> Resolved<'a> {
    let mut resolved = Vec::new();
    let (mut rest, mut is_changed, mut is_partial) = (text, false, false);
    while let Some(at) = find(rest, PLACEHOLDER) {
        let (before, word) = rest.split_at(at);
        resolved.extend_from_slice(before);
        let name = &word[PLACEHOLDER.len()..];
        // A name is no longer than it may be, so that looking for its end takes no time that counts.
        let end = find(&name[..name.len().min(MAX_NAME + END.len())], END);
        let value = end.and_then(|end| std::str::from_utf8(&name[..end]).ok()).map(&known);
        match (end, value) {
            (Some(end), Some(Some(value))) => {
                resolved.extend_from_slice(value.as_bytes());
                rest = &name[end + END.len()..];
                is_changed = true;
            }
            (end, _) => {
                is_partial |= end.is_some();
                resolved.extend_from_slice(PLACEHOLDER);
                rest = name;
            }
        }
    }
    if !is_changed {
        return Resolved { text: Cow::Borrowed(text), is_partial };
    }
    resolved.extend_from_slice(rest);
    Resolved { text: Cow::Owned(resolved), is_partial }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|window| window == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> (String, bool) {
        let known = |name: &str| match name {
            "a" => Some(Cow::Borrowed("ONE")),
            "nested" => Some(Cow::Borrowed("{{SECRET:a}}")),
            "empty" => Some(Cow::Borrowed("")),
            _ => None,
        };
        let resolved = resolve(text.as_bytes(), known);
        (String::from_utf8(resolved.text.into_owned()).unwrap(), resolved.is_partial)
    }

    #[test]
    fn a_secret_stands_where_its_word_was() {
        for (text, wanted) in [
            ("{{SECRET:a}}", "ONE"),
            ("x{{SECRET:a}}-{{SECRET:a}}y", "xONE-ONEy"),
            ("{{SECRET:empty}}", ""),
            ("{{{{SECRET:a}}}}", "{{ONE}}"),
            ("none", "none"),
            ("", ""),
        ] {
            assert_eq!(resolved(text), (wanted.to_owned(), false), "{text}");
        }
    }

    #[test]
    fn what_stands_for_nothing_stays() {
        for text in ["{{SECRET:b}}", "{{SECRET:}}", "{{SECRET:a }}"] {
            assert_eq!(resolved(text), (text.to_owned(), true), "{text}");
        }
        for text in ["{{SECRET:a", "{{SECRET:", "{{secret:a}}", "{SECRET:a}", "{{SECRET:a}"] {
            assert_eq!(resolved(text), (text.to_owned(), false), "{text}");
        }
        assert_eq!(resolved("{{SECRET:b{{SECRET:a}}"), ("{{SECRET:bONE".to_owned(), true));
    }

    #[test]
    fn what_comes_out_of_a_secret_is_not_looked_at_again() {
        assert_eq!(resolved("{{SECRET:nested}}").0, "{{SECRET:a}}");
    }

    #[test]
    fn a_megabyte_of_beginnings_takes_no_time_that_counts() {
        let text = "{{SECRET:".repeat(120_000);
        assert_eq!(resolved(&text).0, text);
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert_eq!(format!("{:?}", Secret::new("tok".to_owned())), "[secret]");
    }
}

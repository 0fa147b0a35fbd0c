//! The form of what a host and its engine call things by: a word for the kind, and sixteen digits.

/// A new one of a kind.
pub(super) fn random(kind: &str) -> String {
    format!("{kind}-{:016x}", fastrand::u64(..))
}

/// Whether a text is one that was made so.
pub(super) fn is_one(kind: &str, text: &str) -> bool {
    let digits = text.strip_prefix(kind).and_then(|rest| rest.strip_prefix('-'));
    digits.is_some_and(|digits| {
        digits.len() == 16 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

//! Texts from outside, as a terminal may see them.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character does something to a terminal, or to the letters around it, instead of being one: control
/// characters (C0, DEL, C1), line and paragraph separators, marks that change the direction of writing (Unicode,
/// UAX #9), and those that are there and cannot be seen.
pub(super) fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{061c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with an escape, as Rust writes it, in the place of every hidden character.
pub(super) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if is_hidden(letter) {
            // A string takes everything.
            let _ = write!(shown, "{}", letter.escape_default());
        } else {
            shown.push(letter);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_speaks_to_a_terminal_is_spelled_out() {
        assert_eq!(visible("a\u{1b}[2Jb\r\n\t\u{7f}"), r"a\u{1b}[2Jb\r\n\t\u{7f}");
        assert_eq!(visible("\u{9b}31m\u{202e}evil\u{2066}"), r"\u{9b}31m\u{202e}evil\u{2066}");
    }

    #[test]
    fn letters_of_every_language_stay_as_they_are() {
        for text in ["größe", "箱", "صندوق", "👩\u{200d}🚀", "क्\u{200d}ष"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
    }
}

use std::borrow::Cow;

use super::made::{Word, first_word};
use super::secret::{Secret, resolve};

/// A text that a route writes into requests: its secrets stand in it, and where values are made for each request it is
/// known which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::egress) struct Text(Vec<Piece>);

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Fixed(Secret),
    Made(Word),
}

impl Text {
    /// Reads a text; none where it names a secret that nobody knows. What comes out of a secret is not looked at again.
    pub(super) fn read<'s>(text: &str, known: impl Fn(&str) -> Option<Cow<'s, str>>) -> Option<Self> {
        let fixed = |text: &str| {
            let resolved = resolve(text.as_bytes(), &known);
            let text = String::from_utf8(resolved.text.into_owned()).ok();
            text.filter(|_| !resolved.is_partial).map(|text| Piece::Fixed(Secret::new(text)))
        };
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((before, word, behind)) = first_word(rest) {
            pieces.extend([fixed(before)?, Piece::Made(word)]);
            rest = behind;
        }
        pieces.push(fixed(rest)?);
        Some(Self(pieces))
    }

    pub(super) fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// The text with words where values are made.
    pub(super) fn with_words(&self) -> String {
        let pieces = self.0.iter().map(|piece| match piece {
            Piece::Fixed(text) => text.reveal(),
            Piece::Made(word) => word.text(),
        });
        pieces.collect()
    }
}

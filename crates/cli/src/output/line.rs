use std::fmt;

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::visible::visible;

/// A line for a person.
///
/// Every text is made visible on its way in, and colours are kept beside the texts: nothing from outside can speak
/// to the terminal, whatever it holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pieces: Vec<(Style, String)>,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a text.
    pub(crate) fn text(self, text: impl fmt::Display) -> Self {
        self.styled(Style::new(), text)
    }

    /// Adds a text that looks like this.
    pub(crate) fn styled(mut self, style: Style, text: impl fmt::Display) -> Self {
        let text = text.to_string();
        let shown = visible(&text);
        match self.pieces.last_mut() {
            _ if shown.is_empty() => {}
            Some((same, before)) if *same == style => before.push_str(&shown),
            _ => self.pieces.push((style, shown.into_owned())),
        }
        self
    }

    /// Adds blanks.
    pub(crate) fn blanks(self, count: usize) -> Self {
        self.text(" ".repeat(count))
    }

    /// Adds all of another line.
    pub(crate) fn then(mut self, other: Self) -> Self {
        self.pieces.extend(other.pieces);
        self
    }

    /// How many columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.width()).sum()
    }

    /// The same on as many lines as are needed so that none is wider than `columns`; all but the first are moved in
    /// by `indent`. They are broken between words only: a longer word stands out.
    pub(crate) fn wrapped(&self, columns: usize, indent: usize) -> Vec<Self> {
        let mut lines = Vec::new();
        let mut line = Self::new();
        // The blanks before the next word, which are of no use at the end of a line.
        let mut owed = 0;
        let mut has_word = false;
        for (style, text) in &self.pieces {
            for word in text.split_inclusive(' ') {
                let bare = word.trim_end_matches(' ');
                if has_word && line.width() + owed + bare.width() > columns && !bare.is_empty() {
                    lines.push(std::mem::replace(&mut line, Self::new().blanks(indent)));
                    owed = 0;
                }
                if !bare.is_empty() {
                    line = line.blanks(owed).styled(*style, bare);
                    (owed, has_word) = (0, true);
                }
                owed += word.len() - bare.len();
            }
        }
        lines.push(line);
        lines
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (style, text) in &self.pieces {
            write!(f, "{style}{text}{style:#}")?;
        }
        Ok(())
    }
}

impl From<&str> for Line {
    fn from(text: &str) -> Self {
        Self::new().text(text)
    }
}

impl From<String> for Line {
    fn from(text: String) -> Self {
        Self::new().text(text)
    }
}

impl From<&String> for Line {
    fn from(text: &String) -> Self {
        Self::new().text(text)
    }
}

impl From<fmt::Arguments<'_>> for Line {
    fn from(text: fmt::Arguments<'_>) -> Self {
        Self::new().text(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{BAD, STRONG};

    fn plain(lines: &[Line]) -> Vec<String> {
        lines.iter().map(|line| anstream::adapter::strip_str(&line.to_string()).to_string()).collect()
    }

    #[test]
    fn a_text_cannot_bring_a_style_of_its_own() {
        let line = Line::new().styled(STRONG, "\u{1b}[31mbox").text(" is awake\u{9b}2J");
        assert_eq!(line.to_string(), "\u{1b}[1m\\u{1b}[31mbox\u{1b}[0m is awake\\u{9b}2J");
    }

    #[test]
    fn a_line_breaks_between_words_only() {
        let line = Line::new().styled(BAD, "error:").text(" a mutation of extraordinarily-long-names broke");
        let wrapped = plain(&line.wrapped(20, 2));
        assert_eq!(wrapped, ["error: a mutation of", "  extraordinarily-long-names", "  broke"]);
    }

    #[test]
    fn a_line_that_fits_stays_one() {
        assert_eq!(plain(&Line::from("short enough").wrapped(12, 2)), ["short enough"]);
        assert_eq!(plain(&Line::from("  a  b ").wrapped(80, 2)), ["  a  b"]);
        let fits = Line::new().styled(BAD, "error:").text(" is full").wrapped(14, 2);
        assert_eq!(plain(&fits), ["error: is full"]);
        assert_eq!(plain(&Line::new().wrapped(12, 2)), [""]);
    }
}

//! Text out of bytes that come in pieces.

/// Bytes of a stream that do not yet make a whole letter.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    rest: Vec<u8>,
}

impl Letters {
    /// The text of `bytes` and of what was left before, but for a letter at the end that is not whole.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> String {
        self.rest.extend_from_slice(bytes);
        let rest = self.rest.split_off(whole(&self.rest));
        String::from_utf8_lossy(&std::mem::replace(&mut self.rest, rest)).into_owned()
    }

    /// What is left at the end.
    pub(crate) fn end(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.rest)).into_owned()
    }
}

/// How many bytes at the front hold only whole letters, or what can never become one.
fn whole(bytes: &[u8]) -> usize {
    let from = bytes.len().saturating_sub(3);
    for (at, byte) in bytes.iter().enumerate().skip(from).rev() {
        let needs = match byte {
            0xC2..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF4 => 4,
            0x80..=0xBF => continue,
            _ => 1,
        };
        return if at + needs > bytes.len() { at } else { bytes.len() };
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_never_cut_in_half() {
        let text = "aä€🎉z";
        for cut in 0..=text.len() {
            let (front, back) = text.as_bytes().split_at(cut);
            let mut letters = Letters::default();
            let joined = format!("{}{}{}", letters.add(front), letters.add(back), letters.end());
            assert_eq!(joined, text, "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_letter_is_not_held_back() {
        let mut letters = Letters::default();
        assert_eq!(letters.add(b"a\xFFb\n"), "a\u{FFFD}b\n");
        assert_eq!(letters.add(b"\x80\x80\x80\x80"), "\u{FFFD}".repeat(4));
        assert_eq!(letters.add(b"\xE2"), "");
        assert_eq!(letters.end(), "\u{FFFD}");
    }
}

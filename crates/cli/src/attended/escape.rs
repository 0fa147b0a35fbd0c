//! The keys with which one leaves, as ssh has them: `~.` at the beginning of a line.

/// What was typed, read for the keys with which one leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Escape(At);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    BeginningOfLine,
    /// A `~` stands there, which is not handed on yet.
    Tilde,
    Within,
}

/// What of it is for the other end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Typed {
    pub(super) keys: Vec<u8>,
    /// Whether whoever typed leaves.
    pub(super) leaves: bool,
}

impl Escape {
    pub(super) fn read(&mut self, typed: &[u8]) -> Typed {
        let mut keys = Vec::with_capacity(typed.len());
        for &key in typed {
            match (self.0, key) {
                (At::BeginningOfLine, b'~') => {
                    self.0 = At::Tilde;
                    continue;
                }
                (At::Tilde, b'.') => return Typed { keys, leaves: true },
                // One for two.
                (At::Tilde, b'~') => {}
                (At::Tilde, _) => keys.push(b'~'),
                (At::BeginningOfLine | At::Within, _) => {}
            }
            keys.push(key);
            self.0 = if matches!(key, b'\r' | b'\n') { At::BeginningOfLine } else { At::Within };
        }
        Typed { keys, leaves: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pieces: &[&str]) -> (String, bool) {
        let (mut escape, mut keys) = (Escape::default(), Vec::new());
        for piece in pieces {
            let typed = escape.read(piece.as_bytes());
            keys.extend(typed.keys);
            if typed.leaves {
                return (String::from_utf8(keys).unwrap(), true);
            }
        }
        (String::from_utf8(keys).unwrap(), false)
    }

    #[test]
    fn one_leaves_at_the_beginning_of_a_line_only_however_it_is_cut() {
        assert_eq!(read(&["~."]), (String::new(), true));
        assert_eq!(read(&["ls\r", "~", "."]), ("ls\r".to_owned(), true));
        assert_eq!(read(&["ls ~."]), ("ls ~.".to_owned(), false));
        assert_eq!(read(&["a~", "."]), ("a~.".to_owned(), false));
    }

    #[test]
    fn a_tilde_that_leads_nowhere_is_typed() {
        assert_eq!(read(&["~/bin\r"]), ("~/bin\r".to_owned(), false));
        assert_eq!(read(&["~~.\r"]), ("~.\r".to_owned(), false));
        assert_eq!(read(&["~\r~."]), ("~\r".to_owned(), true));
    }
}

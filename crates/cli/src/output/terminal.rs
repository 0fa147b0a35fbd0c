use std::io::{self, IsTerminal};

/// What the terminal at stdout can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// A terminal of so many columns, whose lines can be written anew.
    Live { columns: usize },
    /// A file, a pipe, or a terminal that only goes forward.
    Plain,
}

/// Which letters it can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Letters {
    Unicode,
    Ascii,
}

impl Terminal {
    pub(crate) fn at_stdout() -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
        if !std::io::stdout().is_terminal() || (dumb && cfg!(unix)) {
            return Self::Plain;
        }
        let columns = terminal_size::terminal_size().map_or(80, |(width, _)| usize::from(width.0));
        Self::Live { columns }
    }
}

impl Letters {
    /// As the locale says: the first of `LC_ALL`, `LC_CTYPE` and `LANG` that is set (POSIX, 8.2).
    pub(crate) fn of_locale() -> Self {
        if cfg!(not(unix)) {
            return Self::Unicode;
        }
        let set = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        match locale.to_ascii_lowercase() {
            locale if locale.contains("utf-8") || locale.contains("utf8") => Self::Unicode,
            _ => Self::Ascii,
        }
    }
}

/// Whether lines on stderr can be written anew.
pub(super) fn stderr_is_live() -> bool {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb" || term.is_empty());
    io::stderr().is_terminal() && !(dumb && cfg!(unix))
}

/// How wide stderr is; a file or a pipe is as wide as can be.
pub(super) fn columns_at_stderr() -> usize {
    match terminal_size::terminal_size_of(io::stderr()) {
        Some((width, _)) if io::stderr().is_terminal() => usize::from(width.0),
        _ => usize::MAX,
    }
}

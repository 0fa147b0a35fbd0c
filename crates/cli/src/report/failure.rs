use std::fmt;
use std::io;

use super::Exit;
use super::Facts;

/// Why a command did not do what it was asked to: what happened, what was seen, what to do next.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Something to tell.
    Told(Box<Told>),
    /// Whoever read our output has gone. There is nobody to tell, and nothing is wrong.
    NobodyReads,
}

/// What is told of a failure.
#[derive(Debug)]
pub(crate) struct Told {
    /// One line, lower case: what happened.
    pub(crate) what: String,
    /// What was seen, where more than one thing was.
    pub(crate) saw: Option<String>,
    /// A sentence that has to be read before anything is done.
    pub(crate) mind: Option<String>,
    /// What to do next.
    pub(crate) next: Option<String>,
    /// What the shell is told.
    pub(crate) exit: Exit,
    /// What is known of the request.
    pub(crate) facts: Option<Facts>,
}

impl Failure {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        let what = what.into();
        Self::Told(Box::new(Told {
            what,
            saw: None,
            mind: None,
            next: None,
            exit: Exit::Failed,
            facts: None,
        }))
    }

    /// What happened.
    pub(crate) fn what(&self) -> &str {
        match self {
            Self::Told(told) => &told.what,
            Self::NobodyReads => "nobody reads what is said",
        }
    }

    /// A command that makes no sense as it was typed.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(what).exiting(Exit::Usage)
    }

    /// A failure of this machine, with what was being done.
    pub(crate) fn io(doing: impl fmt::Display, error: &io::Error) -> Self {
        Self::new(format!("{doing}: {}", in_words(error)))
    }

    pub(crate) fn saw(self, saw: impl Into<String>) -> Self {
        self.with(|told| told.saw = Some(saw.into()))
    }

    pub(crate) fn mind(self, mind: impl Into<String>) -> Self {
        self.with(|told| told.mind = Some(mind.into()))
    }

    pub(crate) fn next(self, next: impl Into<String>) -> Self {
        self.with(|told| told.next = Some(next.into()))
    }

    /// The same, where there is something to do.
    pub(crate) fn advising(self, next: Option<String>) -> Self {
        self.with(|told| told.next = next)
    }

    pub(crate) fn exiting(self, exit: Exit) -> Self {
        self.with(|told| told.exit = exit)
    }

    pub(crate) fn knowing(self, facts: Facts) -> Self {
        self.with(|told| told.facts = Some(facts))
    }

    fn with(mut self, change: impl FnOnce(&mut Told)) -> Self {
        if let Self::Told(told) = &mut self {
            change(told);
        }
        self
    }
}

/// A failure to write what was asked for.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::NobodyReads,
            _ => Self::io("the output could not be written", &error),
        }
    }
}

/// What a system error is called by people, without its number.
pub(crate) fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file or directory".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        io::ErrorKind::AddrInUse => "the port is in use".to_owned(),
        io::ErrorKind::StorageFull => "the disk is full".to_owned(),
        _ => {
            let text = error.to_string();
            let plain = text.split(" (os error").next().unwrap_or_default();
            // A word of capitals is a name.
            if plain.chars().nth(1).is_some_and(char::is_uppercase) {
                return plain.to_owned();
            }
            let mut letters = plain.chars();
            letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
        }
    }
}

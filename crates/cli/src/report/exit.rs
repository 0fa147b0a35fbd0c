use std::process::ExitCode;

/// What the shell is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// The command makes no sense as it was typed.
    Usage,
    /// With `--fail`, a status of 400 or more; curl's number.
    BadStatus,
    /// The sandbox stayed unavailable until the budget was spent; EX_TEMPFAIL of sysexits.h.
    Unavailable,
    /// Ctrl-C, as a shell counts it: 128 and the signal's number.
    Interrupted,
    /// Nobody read what a command said, before it had ended: as a shell counts SIGPIPE.
    Unheard,
    /// What the command inside the sandbox said.
    Command(u8),
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::BadStatus => 22,
            Self::Unavailable => 75,
            Self::Interrupted => 130,
            Self::Unheard => 141,
            Self::Command(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

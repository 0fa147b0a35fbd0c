use std::fmt;
use std::io;

/// Why nothing was judged.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no command.
    NoCommand,
    /// The command cannot be started.
    Command(String, io::Error),
    /// None of its operations works while nothing is wrong; what it said of the first.
    NothingWorks(String),
    /// What was to be a scenario is none.
    Scenario(String),
    /// The real sandbox does not go to sleep.
    Sleeper(String),
    /// The server of the scenarios cannot listen.
    Server(reveille_faults::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCommand => f.write_str("there is no command to run"),
            Self::Command(program, error) => write!(f, "{program} cannot be started: {error}"),
            Self::NothingWorks(said) => {
                write!(f, "none of the command's operations works while nothing is wrong: {said}")
            }
            Self::Scenario(reason) => write!(f, "this is no scenario: {reason}"),
            Self::Sleeper(reason) => write!(f, "the real sandbox does not sleep: {reason}"),
            Self::Server(error) => write!(f, "the server of the scenarios cannot listen: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NoCommand | Self::NothingWorks(_) | Self::Scenario(_) | Self::Sleeper(_) => None,
            Self::Command(_, error) => Some(error),
            Self::Server(error) => Some(error),
        }
    }
}

use std::error;
use std::fmt;

use http::Request;

/// What an exchange broke by.
#[derive(Debug)]
pub enum Error {
    /// What the stream or its connection says.
    Http2(h2::Error),
    /// The server was asked whether it lives, and said nothing.
    Silent,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http2(error) => error.fmt(f),
            Self::Silent => f.write_str("the connection brought nothing, and no answer to a PING"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Http2(error) => Some(error),
            Self::Silent => None,
        }
    }
}

/// A request that brought no answer.
#[derive(Debug)]
pub enum Unanswered<B> {
    /// None of it was written.
    Unsent(h2::Error, Box<Request<B>>),
    /// It may have been.
    Broken(Error),
}

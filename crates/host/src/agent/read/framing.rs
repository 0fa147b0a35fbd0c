//! Where the body of an answer ends.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;

use super::chunks::Chunks;

/// How a body is framed, and how far it has come.
#[derive(Debug)]
pub(super) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    Chunks(Chunks),
    /// It goes on until its connection ends.
    UntilItCloses,
    /// It has ended, or there is none.
    Over,
}

/// What can be made of what came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
    /// Nothing before more has come.
    Short,
}

impl Framing {
    /// Takes the next piece of the body out of what came.
    pub(super) fn step(&mut self, came: &mut BytesMut) -> Result<Step, &'static str> {
        let step = match self {
            Self::Over => Step::End,
            Self::Chunks(chunks) => chunks.step(came)?,
            Self::Length(_) | Self::UntilItCloses if came.is_empty() => Step::Short,
            Self::UntilItCloses => Step::Data(came.split().freeze()),
            Self::Length(left) => {
                let piece = usize::try_from(*left).unwrap_or(usize::MAX).min(came.len());
                *left -= piece as u64;
                if *left == 0 {
                    *self = Self::Over;
                }
                Step::Data(came.split_to(piece).freeze())
            }
        };
        if let Self::Chunks(chunks) = self
            && chunks.are_over()
        {
            *self = Self::Over;
        }
        Ok(step)
    }

    /// The connection has ended; an error where the body has not.
    pub(super) fn end(&mut self) -> Result<(), ()> {
        match self {
            Self::Over | Self::UntilItCloses => {
                *self = Self::Over;
                Ok(())
            }
            Self::Length(_) | Self::Chunks(_) => Err(()),
        }
    }

    /// How much is still to come, in bytes, as far as that is known.
    pub(super) fn left(&self) -> u64 {
        match self {
            Self::Length(left) => *left,
            Self::Chunks(chunks) => chunks.left(),
            Self::UntilItCloses => u64::MAX,
            Self::Over => 0,
        }
    }
}

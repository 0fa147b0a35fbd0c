//! The body of a request, as Python makes it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use pyo3::exceptions::PyTimeoutError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use reveille::Body;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::call::{Call, Made, seconds};

enum Piece {
    Bytes(Bytes),
    End,
}

/// Takes the body of a request piece by piece. One that is let go of before its end breaks the request off.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct BodySender(Sender<Piece>);

/// Whether a piece was taken at once.
#[derive(IntoPyObject)]
pub(crate) enum Pushed {
    /// It was, or the other side takes no more.
    Done(bool),
    /// There is no room: to be waited for.
    Waits(Call),
}

impl BodySender {
    /// A body of `length` bytes, where that is known, and its sender.
    pub(crate) fn new(length: Option<u64>) -> (Self, Body) {
        let (sender, receiver) = channel(1);
        let pieces = stream::unfold(Some(receiver), next);
        let body = match length {
            Some(length) => Body::stream_of(length, pieces),
            None => Body::stream(pieces),
        };
        (Self(sender), body)
    }
}

async fn next(from: Option<Receiver<Piece>>) -> Option<(io::Result<Bytes>, Option<Receiver<Piece>>)> {
    let mut from = from?;
    match from.recv().await {
        Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(from))),
        Some(Piece::End) => None,
        None => Some((Err(io::Error::other("the body was left before its end")), None)),
    }
}

#[pymethods]
impl BodySender {
    /// Sends a piece. Gives whether it is wanted, or a call that says so once there is room; with a `TimeoutError` where
    /// there is none for `most` seconds.
    fn push(&self, piece: PyBackedBytes, most: Option<f64>) -> Pushed {
        self.put(Piece::Bytes(Bytes::from_owner(piece)), most)
    }

    /// Ends the body.
    fn end(&self, most: Option<f64>) -> Pushed {
        self.put(Piece::End, most)
    }
}

impl BodySender {
    fn put(&self, piece: Piece, most: Option<f64>) -> Pushed {
        let sender = self.0.clone();
        let most = most.and_then(seconds).unwrap_or(Duration::MAX);
        match sender.try_send(piece) {
            Ok(()) => Pushed::Done(true),
            Err(TrySendError::Closed(_)) => Pushed::Done(false),
            Err(TrySendError::Full(piece)) => Pushed::Waits(Call::new(async move {
                let sent = tokio::time::timeout(most, sender.send(piece)).await;
                Box::new(move |py: Python<'_>| match sent {
                    Ok(sent) => Ok(sent.is_ok().into_pyobject(py)?.to_owned().into_any().unbind()),
                    Err(_) => Err(PyTimeoutError::new_err("the other side took nothing for too long")),
                }) as Made
            })),
        }
    }
}

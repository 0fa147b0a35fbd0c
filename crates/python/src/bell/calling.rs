//! A bell for loops that watch nothing, as the usual ones of Windows.

use std::sync::mpsc::{self, Receiver, Sender};
use std::{io, thread};

use pyo3::prelude::*;

/// Calls a function with what has ended, on a thread of its own, which ends with the bell. The function is to come back
/// at once: it has the loop tell whoever waits.
///
/// The thread is there to wait for the interpreter.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct CallingBell {
    ended: Sender<Py<PyAny>>,
}

impl CallingBell {
    /// Says that what `waits` stands for has ended.
    pub(super) fn ring(&self, waits: Py<PyAny>) {
        // The thread ends early only with the interpreter, and then there is nobody who would listen.
        let _ = self.ended.send(waits);
    }
}

#[pymethods]
impl CallingBell {
    #[new]
    fn new(tell: Py<PyAny>) -> io::Result<Self> {
        let (ended, rung) = mpsc::channel();
        thread::Builder::new().name("reveille bell".to_owned()).spawn(move || call_for(&rung, &tell))?;
        Ok(Self { ended })
    }
}

fn call_for(rung: &Receiver<Py<PyAny>>, tell: &Py<PyAny>) {
    while let Ok(first) = rung.recv() {
        let told = Python::try_attach(|py| {
            let ended: Vec<_> = std::iter::once(first).chain(rung.try_iter()).collect();
            if let Err(error) = tell.call1(py, (ended,)) {
                error.write_unraisable(py, Some(tell.bind(py)));
            }
        });
        if told.is_none() {
            return;
        }
    }
}

//! A call of the SDK, to be waited for in a thread or in an event loop.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::task::AbortHandle;

use crate::bell::Bell;

/// How often a thread that waits looks whether a signal has come. Only Python's main thread handles any.
const LOOK: Duration = Duration::from_millis(20);

/// What a call brought, made into Python's own by the thread that asked for it.
pub(crate) type Made = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;
type Work = Pin<Box<dyn Future<Output = Made> + Send>>;

/// A call: nothing is sent until it is waited for, or begun.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Call {
    state: Mutex<State>,
}

enum State {
    Ready(Work),
    Begun { ending: Arc<Ending>, abort: AbortHandle },
    Over,
}

/// Where a call puts what it brought.
struct Ending {
    made: Mutex<Option<Made>>,
    came: Condvar,
    rings: Option<Rings>,
}

/// The bell that a call rings when it has ended, and for whom.
struct Rings {
    bell: Bell,
    waits: Mutex<Option<Py<PyAny>>>,
}

impl Call {
    pub(crate) fn new(work: impl Future<Output = Made> + Send + 'static) -> Self {
        Self { state: Mutex::new(State::Ready(Box::pin(work))) }
    }

    fn begin_with(&self, rings: Option<Rings>) -> PyResult<Arc<Ending>> {
        let mut state = lock(&self.state);
        let State::Ready(work) = std::mem::replace(&mut *state, State::Over) else {
            return Err(PyRuntimeError::new_err("this call was made already"));
        };
        let ending = Arc::new(Ending { made: Mutex::default(), came: Condvar::new(), rings });
        let end = Arc::clone(&ending);
        let task = reveille::process_runtime()?.spawn(async move { end.with(work.await) });
        *state = State::Begun { ending: Arc::clone(&ending), abort: task.abort_handle() };
        Ok(ending)
    }
}

#[pymethods]
impl Call {
    /// Begins the call, which is then to be waited for.
    fn start(&self) -> PyResult<()> {
        self.begin_with(None).map(drop)
    }

    /// Waits for the call on this thread, without the interpreter, and makes it where it was not begun. A signal's
    /// handler that raises ends the call.
    fn wait(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let begun = match &*lock(&self.state) {
            State::Begun { ending, .. } => Some(Arc::clone(ending)),
            State::Ready(_) | State::Over => None,
        };
        let ending = match begun {
            Some(ending) => ending,
            None => self.begin_with(None)?,
        };
        loop {
            if let Some(made) = py.detach(|| ending.wait(LOOK)) {
                *lock(&self.state) = State::Over;
                return made(py);
            }
            if let Err(interrupted) = py.check_signals() {
                self.cancel();
                return Err(interrupted);
            }
        }
    }

    /// Begins the call. When it has ended, `bell` rings with `waits`.
    fn begin(&self, bell: Bell, waits: Py<PyAny>) -> PyResult<()> {
        self.begin_with(Some(Rings { bell, waits: Mutex::new(Some(waits)) })).map(drop)
    }

    /// What a call brought that was begun and has ended.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let made = match &*lock(&self.state) {
            State::Begun { ending, .. } => lock(&ending.made).take(),
            State::Ready(_) | State::Over => None,
        };
        let made = made.ok_or_else(|| PyRuntimeError::new_err("this call has not ended"))?;
        *lock(&self.state) = State::Over;
        made(py)
    }

    /// Ends the call, whatever it is doing.
    fn cancel(&self) {
        if let State::Begun { abort, .. } = std::mem::replace(&mut *lock(&self.state), State::Over) {
            abort.abort();
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.cancel();
    }
}

impl Ending {
    fn with(&self, made: Made) {
        *lock(&self.made) = Some(made);
        self.came.notify_all();
        if let Some(Rings { bell, waits }) = &self.rings
            && let Some(waits) = lock(waits).take()
        {
            bell.ring(waits);
        }
    }

    fn wait(&self, most: Duration) -> Option<Made> {
        let made = lock(&self.made);
        let waited = self.came.wait_timeout_while(made, most, |made| made.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.take()
    }
}

/// Seconds as Python says them. What is no time, as infinity, is no bound.
pub(crate) fn seconds(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds.max(0.0)).ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What is said of a request before its answer, on its way to the stream that the request came on.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Context;

use atomic_waker::AtomicWaker;
use bytes::Bytes;
use h2::server::SendResponse;
use http::{HeaderMap, Response, StatusCode};
use reveille_http1::Interim;

use crate::outgoing::leave_out_of_connection;
use crate::watched::Seen;

/// How much waits for the stream's task, in bytes of names and values.
const MOST: usize = 16 * 1024;
/// What one counts for besides.
const EACH: usize = 32;

/// The interim answers of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Said(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    seen: Arc<Seen>,
    waiting: Mutex<Waiting>,
    task: AtomicWaker,
}

#[derive(Debug, Default)]
struct Waiting {
    answers: Vec<Response<()>>,
    bytes: usize,
    /// The answer itself is on its way.
    is_over: bool,
}

impl Said {
    pub(crate) fn new(seen: Arc<Seen>) -> Self {
        Self(Arc::new(Shared { seen, waiting: Mutex::default(), task: AtomicWaker::new() }))
    }

    /// For whoever hands on interim answers. One that finds the client slow to read is dropped: nothing else would bound
    /// how much of them waits.
    pub(crate) fn interim(&self) -> Interim {
        let said = self.clone();
        Interim::through(move |status, headers| !said.0.seen.is_blocked() && said.say(status, headers))
    }

    /// Asks for the body.
    pub(crate) fn ask(&self) {
        self.say(StatusCode::CONTINUE, HeaderMap::new());
    }

    fn say(&self, status: StatusCode, mut headers: HeaderMap) -> bool {
        leave_out_of_connection(&mut headers);
        let bytes =
            EACH + headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
        let mut waiting = self.waiting();
        if waiting.is_over || waiting.bytes + bytes > MOST {
            return false;
        }
        let mut answer = Response::new(());
        (*answer.status_mut(), *answer.headers_mut()) = (status, headers);
        waiting.answers.push(answer);
        waiting.bytes += bytes;
        drop(waiting);
        self.0.task.wake();
        true
    }

    /// Hands over what waits, and wakes this task when more does.
    pub(crate) fn send(&self, cx: &Context<'_>, stream: &mut SendResponse<Bytes>) {
        self.0.task.register(cx.waker());
        let taken = std::mem::take(&mut *self.waiting());
        hand_over(taken.answers, stream);
    }

    /// Hands over what waits, and takes no more.
    pub(crate) fn end(&self, stream: &mut SendResponse<Bytes>) {
        let over = Waiting { is_over: true, ..Waiting::default() };
        let taken = std::mem::replace(&mut *self.waiting(), over);
        hand_over(taken.answers, stream);
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hand_over(answers: Vec<Response<()>>, stream: &mut SendResponse<Bytes>) {
    for answer in answers {
        if let Err(error) = stream.send_informational(answer) {
            tracing::debug!(%error, "an interim answer is not handed on");
        }
    }
}

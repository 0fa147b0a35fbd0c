//! Answers that come before the final one (RFC 9110, section 15.2): the word that a body may come, which is for this
//! hop, and all others, which are for whoever asked.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::task::AtomicWaker;
use http::header::{CONTENT_LENGTH, PROXY_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use reveille_wire::hop;

use super::expectation::{ASKS_IN, ASKS_IN_OVER_HTTP2, Expectation};
use crate::core::SendBody;

/// What a caller wants to have done with each that is for it.
pub(crate) type OnInformational = Arc<dyn Fn(&Response<()>) + Send + Sync>;

/// How many wait to be told. What does not fit is dropped: a peer may send as many as it likes, and none of them is
/// needed.
const WAITING: usize = 16;

/// Those of one request as they come, for its caller.
pub(super) struct Interim {
    way: Arc<Way>,
    tell: OnInformational,
}

/// From the connection to whoever waits for the final answer, who is not woken when there are none.
#[derive(Default)]
struct Way {
    waiting: Mutex<Waiting>,
    has_some: AtomicBool,
    task: AtomicWaker,
}

#[derive(Default)]
struct Waiting {
    answers: Vec<Response<()>>,
    is_over: bool,
}

/// Who is to hear of those of one request.
#[derive(Clone, Default)]
pub(super) struct Listeners {
    expectation: Option<Expectation>,
    caller: Option<Arc<Way>>,
}

impl Listeners {
    /// Those of a request, and what its caller hears, who has `tell` called.
    pub(super) fn new(
        expectation: Option<Expectation>,
        tell: Option<&OnInformational>,
    ) -> (Self, Option<Interim>) {
        let Some(tell) = tell.map(Arc::clone) else {
            return (Self { expectation, caller: None }, None);
        };
        let way = Arc::<Way>::default();
        (Self { expectation, caller: Some(Arc::clone(&way)) }, Some(Interim { way, tell }))
    }

    /// The head is about to be sent over HTTP/1.1.
    pub(super) fn over_http1(&self, request: &mut Request<SendBody>) {
        if self.expectation.is_none() && self.caller.is_none() {
            return;
        }
        let listeners = self.clone();
        hyper::ext::on_informational(request, move |answer| {
            listeners.heard(answer.status(), answer.headers());
        });
        if let Some(expectation) = &self.expectation {
            expectation.sent(ASKS_IN);
        }
    }

    /// The same over HTTP/2.
    pub(super) fn over_http2(&self) -> impl FnMut(Response<()>) + Send + use<> {
        if let Some(expectation) = &self.expectation {
            expectation.sent(ASKS_IN_OVER_HTTP2);
        }
        let listeners = self.clone();
        move |answer| listeners.heard(answer.status(), answer.headers())
    }

    fn heard(&self, status: StatusCode, headers: &HeaderMap) {
        match (status, &self.expectation, &self.caller) {
            (StatusCode::CONTINUE, Some(expectation), _) => expectation.asked(),
            (StatusCode::CONTINUE, None, _) | (_, _, None) => {}
            (status, _, Some(caller)) => {
                if let Some(answer) = for_caller(status, headers) {
                    caller.send(answer);
                }
            }
        }
    }
}

/// One as it is for the caller: without what belongs to the connection that it came on, and without a length, as it
/// has no body (RFC 9110, section 8.6). `None` for one that claims to have a coded one.
fn for_caller(status: StatusCode, headers: &HeaderMap) -> Option<Response<()>> {
    let mut headers = headers.clone();
    hop::strip(&mut headers).ok()?;
    for name in [CONTENT_LENGTH, PROXY_AUTHENTICATE] {
        headers.remove(name);
    }
    let mut answer = Response::new(());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Some(answer)
}

impl Way {
    /// Hands one on; nothing where there is no room, or the call is over.
    fn send(&self, answer: Response<()>) {
        let mut waiting = self.waiting();
        if waiting.is_over || waiting.answers.len() >= WAITING {
            return;
        }
        waiting.answers.push(answer);
        self.has_some.store(true, Ordering::Release);
        drop(waiting);
        self.task.wake();
    }

    fn take(&self) -> Vec<Response<()>> {
        if !self.has_some.swap(false, Ordering::AcqRel) {
            return Vec::new();
        }
        std::mem::take(&mut self.waiting().answers)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Interim {
    /// Tells of each until `exchange` is over, and of none after that.
    pub(super) async fn told_during<F: Future + Unpin>(self, mut exchange: F) -> F::Output {
        poll_fn(|cx| {
            self.way.task.register(cx.waker());
            let done = exchange.poll_unpin(cx);
            // What came before the final answer is told before it.
            self.way.take().iter().for_each(|answer| (self.tell)(answer));
            done
        })
        .await
    }
}

impl Drop for Interim {
    fn drop(&mut self) {
        self.way.waiting().is_over = true;
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::AtomicUsize;

    use super::*;

    /// What tells of those of one request, and how many it has told of.
    fn told() -> (Arc<Way>, Interim, Arc<AtomicUsize>) {
        let way = Arc::<Way>::default();
        let count = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&count);
        let tell: OnInformational = Arc::new(move |_| {
            counts.fetch_add(1, Ordering::Relaxed);
        });
        (Arc::clone(&way), Interim { way, tell }, count)
    }

    #[test]
    fn what_comes_in_one_turn_with_the_final_answer_is_told_before_it() {
        let (way, interim, count) = told();
        let exchange = Box::pin(async move {
            for _ in 0..2 * WAITING {
                way.send(Response::new(()));
            }
        });
        interim.told_during(exchange).now_or_never().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), WAITING, "as many as wait");
    }

    #[tokio::test]
    async fn one_that_comes_wakes_whoever_waits() {
        let (way, interim, count) = told();
        let call = tokio::spawn(interim.told_during(pending::<()>()));
        tokio::task::yield_now().await;
        for told in 1..=2 * WAITING {
            way.send(Response::new(()));
            tokio::task::yield_now().await;
            assert_eq!(count.load(Ordering::Relaxed), told);
        }
        call.abort();
    }

    #[test]
    fn nothing_is_told_of_a_call_that_was_given_up() {
        let (way, interim, count) = told();
        let mut call = Box::pin(interim.told_during(pending::<()>()));
        assert!((&mut call).now_or_never().is_none());
        way.send(Response::new(()));
        drop(call);
        way.send(Response::new(()));
        assert_eq!((count.load(Ordering::Relaxed), way.waiting().answers.len()), (0, 1), "nothing is added");
    }

    #[test]
    fn what_comes_after_the_final_answer_is_told_to_nobody() {
        let (way, interim, count) = told();
        interim.told_during(ready(())).now_or_never().unwrap();
        way.send(Response::new(()));
        assert_eq!((count.load(Ordering::Relaxed), way.waiting().answers.len()), (0, 0));
    }
}

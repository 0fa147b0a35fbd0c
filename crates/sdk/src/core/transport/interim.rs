//! Answers that come before the final one (RFC 9110, section 15.2): the word that a body may come, which is for this
//! hop, and all others, which are for whoever asked.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, PROXY_AUTHENTICATE};
use http::{HeaderMap, Request, Response, StatusCode};
use reveille_wire::hop;
use tokio::sync::mpsc;

use super::expectation::Expectation;
use crate::core::SendBody;

/// What a caller wants to have done with each that is for it.
pub(crate) type OnInformational = Arc<dyn Fn(&Response<()>) + Send + Sync>;

/// How many wait to be told. What does not fit is dropped: a peer may send as many as it likes, and none of them is
/// needed.
const WAITING: usize = 16;

/// Those of one request as they come, for its caller.
pub(super) struct Interim {
    come: mpsc::Receiver<Box<Response<()>>>,
    tell: OnInformational,
}

/// Who is to hear of those of one request.
#[derive(Clone, Default)]
pub(super) struct Listeners {
    expectation: Option<Expectation>,
    caller: Option<mpsc::Sender<Box<Response<()>>>>,
}

/// Has `tell` called with those of a request.
pub(crate) fn listen(request: &mut Request<SendBody>, tell: &OnInformational) {
    request.extensions_mut().insert(Wish(Arc::clone(tell)));
}

#[derive(Clone)]
struct Wish(OnInformational);

impl Listeners {
    /// Those of a request, and what its caller hears.
    pub(super) fn of(
        request: &mut Request<SendBody>,
        expectation: Option<Expectation>,
    ) -> (Self, Option<Interim>) {
        let Some(Wish(tell)) = request.extensions_mut().remove() else {
            return (Self { expectation, caller: None }, None);
        };
        let (caller, come) = mpsc::channel(WAITING);
        (Self { expectation, caller: Some(caller) }, Some(Interim { come, tell }))
    }

    /// The head is about to be sent over HTTP/1.1.
    pub(super) fn over_http1(&self, request: &mut Request<SendBody>) {
        if self.expectation.is_none() && self.caller.is_none() {
            return;
        }
        let Self { expectation, caller } = self.clone();
        hyper::ext::on_informational(request, move |answer| match (answer.status(), &expectation, &caller) {
            (StatusCode::CONTINUE, Some(expectation), _) => expectation.asked(),
            (StatusCode::CONTINUE, None, _) | (_, _, None) => {}
            (status, _, Some(caller)) => {
                if let Some(answer) = for_caller(status, answer.headers()) {
                    // Full, or its caller has left.
                    let _ = caller.try_send(Box::new(answer));
                }
            }
        });
        if let Some(expectation) = &self.expectation {
            expectation.sent();
        }
    }

    /// The same over HTTP/2, of whose informational answers the library tells nothing: nobody is kept waiting.
    pub(super) fn over_http2(&self, request: &mut Request<SendBody>) {
        if let Some(expectation) = &self.expectation {
            expectation.give_up(request);
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

impl Interim {
    /// Tells of each until `exchange` is over, and of none after that.
    pub(super) async fn told_during<F: Future + Unpin>(mut self, mut exchange: F) -> F::Output {
        poll_fn(|cx| {
            while let Poll::Ready(Some(answer)) = self.come.poll_recv(cx) {
                (self.tell)(&answer);
            }
            let done = exchange.poll_unpin(cx);
            if done.is_ready() {
                // What came before the final answer is told before it.
                while let Ok(answer) = self.come.try_recv() {
                    (self.tell)(&answer);
                }
            }
            done
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn answer() -> Box<Response<()>> {
        Box::new(Response::new(()))
    }

    /// What tells of those of one request, and how many it has told of.
    fn told() -> (mpsc::Sender<Box<Response<()>>>, Interim, Arc<AtomicUsize>) {
        let (caller, come) = mpsc::channel(WAITING);
        let count = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&count);
        let tell: OnInformational = Arc::new(move |_| {
            counts.fetch_add(1, Ordering::Relaxed);
        });
        (caller, Interim { come, tell }, count)
    }

    #[test]
    fn what_comes_in_one_turn_with_the_final_answer_is_told_before_it() {
        let (caller, interim, count) = told();
        let exchange = Box::pin(async move {
            for _ in 0..WAITING {
                caller.try_send(answer()).unwrap();
            }
        });
        interim.told_during(exchange).now_or_never().unwrap();
        assert_eq!(count.load(Ordering::Relaxed), WAITING);
    }

    #[test]
    fn nothing_is_told_of_a_call_that_was_given_up() {
        let (caller, interim, count) = told();
        let mut call = Box::pin(interim.told_during(pending::<()>()));
        assert!((&mut call).now_or_never().is_none());
        caller.try_send(answer()).unwrap();
        drop(call);
        assert!(caller.try_send(answer()).is_err());
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_comes_after_the_final_answer_is_told_to_nobody() {
        let (caller, interim, count) = told();
        interim.told_during(ready(())).now_or_never().unwrap();
        assert!(caller.try_send(answer()).is_err());
        assert_eq!(count.load(Ordering::Relaxed), 0);
    }
}

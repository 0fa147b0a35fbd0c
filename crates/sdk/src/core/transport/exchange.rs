//! One request and its answer, on a connection that will do.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use futures_util::FutureExt;
use http::header::{HOST, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body as _;
use reveille_http2::Answer;
use reveille_retry::{Fault, FaultKind, Proof};

use super::connect::Connector;
use super::connection::Unanswered;
use super::expectation::Expectation;
use super::host::{Host, Wanted, Wish};
use super::incoming::{Hold, Incoming, On};
use super::interim::{Listeners, OnInformational};
use super::kept::{Lease, Leased, Served};
use super::websocket::{Asked, Extended};
use super::{Broken, Sending, Trace, evidence};
use crate::core::{Pump, SendBody};

/// What an attempt needs to reach its peer.
pub(super) struct Way<'a> {
    pub(super) connector: &'a Connector,
    pub(super) host: Arc<Host>,
    pub(super) wish: Wish,
}

impl<'a> Way<'a> {
    /// Sends a request, and makes its body meanwhile, until the head of the answer comes.
    pub(super) fn send(
        self,
        mut request: Request<SendBody>,
        tell: Option<&OnInformational>,
        trace: &'a Trace,
    ) -> Sending<'a> {
        let pump = request.body_mut().part();
        let expectation = pump.as_ref().and_then(|_| Expectation::of(&request));
        let (listeners, interim) = Listeners::new(expectation.clone(), tell);
        let exchange: Sending<'a> = Box::pin(self.exchange(request, listeners, trace));
        let exchange = match pump {
            Some(pump) => Box::pin(beside(pump, expectation, exchange)),
            None => exchange,
        };
        match interim {
            Some(interim) => Box::pin(interim.told_during(exchange)),
            None => exchange,
        }
    }

    /// A connection that turns out to be closed before any of the request was written is replaced, and nothing is
    /// counted: that is no attempt.
    ///
    /// A block, as the arguments of an `async fn` are carried twice.
    #[expect(clippy::manual_async_fn, reason = "it is smaller")]
    fn exchange(
        self,
        mut request: Request<SendBody>,
        listeners: Listeners,
        trace: &'a Trace,
    ) -> impl Future<Output = Result<Response<Incoming>, Broken>> + Send + 'a {
        async move {
            if request.method() == Method::CONNECT {
                return Err(Broken {
                    fault: Fault::proven(FaultKind::Unsendable, Proof::Canceled),
                    source: Some("CONNECT is no method for a sandbox".into()),
                });
            }
            loop {
                let leased = self.host.lease(self.connector, self.wish, trace).await;
                let Leased { lease, served, age } = leased.map_err(evidence::of_connect)?;
                trace.leased(&self.host, &lease, served, age);
                let hold = |on| Hold { host: Arc::clone(&self.host), age, served, on };
                let unanswered = match lease {
                    Lease::Http1(mut connection) => {
                        in_origin_form(&mut request, self.host.name());
                        listeners.over_http1(&mut request);
                        match connection.send(request).await {
                            Ok(answer) if answer.status() == StatusCode::SWITCHING_PROTOCOLS => {
                                trace.answered();
                                return Ok(answer.map(|_| Incoming::none()));
                            }
                            Ok(answer) => {
                                trace.answered();
                                connection.hear(answer.headers());
                                let hold = hold(On::Http1(connection));
                                return Ok(answer.map(|body| Incoming::over_http1(body, hold)));
                            }
                            Err(unanswered) => unanswered,
                        }
                    }
                    Lease::Http2(stream) => {
                        *request.version_mut() = Version::HTTP_2;
                        request.headers_mut().remove(TRANSFER_ENCODING);
                        in_absolute_form(&mut request, self.host.origin());
                        let asked =
                            (self.wish.wanted == Wanted::WebSocket).then(|| Asked::write(&mut request));
                        match stream.send(request, listeners.over_http2()).await {
                            Ok(Answer::Arriving(answer)) => {
                                trace.answered();
                                let hold = hold(On::Http2(stream));
                                return Ok(answer.map(|body| Incoming::over_http2(body, hold)));
                            }
                            Ok(Answer::Changed(answer)) => {
                                trace.answered();
                                let mut answer = Extended::carried_by(answer, stream);
                                if let Some(asked) = asked {
                                    asked.write_answer(&mut answer);
                                }
                                return Ok(answer.map(|()| Incoming::none()));
                            }
                            Err(mut unanswered) => {
                                stream.connection().retire();
                                if let (Some(asked), Some(back)) = (asked, &mut unanswered.back) {
                                    asked.undo(back);
                                }
                                unanswered
                            }
                        }
                    }
                };
                match unanswered {
                    Unanswered { back: Some(back), .. } if served == Served::Before => {
                        request = back;
                        trace.came_back();
                    }
                    Unanswered { error, .. } => {
                        if served == Served::Before {
                            self.host.kept.distrust(age);
                        }
                        return Err(evidence::of_send(error));
                    }
                }
            }
        }
    }
}

/// Makes the body while the exchange goes on. What the body fails with is the caller's own, whatever the connection
/// makes of it. An answer that comes before the body has ended is an answer; the rest of the body follows by itself,
/// unless nobody has asked for any of it.
async fn beside<E>(
    pump: Pump,
    expectation: Option<Expectation>,
    mut exchange: E,
) -> Result<Response<Incoming>, Broken>
where
    E: Future<Output = Result<Response<Incoming>, Broken>> + Unpin,
{
    let when_asked = expectation.clone();
    let mut making = Some(Box::pin(async move {
        if let Some(expectation) = when_asked {
            expectation.met().await;
        }
        pump.run().await
    }));
    let answer = poll_fn(|cx| {
        if let Some(made) = &mut making
            && let Poll::Ready(made) = made.as_mut().poll(cx)
        {
            making = None;
            if let Err(error) = made {
                return Poll::Ready(Err(evidence::of_request_body(error)));
            }
        }
        exchange.poll_unpin(cx)
    })
    .await;
    let answer = answer?;
    let Some(rest) = making else { return Ok(answer) };
    if expectation.is_some_and(|expectation| expectation.is_unmet()) {
        return Ok(answer.map(|body| body.instead_of(rest)));
    }
    tokio::spawn(rest);
    Ok(answer)
}

/// The form of a request to an origin (RFC 9112, section 3.2.1), with the host in its header.
fn in_origin_form(request: &mut Request<SendBody>, host: Option<&HeaderValue>) {
    *request.version_mut() = Version::HTTP_11;
    if let Some(host) = host {
        match request.headers_mut().get_mut(HOST) {
            Some(said) if !said.is_empty() => {}
            Some(place) => *place = host.clone(),
            None => drop(request.headers_mut().insert(HOST, host.clone())),
        }
    }
    if request.body().size_hint().exact().is_none() {
        // Said outright, so that a method that seldom has a body keeps its own.
        request.headers_mut().insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    let path = std::mem::take(request.uri_mut()).into_parts().path_and_query;
    *request.uri_mut() = path.map_or_else(|| Uri::from_static("/"), Uri::from);
}

/// A request with its whole URL, also where it had been put in the other form already.
fn in_absolute_form(request: &mut Request<SendBody>, origin: &Uri) {
    if request.headers().get(HOST).is_some_and(HeaderValue::is_empty) {
        request.headers_mut().remove(HOST);
    }
    if request.uri().authority().is_some() {
        return;
    }
    let mut parts = origin.clone().into_parts();
    parts.path_and_query = request.uri().path_and_query().cloned();
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

//! One request and its answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, HeaderValue, TE};
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::{Arriving, Client, Open, Unanswered};
use crate::Duplex;
use crate::outgoing::{BoxError, Outgoing, announced, leave_out_of_connection};

/// What a request brings.
#[derive(Debug)]
pub enum Answer {
    /// An answer, and its body as it comes.
    Arriving(Response<Arriving>),
    /// The stream has changed over to the protocol that the request asked for.
    Changed(Response<Duplex>),
}

type Sending = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Client {
    /// Sends a request, and has `heard` called with each interim answer until the answer comes, whether or not this is
    /// polled: nothing bounds how many there are, so that none may wait. To drop this before the answer resets the stream;
    /// what is left of the body when it comes goes on by itself.
    ///
    /// A request with the extension [`h2::ext::Protocol`] is one to change over, and has no body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        heard: impl FnMut(Response<()>) + Send + 'static,
    ) -> Result<Answer, Unanswered<B>>
    where
        B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let (mut requests, line) = (self.requests.clone(), &self.line);
        if let Err(error) = poll_fn(|cx| requests.poll_ready(cx)).await {
            return Err(Unanswered::Unsent(error, Box::new(request)));
        }
        let (mut head, body) = request.into_parts();
        let is_extended = head.method == Method::CONNECT;
        finish_head(&mut head, &body);
        let left = announced(&head.headers);
        let is_over = body.is_end_stream() && !is_extended;
        let open = line.open();
        let begun = requests.send_request(Request::from_parts(head, ()), is_over);
        let (answer, stream) = begun.map_err(|error| Unanswered::Broken(line.error(error)))?;
        let answering = async move {
            if is_extended {
                let response = answered(answer, &mut None, heard).await?;
                return Ok(changed(response, stream, open));
            }
            let mut sending: Option<Sending> =
                (!is_over).then(|| Box::pin(Outgoing { body, stream, left }.send()) as Sending);
            let response = answered(answer, &mut sending, heard).await?;
            if let Some(rest) = sending {
                let open = open.0.open();
                tokio::spawn(async move {
                    rest.await;
                    drop(open);
                });
            }
            Ok(arriving(response, open))
        };
        let answered = AbortOnDropHandle::new(tokio::spawn(answering)).await;
        answered.unwrap_or_else(gone).map_err(|error| Unanswered::Broken(line.error(error)))
    }
}

/// What a task that did not end says: it panicked, or its runtime ends.
fn gone(error: JoinError) -> Result<Answer, h2::Error> {
    match error.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(Reason::CANCEL.into()),
    }
}

/// Waits for an answer, and sends the body meanwhile.
async fn answered(
    mut answer: ResponseFuture,
    sending: &mut Option<Sending>,
    mut heard: impl FnMut(Response<()>) + Send,
) -> Result<Response<RecvStream>, h2::Error> {
    poll_fn(|cx| {
        if sending.as_mut().is_some_and(|sending| sending.as_mut().poll(cx).is_ready()) {
            *sending = None;
        }
        // An error is the answer's, too.
        while let Poll::Ready(Some(Ok(said))) = answer.poll_informational(cx) {
            heard(said);
        }
        Pin::new(&mut answer).poll(cx)
    })
    .await
}

fn changed(response: Response<RecvStream>, stream: SendStream<Bytes>, open: Open) -> Answer {
    if response.status() != StatusCode::OK {
        return arriving(response, open);
    }
    let (head, receive) = response.into_parts();
    let (duplex, over) = Duplex::new(receive, stream);
    tokio::spawn(async move {
        let _ = over.await;
        drop(open);
    });
    Answer::Changed(Response::from_parts(head, duplex))
}

fn arriving(response: Response<RecvStream>, open: Open) -> Answer {
    let (head, stream) = response.into_parts();
    let body = Arriving::new(stream, &head.headers, open);
    Answer::Arriving(Response::from_parts(head, body))
}

/// Makes the head of a request one that HTTP/2 may have.
fn finish_head(head: &mut request::Parts, body: &impl Body) {
    leave_out_of_connection(&mut head.headers);
    if head.headers.get(TE).is_some_and(|te| te != "trailers") {
        head.headers.remove(TE);
    }
    let has_body = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
    if let Some(length) = body.size_hint().exact().filter(|length| *length > 0 || has_body) {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
}

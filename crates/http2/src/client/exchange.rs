//! One request and its answer.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use bytes::Bytes;
use h2::client::ResponseFuture;
use h2::{RecvStream, SendStream};
use http::header::{CONTENT_LENGTH, HeaderValue, TE};
use http::{Method, Request, Response, StatusCode, request};
use http_body::Body;

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
    /// Sends a request, and has `heard` called with each interim answer until the answer comes. To drop this before that
    /// resets the stream; what is left of the body when it comes goes on by itself.
    ///
    /// A request with the extension [`h2::ext::Protocol`] is one to change over, and has no body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send<B>(
        &self,
        request: Request<B>,
        mut heard: impl FnMut(Response<()>) + Send,
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
        let (mut answer, stream) = begun.map_err(|error| Unanswered::Broken(line.error(error)))?;
        if is_extended {
            let response = answered(&mut answer, &mut None, &mut heard).await;
            let response = response.map_err(|error| Unanswered::Broken(line.error(error)))?;
            return Ok(changed(response, stream, open));
        }
        let mut sending: Option<Sending> =
            (!is_over).then(|| Box::pin(Outgoing { body, stream, left }.send()) as Sending);
        let response = answered(&mut answer, &mut sending, &mut heard).await;
        let response = response.map_err(|error| Unanswered::Broken(line.error(error)))?;
        if let Some(rest) = sending {
            let open = line.open();
            tokio::spawn(async move {
                rest.await;
                drop(open);
            });
        }
        Ok(arriving(response, open))
    }
}

/// Waits for an answer, and sends the body meanwhile.
async fn answered(
    answer: &mut ResponseFuture,
    sending: &mut Option<Sending>,
    heard: &mut (impl FnMut(Response<()>) + Send),
) -> Result<Response<RecvStream>, h2::Error> {
    poll_fn(|cx| {
        if sending.as_mut().is_some_and(|sending| sending.as_mut().poll(cx).is_ready()) {
            *sending = None;
        }
        // An error is the answer's, too.
        while let Poll::Ready(Some(Ok(said))) = answer.poll_informational(cx) {
            heard(said);
        }
        Pin::new(&mut *answer).poll(cx)
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

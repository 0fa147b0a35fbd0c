//! An answer on its way out.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::{Body, Frame};
use reveille_http1::with_date;

use crate::change::poll_room;

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// What belongs to a connection of HTTP/1.1 (RFC 9113, section 8.2.2).
const OF_CONNECTION: [HeaderName; 6] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Why an answer does not end as it should.
pub(crate) enum Broken {
    /// The client does not want it, or has gone.
    Unwanted(h2::Error),
    /// There is no more of it than has gone out.
    Body(BoxError),
    /// It is not as long as it says.
    Length,
    /// It says what no answer can.
    Head,
}

impl From<h2::Error> for Broken {
    fn from(error: h2::Error) -> Self {
        Self::Unwanted(error)
    }
}

/// Sends an answer to a request of this method, to its end.
pub(crate) async fn send<B>(
    response: Response<B>,
    method: &Method,
    stream: &mut SendResponse<Bytes>,
) -> Result<(), Broken>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (mut head, body) = response.into_parts();
    if head.status.is_informational() {
        return Err(Broken::Head);
    }
    let is_bodiless = matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // Of a body that is left out it is said how long it would be, where that is known.
    let length = body.size_hint().exact().filter(|length| *length > 0 && !is_bodiless);
    if let Some(length) = length {
        head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
    finish_head(&mut head.headers);
    let left = announced(&head.headers);
    let is_over =
        is_bodiless || *method == Method::HEAD || (body.is_end_stream() && left.is_none_or(|left| left == 0));
    let stream = stream.send_response(Response::from_parts(head, ()), is_over)?;
    if is_over { Ok(()) } else { Outgoing { body, stream, left }.send().await }
}

/// Makes the headers of an answer those that HTTP/2 may have.
pub(crate) fn finish_head(headers: &mut HeaderMap) {
    leave_out_of_connection(headers);
    headers.entry(DATE).or_insert_with(|| with_date(Clone::clone));
}

pub(crate) fn leave_out_of_connection(headers: &mut HeaderMap) {
    for name in OF_CONNECTION {
        headers.remove(name);
    }
}

fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The body of an answer, and where it goes.
struct Outgoing<B> {
    body: B,
    stream: SendStream<Bytes>,
    /// How much is still to come, where that was announced.
    left: Option<u64>,
}

impl<B> Outgoing<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    async fn send(mut self) -> Result<(), Broken> {
        loop {
            let Some(frame) = poll_fn(|cx| self.poll_next(cx)).await? else {
                self.end()?;
                return Ok(self.stream.send_data(Bytes::new(), true)?);
            };
            match frame.into_data() {
                Ok(bytes) => {
                    self.count(bytes.len())?;
                    let is_last = self.body.is_end_stream();
                    if is_last {
                        self.end()?;
                    }
                    if !bytes.is_empty() {
                        poll_fn(|cx| self.poll_room(cx)).await?;
                    }
                    self.stream.send_data(bytes, is_last)?;
                    if is_last {
                        return Ok(());
                    }
                }
                Err(frame) => {
                    let Ok(trailers) = frame.into_trailers() else { continue };
                    self.end()?;
                    return Ok(self.stream.send_trailers(trailers)?);
                }
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame<Bytes>>, Broken>> {
        self.check(cx)?;
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.transpose().map_err(|error| Broken::Body(error.into())))
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        self.check(cx)?;
        poll_room(&mut self.stream, cx).map_err(Broken::Unwanted)
    }

    /// Whether the client still wants it; wakes this task when it does not.
    fn check(&mut self, cx: &mut Context<'_>) -> Result<(), Broken> {
        match self.stream.poll_reset(cx) {
            Poll::Ready(reason) => Err(Broken::Unwanted(reason.map_or_else(|error| error, h2::Error::from))),
            Poll::Pending => Ok(()),
        }
    }

    fn count(&mut self, bytes: usize) -> Result<(), Broken> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(bytes as u64).ok_or(Broken::Length)?;
        }
        Ok(())
    }

    fn end(&self) -> Result<(), Broken> {
        if self.left.is_none_or(|left| left == 0) { Ok(()) } else { Err(Broken::Length) }
    }
}

impl Broken {
    /// Tells the client that what it got is not all, and why there is no more in the log.
    pub(crate) fn reset(&self, stream: &mut SendResponse<Bytes>) {
        match self {
            Self::Unwanted(error) => tracing::debug!(%error, "an answer is not wanted any more"),
            Self::Body(error) => tracing::debug!(error = &**error as &dyn Error, "an answer was broken off"),
            Self::Length => tracing::debug!("an answer is not as long as it says"),
            Self::Head => tracing::debug!("an answer says what no answer can"),
        }
        stream.send_reset(Reason::INTERNAL_ERROR);
    }
}

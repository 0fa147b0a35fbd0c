//! An answer on its way out.

use bytes::Bytes;
use h2::server::SendResponse;
use http::header::{CONTENT_LENGTH, DATE, HeaderValue, TE};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body::Body;
use reveille_http1::with_date;

use crate::outgoing::{BoxError, Outgoing, announced, leave_out_of_connection};

/// Why an answer did not begin.
pub(crate) enum NotBegun {
    /// The client does not want it, or has gone.
    Unwanted(h2::Error),
    /// It says what no answer can.
    NoAnswer,
}

impl From<h2::Error> for NotBegun {
    fn from(error: h2::Error) -> Self {
        Self::Unwanted(error)
    }
}

/// Sends an answer to a request of this method, to its end.
pub(crate) async fn send<B>(
    response: Response<B>,
    method: &Method,
    stream: &mut SendResponse<Bytes>,
) -> Result<(), NotBegun>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    let (mut head, body) = response.into_parts();
    if head.status.is_informational() {
        return Err(NotBegun::NoAnswer);
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
    if !is_over {
        Outgoing { body, stream, left }.send().await;
    }
    Ok(())
}

/// Makes the headers of an answer those that HTTP/2 may have.
pub(crate) fn finish_head(headers: &mut HeaderMap) {
    leave_out_of_connection(headers);
    headers.remove(TE);
    headers.entry(DATE).or_insert_with(|| with_date(Clone::clone));
}

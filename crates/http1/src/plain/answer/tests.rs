use std::collections::VecDeque;
use std::task::Waker;

use http_body::Frame;

use super::*;

/// A body of which everything has come already.
struct Came(VecDeque<Result<Frame<Bytes>, io::Error>>);

impl Body for Came {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// What is written of an answer with this body, and whether it is whole.
fn written(came: impl IntoIterator<Item = Result<Bytes, io::Error>>) -> (String, bool) {
    let body = Came(came.into_iter().map(|piece| piece.map(Frame::data)).collect());
    let mut out = Vec::new();
    let mut answer = Answer::begin(Response::new(body), &Method::GET, &mut out);
    let mut socket = Vec::new();
    let end = answer.poll_write(&mut socket, &mut Context::from_waker(Waker::noop()));
    let Poll::Ready(end) = end else { panic!("nothing is waited for") };
    let written = String::from_utf8(socket).unwrap_or_default();
    let body = written.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (body.unwrap_or_default(), end.is_ok())
}

fn piece(bytes: &'static str) -> Result<Bytes, io::Error> {
    Ok(Bytes::from_static(bytes.as_bytes()))
}

fn cut() -> Result<Bytes, io::Error> {
    Err(io::ErrorKind::ConnectionReset.into())
}

#[test]
fn what_came_of_a_body_before_it_broke_off_goes_out() {
    assert_eq!(
        written([piece("first"), piece("second")]),
        ("5\r\nfirst\r\n6\r\nsecond\r\n0\r\n\r\n".into(), true)
    );
    assert_eq!(
        written([piece("first"), piece("second"), cut()]),
        ("5\r\nfirst\r\n6\r\nsecond\r\n".into(), false)
    );
    assert_eq!(written([cut()]), (String::new(), false));
    let large = "x".repeat(COPIED + 1);
    let (body, is_whole) = written([Ok(large.clone().into()), piece("end"), cut(), piece("never")]);
    assert_eq!((body, is_whole), (format!("{:x}\r\n{large}\r\n3\r\nend\r\n", large.len()), false));
}

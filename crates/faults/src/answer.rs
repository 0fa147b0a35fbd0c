//! An answer: a status, headers and a body, and the ways in which sending them can go wrong.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::body::Body;
use crate::step::{End, Step};

/// A response, correct unless told otherwise.
///
/// It becomes a [`Step`] wherever a step is asked for. The request is read to its end first, unless
/// [`early`](Self::early) says otherwise.
#[derive(Clone, Debug)]
#[must_use]
pub struct Answer {
    pub(crate) status: String,
    pub(crate) reason: Option<Bytes>,
    pub(crate) headers: Vec<(Bytes, Bytes)>,
    pub(crate) body: Body,
    pub(crate) framing: Framing,
    pub(crate) declared_length: Option<u64>,
    pub(crate) informational: Vec<Informational>,
    pub(crate) delay: Duration,
    pub(crate) body_delay: Duration,
    pub(crate) readiness: Readiness,
    pub(crate) cut: Option<Cut>,
    pub(crate) afterwards: Afterwards,
}

/// How the end of a body is made known. HTTP/2 has its own framing; there this only decides whether
/// a `content-length` is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// `content-length`, or `chunked` for a body without end.
    #[default]
    Length,
    /// `transfer-encoding: chunked`.
    Chunked,
    /// `connection: close`, and the end of the connection is the end of the body.
    UntilClose,
    /// Nothing is added: the headers of the script are all there is. This is also what happens when
    /// the script gives a `content-length` or a `transfer-encoding` by hand.
    Bare,
}

/// A head that comes before the real one: 100, 102, 103.
#[derive(Clone, Debug)]
pub(crate) struct Informational {
    pub(crate) status: String,
    pub(crate) headers: Vec<(Bytes, Bytes)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Readiness {
    AfterRequest,
    Early,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    pub(crate) place: Place,
    pub(crate) at: u64,
    pub(crate) end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Head,
    Body,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Afterwards {
    KeepAlive,
    Announced,
    End(Duration, End),
}

impl Answer {
    /// An answer with this status, three digits at least: `0` is sent as `000`.
    pub fn status(status: u16) -> Self {
        Self::status_text(format!("{status:03}"))
    }

    /// An answer whose status is this text, whatever it is: `99`, `2000`, `abc`.
    pub fn status_text(status: impl Into<String>) -> Self {
        Self {
            status: status.into(),
            reason: None,
            headers: Vec::new(),
            body: Body::new(Bytes::new()),
            framing: Framing::default(),
            declared_length: None,
            informational: Vec::new(),
            delay: Duration::ZERO,
            body_delay: Duration::ZERO,
            readiness: Readiness::AfterRequest,
            cut: None,
            afterwards: Afterwards::KeepAlive,
        }
    }

    /// The reason phrase of HTTP/1.1, instead of the usual one.
    pub fn reason(mut self, reason: impl AsRef<[u8]>) -> Self {
        self.reason = Some(Bytes::copy_from_slice(reason.as_ref()));
        self
    }

    /// One more header; names may repeat and values may be any bytes.
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(owned(name, value));
        self
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Body>) -> Self {
        self.body = body.into();
        self
    }

    /// How the end of the body is made known.
    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Declares this `content-length`, whatever the body's length is.
    ///
    /// When it promises more than the body holds, the connection is closed after the body (a stream
    /// of HTTP/2 just ends).
    pub fn content_length(mut self, length: u64) -> Self {
        self.declared_length = Some(length);
        self
    }

    /// Sends an informational head first; may be called several times.
    pub fn informational(self, status: u16) -> Self {
        self.informational_with(status, [])
    }

    /// Sends an informational head with headers first.
    pub fn informational_with<const N: usize>(mut self, status: u16, headers: [(&str, &str); N]) -> Self {
        self.informational.push(Informational {
            status: format!("{status:03}"),
            headers: headers.into_iter().map(|(name, value)| owned(name, value)).collect(),
        });
        self
    }

    /// Waits this long before the head (and after the informational heads, if there are any).
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Waits this long between the head and the body.
    pub fn delay_body(mut self, delay: Duration) -> Self {
        self.body_delay = delay;
        self
    }

    /// Answers as soon as the request's head is there, without reading its body.
    ///
    /// The body is left unread while the answer is sent. If the connection is to live on, it is read
    /// afterwards over HTTP/1.1; over HTTP/2 the rest of it is declined with `RST_STREAM(NO_ERROR)`.
    pub fn early(mut self) -> Self {
        self.readiness = Readiness::Early;
        self
    }

    /// Sends only `bytes` bytes of the head, then ends.
    pub fn cut_head(mut self, bytes: u64, end: End) -> Self {
        self.cut = Some(Cut { place: Place::Head, at: bytes, end });
        self
    }

    /// Sends the head and `bytes` bytes of the body, then ends.
    ///
    /// A cut at or past the length of the body sends all of it but not its end: no last chunk, no
    /// `END_STREAM`.
    pub fn cut_body(mut self, bytes: u64, end: End) -> Self {
        self.cut = Some(Cut { place: Place::Body, at: bytes, end });
        self
    }

    /// Announces the end of the connection with the answer: `connection: close` and then the end of
    /// the connection, or over HTTP/2 a GOAWAY that covers this stream.
    pub fn connection_close(mut self) -> Self {
        self.afterwards = Afterwards::Announced;
        self
    }

    /// Ends the connection after the answer without having announced it.
    pub fn then(self, end: End) -> Self {
        self.then_after(Duration::ZERO, end)
    }

    /// Ends the connection without announcement once it has been idle for `idle` after the answer.
    /// A request that comes earlier is served. This makes stale pooled connections.
    pub fn then_after(mut self, idle: Duration, end: End) -> Self {
        self.afterwards = Afterwards::End(idle, end);
        self
    }

    /// Gives this answer `times` times before the script goes on.
    pub fn times(self, times: u32) -> Step {
        Step::from(self).times(times)
    }

    /// Gives this answer to every request within `window` of the first one it was given to.
    pub fn lasting(self, window: Duration) -> Step {
        Step::from(self).lasting(window)
    }
}

fn owned(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> (Bytes, Bytes) {
    (Bytes::copy_from_slice(name.as_ref()), Bytes::copy_from_slice(value.as_ref()))
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.status)?;
        if let Some(cut) = self.cut {
            let place = match cut.place {
                Place::Head => "head",
                Place::Body => "body",
            };
            write!(f, ", {} in the {place} after {} bytes", cut.end, cut.at)?;
        }
        match self.afterwards {
            Afterwards::KeepAlive => Ok(()),
            Afterwards::Announced => f.write_str(", connection closed"),
            Afterwards::End(_, end) => write!(f, ", then {end}"),
        }
    }
}

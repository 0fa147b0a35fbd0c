//! What is done to one request.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;

use crate::answer::Answer;
use crate::code::Code;

/// What the server does with one request.
#[derive(Clone, Debug)]
#[must_use]
pub struct Step {
    pub(crate) act: Act,
    pub(crate) delay: Duration,
    pub(crate) hold: Hold,
}

#[derive(Clone, Debug)]
pub(crate) enum Act {
    Answer(Box<Answer>),
    End(Moment, End),
    Garbage(Moment, Bytes, End),
    GoAway(Box<GoAway>),
}

/// How long the script stays at a step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hold {
    Times(u32),
    Window(Duration),
}

/// How far a request gets before the server acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Nothing of the request is read: a new connection is dealt with as soon as it is accepted.
    ///
    /// Only the default steps of a script can see a connection that early, and what was never read is
    /// not recorded as an arrival; the connection is counted. On a connection that is open already,
    /// and for the steps of a route, this is the same as [`AfterHead`](Self::AfterHead).
    BeforeRequest,
    /// The request's head was read, its body was not.
    AfterHead,
    /// The whole request was read.
    AfterRequest,
}

/// How the server lets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum End {
    /// An orderly end of the connection (FIN).
    Close,
    /// A reset of the connection (RST).
    Reset,
    /// Silence in this exchange, until the client gives up or the server ends.
    Hang,
    /// Silence on the whole connection: nothing is read, and over HTTP/2 no PING is answered.
    Freeze,
    /// `RST_STREAM` with this code; the connection lives on. Over HTTP/1.1, which has no streams,
    /// the connection is reset.
    Stream(Code),
}

impl Step {
    /// An answer with this status.
    pub fn status(status: u16) -> Answer {
        Answer::status(status)
    }

    /// A 200 with this body.
    pub fn ok(body: impl Into<crate::Body>) -> Answer {
        Answer::status(200).body(body)
    }

    /// Resets the connection (RST).
    pub fn reset(moment: Moment) -> Self {
        Self::end(moment, End::Reset)
    }

    /// Closes the connection (FIN) without an answer.
    pub fn close(moment: Moment) -> Self {
        Self::end(moment, End::Close)
    }

    /// Never answers. The wait ends when the client gives up or the server is dropped.
    pub fn hang(moment: Moment) -> Self {
        Self::end(moment, End::Hang)
    }

    /// Ends this way at this moment, without an answer.
    pub fn end(moment: Moment, end: End) -> Self {
        Act::End(moment, end).into()
    }

    /// Resets the stream with this code once the request is read; see [`End::Stream`].
    pub fn reset_stream(code: Code) -> Self {
        Self::end(Moment::AfterRequest, End::Stream(code))
    }

    /// Sends these bytes where the answer should be, then closes the connection.
    pub fn garbage(bytes: impl Into<Bytes>) -> Self {
        Self::garbage_at(Moment::AfterRequest, bytes, End::Close)
    }

    /// Sends these bytes at this moment, then ends this way.
    pub fn garbage_at(moment: Moment, bytes: impl Into<Bytes>, end: End) -> Self {
        Act::Garbage(moment, bytes.into(), end).into()
    }

    /// Sends a GOAWAY.
    pub fn goaway(goaway: GoAway) -> Self {
        Act::GoAway(Box::new(goaway)).into()
    }

    /// Waits this long before doing anything but read.
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Stays at this step for `times` requests. Zero skips the step.
    pub fn times(mut self, times: u32) -> Self {
        self.hold = Hold::Times(times);
        self
    }

    /// Stays at this step for every request within `window` of the first one: "not ready until".
    pub fn lasting(mut self, window: Duration) -> Self {
        self.hold = Hold::Window(window);
        self
    }

    /// Whether this step wants a connection before anything was read from it.
    pub(crate) fn acts_before_request(&self) -> bool {
        matches!(self.act, Act::End(Moment::BeforeRequest, _) | Act::Garbage(Moment::BeforeRequest, ..))
    }
}

impl From<Act> for Step {
    fn from(act: Act) -> Self {
        Self { act, delay: Duration::ZERO, hold: Hold::Times(1) }
    }
}

impl From<Answer> for Step {
    fn from(answer: Answer) -> Self {
        Act::Answer(Box::new(answer)).into()
    }
}

/// A GOAWAY frame and what comes after it.
///
/// Over HTTP/1.1, which has no such frame, what comes after it is all that happens; if that is
/// nothing, the connection is closed.
#[derive(Clone, Debug)]
#[must_use]
pub struct GoAway {
    pub(crate) last: LastStream,
    pub(crate) code: Code,
    pub(crate) moment: Moment,
    pub(crate) notice: Notice,
    pub(crate) follow: Follow,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum LastStream {
    Covering,
    NotCovering,
    Exactly(u32),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Notice {
    Sudden,
    Graceful,
}

#[derive(Clone, Debug)]
pub(crate) enum Follow {
    Silence,
    Answer(Box<Answer>),
    End(End),
}

impl GoAway {
    /// The last stream is this one: the server says that it may have processed the request.
    pub fn covering() -> Self {
        Self::with(LastStream::Covering)
    }

    /// The last stream is the one before this one: the server says that it has not processed, and
    /// will not process, the request.
    pub fn not_covering() -> Self {
        Self::with(LastStream::NotCovering)
    }

    /// The last stream has this number, whatever the request's own is.
    pub fn last_stream(id: u32) -> Self {
        Self::with(LastStream::Exactly(id & 0x7fff_ffff))
    }

    fn with(last: LastStream) -> Self {
        Self {
            last,
            code: Code::NO_ERROR,
            moment: Moment::AfterRequest,
            notice: Notice::Sudden,
            follow: Follow::Silence,
        }
    }

    /// The error code; `NO_ERROR` if this is not called.
    pub fn code(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    /// When it is sent; after the whole request if this is not called.
    pub fn at(mut self, moment: Moment) -> Self {
        self.moment = moment;
        self
    }

    /// Sends a first GOAWAY with the last stream 2^31-1, as a server that drains does, and the real
    /// one a moment later.
    pub fn graceful(mut self) -> Self {
        self.notice = Notice::Graceful;
        self
    }

    /// Answers the request all the same.
    pub fn then_answer(mut self, answer: Answer) -> Self {
        self.follow = Follow::Answer(Box::new(answer));
        self
    }

    /// Ends this way right after the frame.
    pub fn then(mut self, end: End) -> Self {
        self.follow = Follow::End(end);
        self
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.act {
            Act::Answer(answer) => answer.fmt(f),
            Act::End(moment, end) => write!(f, "{end} {moment}"),
            Act::Garbage(moment, bytes, end) => {
                write!(f, "{} bytes of garbage {moment}, then {end}", bytes.len())
            }
            Act::GoAway(goaway) => goaway.fmt(f),
        }
    }
}

impl fmt::Display for GoAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.last {
            LastStream::Covering => f.write_str("GOAWAY that covers it")?,
            LastStream::NotCovering => f.write_str("GOAWAY that does not cover it")?,
            LastStream::Exactly(id) => write!(f, "GOAWAY with last stream {id}")?,
        }
        write!(f, " ({})", self.code)?;
        match &self.follow {
            Follow::Silence => Ok(()),
            Follow::Answer(answer) => write!(f, ", then {answer}"),
            Follow::End(end) => write!(f, ", then {end}"),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BeforeRequest => "before the request",
            Self::AfterHead => "after the head",
            Self::AfterRequest => "after the request",
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Close => f.write_str("close"),
            Self::Reset => f.write_str("reset"),
            Self::Hang => f.write_str("hang"),
            Self::Freeze => f.write_str("freeze"),
            Self::Stream(code) => write!(f, "RST_STREAM({code})"),
        }
    }
}

//! What comes back: how it is taken, and what is made of it.

mod arriving;
#[cfg(feature = "terminal")]
mod changed;
mod fitted;
mod forwarded;
mod response;
mod stream;

use http::header::CONTENT_LENGTH;
use http::{HeaderMap, StatusCode, Version};
use reveille_retry::History;
use serde::de::DeserializeOwned;

use crate::core::transport::Change;
use crate::error::{Answered, Error};
use crate::record::{AnsweredBy, Record};
pub(crate) use arriving::Arriving;
#[cfg(feature = "terminal")]
pub(crate) use changed::Changed;
pub use fitted::Fitted;
pub use forwarded::{Forwarded, ForwardedBody, Tunnel};
pub use response::Response;
#[cfg(feature = "blocking")]
pub use stream::Blocking;
pub use stream::StreamResponse;

type Make<A, T> = Box<dyn FnOnce(A) -> Result<T, Error> + Send + Sync>;

/// How an answer is taken and what is made of it, which is one thing, so that the two cannot disagree.
pub(crate) enum Reading<T> {
    /// Its body is read inside the attempt, whatever its status.
    Whole(Make<Whole, T>),
    /// A success is read whole; of another status the beginning is enough for an error.
    Success(Make<Whole, T>),
    /// Its body is handed on as it comes, whatever its status.
    Stream(Make<Box<Begun>, T>),
    /// The body of a success is handed on as it comes; another status is an error.
    SuccessStream(Make<Box<Begun>, T>),
    /// Events are handed on as they come, everything else is read whole.
    Fitted(Make<Box<Begun>, T>),
    /// A body that is known to be short is read inside the attempt, every other is handed on as it comes.
    Short(Make<Box<Begun>, T>),
    /// The connection is handed on, where it changes over to another protocol; another answer is an error.
    #[cfg(feature = "terminal")]
    Changed(Make<Box<Begun>, T>),
}

/// How an answer is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taking {
    Whole,
    Success,
    Stream,
    SuccessStream,
    Fitted,
    Short,
    #[cfg(feature = "terminal")]
    Changed,
}

/// An answer with its whole body.
pub(crate) struct Whole {
    pub(crate) version: Version,
    pub(crate) answered: Answered,
    pub(crate) record: Record,
}

/// An answer whose body may still be to come.
pub(crate) struct Begun {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Arriving,
    pub(crate) record: Record,
    /// Where the connection changes over to another protocol.
    pub(crate) change: Option<Change>,
}

impl Taking {
    /// Whether the body of an answer with this head is handed on as it comes.
    pub(crate) fn streams(self, status: StatusCode, headers: &HeaderMap) -> bool {
        match self {
            Self::Stream => true,
            Self::SuccessStream => status.is_success(),
            Self::Fitted => fitted::are_events(headers),
            Self::Short => !is_short(headers),
            #[cfg(feature = "terminal")]
            Self::Changed => status == StatusCode::SWITCHING_PROTOCOLS,
            Self::Whole | Self::Success => false,
        }
    }

    /// Whether an answer with this head is of use only with its whole body.
    pub(crate) fn wants_all(self, status: StatusCode, headers: &HeaderMap) -> bool {
        match self {
            Self::Whole => true,
            Self::Success => status.is_success(),
            Self::Fitted => !fitted::are_events(headers),
            Self::Short => is_short(headers),
            Self::Stream | Self::SuccessStream => false,
            #[cfg(feature = "terminal")]
            Self::Changed => false,
        }
    }

    /// Whether the beginning of an answer that is no success is what an error is made of.
    pub(crate) fn is_explained_by_beginning(self, by: AnsweredBy) -> bool {
        self == Self::SuccessStream || (self == Self::Stream && by == AnsweredBy::Platform)
    }

    /// Whether what is made of an answer may be a stream.
    pub(crate) fn may_stream(self) -> bool {
        !matches!(self, Self::Whole | Self::Success)
    }
}

/// The longest body that counts as short, in bytes.
const SHORT: u64 = 64 * 1024;

fn is_short(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    length.is_some_and(|length| length <= SHORT)
}

impl Begun {
    /// The answer with as much of its body as has been read.
    pub(crate) fn into_whole(self: Box<Self>) -> Whole {
        let Self { status, version, headers, body, record, .. } = *self;
        Whole { version, answered: Answered { status, headers, body: body.into_held() }, record }
    }

    #[cfg(feature = "terminal")]
    fn changed(self: Box<Self>) -> Result<Box<Self>, Error> {
        if self.status == StatusCode::SWITCHING_PROTOCOLS && self.change.is_some() {
            return Ok(self);
        }
        let Whole { answered, record, .. } = self.into_whole();
        if answered.status.is_success() {
            let said = "the server answered, and did not change over to the protocol that was asked for";
            return Err(Error::of_refusal(said, record));
        }
        Err(Error::of_status(answered, record))
    }

    fn success(self: Box<Self>) -> Result<Box<Self>, Error> {
        if self.status.is_success() {
            return Ok(self);
        }
        let Whole { answered, record, .. } = self.into_whole();
        Err(Error::of_status(answered, record))
    }
}

impl Whole {
    /// The body, read as JSON.
    pub(crate) fn json<T: DeserializeOwned>(self) -> Result<T, Error> {
        serde_json::from_slice(&self.answered.body)
            .map_err(|error| Error::of_decode(self.answered, self.record, error))
    }
}

impl<T> Reading<T> {
    /// A success, read as JSON, of which `make` makes what the caller gets.
    pub(crate) fn json_as<W: DeserializeOwned>(make: impl FnOnce(W) -> T + Send + Sync + 'static) -> Self {
        Self::Success(Box::new(|whole| whole.json().map(make)))
    }

    pub(crate) fn taking(&self) -> Taking {
        match self {
            Self::Whole(_) => Taking::Whole,
            Self::Success(_) => Taking::Success,
            Self::Stream(_) => Taking::Stream,
            Self::SuccessStream(_) => Taking::SuccessStream,
            Self::Fitted(_) => Taking::Fitted,
            Self::Short(_) => Taking::Short,
            #[cfg(feature = "terminal")]
            Self::Changed(_) => Taking::Changed,
        }
    }

    /// Makes of an answer, taken in this way, what the caller gets.
    pub(crate) fn make(self, answer: Box<Begun>) -> Result<T, Error> {
        match self {
            Self::Whole(make) => make(answer.into_whole()),
            Self::Success(make) => make(answer.success()?.into_whole()),
            Self::Stream(make) | Self::Fitted(make) | Self::Short(make) => make(answer),
            Self::SuccessStream(make) => make(answer.success()?),
            #[cfg(feature = "terminal")]
            Self::Changed(make) => make(answer.changed()?),
        }
    }
}

impl<T> Reading<T> {
    /// The same, with the history of the call.
    pub(crate) fn make_with_history(self, answer: Box<Begun>) -> Result<(T, History), Error> {
        let history = answer.record.history.clone();
        Ok((self.make(answer)?, history))
    }
}

impl<T: DeserializeOwned + 'static> Reading<T> {
    /// A success, read as JSON.
    pub(crate) fn json() -> Self {
        Self::Success(Box::new(Whole::json))
    }
}

impl Reading<()> {
    /// Whatever the sandbox itself says.
    pub(crate) fn sandbox() -> Self {
        Self::Whole(Box::new(|Whole { answered, record, .. }| {
            let by = AnsweredBy::of(record.site, &answered.headers);
            let is_denied = matches!(answered.status.as_u16(), 401..=403);
            if record.stop.is_some() || by == AnsweredBy::Platform || is_denied {
                return Err(Error::of_status(answered, record));
            }
            Ok(())
        }))
    }

    /// A success that says no more than its status.
    pub(crate) fn status() -> Self {
        Self::Success(Box::new(|_| Ok(())))
    }
}

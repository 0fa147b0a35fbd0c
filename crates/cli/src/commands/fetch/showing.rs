//! What came back, shown.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::time::Instant;

use futures_util::{Stream, StreamExt};
use reveille::{AnsweredBy, Bytes, Error, Fitted, History, Response, StatusCode, StopReason, StreamResponse};

use super::Fetch;
use super::coding::{self, Coding};
use super::trip::Trip;
use super::written::Over;
use crate::download::Download;
use crate::output::{Format, Head, Screen};
use crate::report::{Asked, Exit, Facts, Failure};

/// What is to be done with a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    /// It is what was asked for, or the app's own word in its place.
    Shown,
    /// It is the platform's explanation, which the error gives, or nobody wants it.
    Left,
}

/// Reads the answer before any of it is shown; events are handed on as they happen.
pub(super) async fn whole(screen: &Screen, mut trip: Trip<'_>, asked: &Fetch) -> Result<Exit, Failure> {
    let began = Instant::now();
    let (asking, response) = loop {
        let (asking, call) = trip.request();
        let response = match call.fitted().await {
            Ok(Fitted::Whole(response)) => response,
            Ok(Fitted::Events(events)) => {
                screen.explain(&asking.request, events.history());
                return hand_on(screen, Begun::made(asking, trip, began, events, asked), asked).await;
            }
            Err(error) => return Err(broken(screen, &asking, asked, &error)),
        };
        screen.explain(&asking.request, response.history());
        if !trip.follow(response.status(), response.headers())? {
            break (asking, response);
        }
    };
    let head = head(&response);
    let history = response.history();
    let failure = wrong(&asking, asked, &Came::of(&response), || response.to_error());
    let used = used(asked, response.answered_by(), failure.as_ref());
    let body = match Coding::of(&head.headers).filter(|_| asked.compressed) {
        Some(coding) => coding.unpack_whole(response.bytes()).await?,
        None => response.bytes().clone(),
    };
    match screen.format() {
        Format::Json if used == Use::Shown => {
            let facts = Facts::new(history).stopped(response.stop_reason());
            screen.fetched(&head, Some(&body), &facts)?;
        }
        Format::Json => {}
        Format::People => {
            if asked.include || asked.head {
                screen.head(&head)?;
            }
            if used == Use::Shown {
                screen.raw(&body)?;
                if failure.is_some() {
                    screen.end_line(body.last().copied());
                }
            }
        }
    }
    let size = response.bytes().len() as u64;
    over(&head, history, &trip, size, began).write(screen, asked.write_out.as_ref())?;
    failure.map_or(Ok(Exit::Done), Err)
}

/// Hands the body on as it comes.
pub(super) async fn as_it_comes(screen: &Screen, trip: Trip<'_>, asked: &Fetch) -> Result<Exit, Failure> {
    hand_on(screen, Begun::of(screen, trip, asked).await?, asked).await
}

async fn hand_on(screen: &Screen, mut begun: Begun<'_>, asked: &Fetch) -> Result<Exit, Failure> {
    if asked.include || asked.head {
        screen.head(&begun.head)?;
    }
    if begun.used(asked) == Use::Shown {
        let mut last = None;
        while let Some(piece) = begun.next().await.inspect_err(|_| screen.end_line(last))? {
            screen.raw(&piece)?;
            last = piece.last().copied();
        }
        if begun.failure.is_some() {
            screen.end_line(last);
        }
    }
    begun.end(screen, asked)
}

/// Puts the body into a file, which appears once it is whole.
pub(super) async fn to_file(
    screen: &Screen,
    trip: Trip<'_>,
    asked: &Fetch,
    path: &Path,
) -> Result<Exit, Failure> {
    let mut begun = Begun::of(screen, trip, asked).await?;
    if (asked.include || asked.head) && screen.format() == Format::People {
        screen.head(&begun.head)?;
    }
    if begun.used(asked) == Use::Shown {
        let mut file = Download::begin(path)?;
        let progress = screen.progress(begun.length);
        while let Some(piece) = begun.next().await? {
            file.write(&piece)?;
            progress.advance(piece.len());
        }
        drop(progress);
        let size = file.finish()?;
        screen.note(format_args!("{} written to {}", crate::report::size(size), path.display()));
    }
    if begun.failure.is_none() && screen.format() == Format::Json {
        screen.fetched(&begun.head, None, &Facts::new(&begun.history))?;
    }
    begun.end(screen, asked)
}

/// An answer whose body is still to come.
struct Begun<'a> {
    asking: Asked,
    trip: Trip<'a>,
    began: Instant,
    head: Head,
    history: History,
    by: AnsweredBy,
    failure: Option<Failure>,
    /// How long what is shown is, where that is known.
    length: Option<u64>,
    size: u64,
    pieces: Pieces,
}

/// The pieces of a body.
enum Pieces {
    /// As they come.
    Plain(Box<StreamResponse>),
    /// Unpacked.
    Unpacked(Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>),
}

impl<'a> Begun<'a> {
    /// Makes the request, and those that it leads to, and waits for the head.
    async fn of(screen: &Screen, mut trip: Trip<'a>, asked: &Fetch) -> Result<Self, Failure> {
        let began = Instant::now();
        let (asking, response) = loop {
            let (asking, call) = trip.request();
            let response = call.stream().await.map_err(|error| asking.failed(&error))?;
            screen.explain(&asking.request, response.history());
            if !trip.follow(response.status(), response.headers())? {
                break (asking, response);
            }
        };
        Ok(Self::made(asking, trip, began, response, asked))
    }

    /// One whose head is here.
    fn made(asking: Asked, trip: Trip<'a>, began: Instant, response: StreamResponse, asked: &Fetch) -> Self {
        let failure = wrong(&asking, asked, &Came::of_stream(&response), || response.to_error());
        let head = Head {
            version: response.version(),
            status: response.status(),
            headers: response.headers().clone(),
        };
        let (history, by) = (response.history().clone(), response.answered_by());
        let (length, pieces) = match Coding::of(&head.headers).filter(|_| asked.compressed) {
            Some(coding) => (None, Pieces::Unpacked(Box::pin(coding.unpack(coding::as_io(response))))),
            None => (response.content_length(), Pieces::Plain(Box::new(response))),
        };
        Self { asking, trip, began, head, history, by, failure, length, size: 0, pieces }
    }

    fn used(&self, asked: &Fetch) -> Use {
        used(asked, self.by, self.failure.as_ref())
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        let piece = match &mut self.pieces {
            Pieces::Plain(response) => {
                response.next().await.transpose().map_err(|error| self.asking.failed(&error))?
            }
            Pieces::Unpacked(pieces) => {
                pieces.next().await.transpose().map_err(|error| match inner(&error) {
                    Some(error) => self.asking.failed(error),
                    None => coding::broken(&error),
                })?
            }
        };
        self.size += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }

    fn end(self, screen: &Screen, asked: &Fetch) -> Result<Exit, Failure> {
        over(&self.head, &self.history, &self.trip, self.size, self.began)
            .write(screen, asked.write_out.as_ref())?;
        self.failure.map_or(Ok(Exit::Done), Err)
    }
}

/// The error of the call that an error of its reader is.
fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// What is known of an answer before its body.
struct Came {
    status: StatusCode,
    stopped: Option<StopReason>,
    by: AnsweredBy,
}

impl Came {
    fn of(response: &Response) -> Self {
        Self { status: response.status(), stopped: response.stop_reason(), by: response.answered_by() }
    }

    fn of_stream(response: &StreamResponse) -> Self {
        Self { status: response.status(), stopped: response.stop_reason(), by: response.answered_by() }
    }
}

/// What is wrong with an answer: it asks to come again and nobody will, it is the platform's no, or it is one that
/// `--fail` does not want.
fn wrong(
    asking: &Asked,
    asked: &Fetch,
    came: &Came,
    error: impl FnOnce() -> Option<Error>,
) -> Option<Failure> {
    if came.stopped.is_some() || came.by == AnsweredBy::Platform {
        return error().map(|error| asking.failed(&error));
    }
    if asked.fail && came.status.as_u16() >= 400 {
        let failure = Failure::new(format!("{}: {}", asking.request, came.status)).exiting(Exit::BadStatus);
        return Some(match error() {
            Some(error) => failure.knowing(Facts::of_error(&error)),
            None => failure,
        });
    }
    None
}

fn used(asked: &Fetch, by: AnsweredBy, failure: Option<&Failure>) -> Use {
    match failure {
        None => Use::Shown,
        Some(_) if asked.fail => Use::Left,
        // With these the last answer is wanted, whoever made it.
        Some(_) if asked.include || asked.output.is_some() => Use::Shown,
        Some(_) if by == AnsweredBy::Platform => Use::Left,
        Some(_) => Use::Shown,
    }
}

/// A call without an answer, or with one that broke off: then what came of it is the app's, too.
fn broken(screen: &Screen, asking: &Asked, asked: &Fetch, error: &Error) -> Failure {
    if let Some(history) = error.history() {
        screen.explain(&asking.request, history);
    }
    let came = error.body().filter(|_| error.answered_by() == Some(AnsweredBy::App) && !asked.fail);
    if let (Some(body), Format::People) = (came, screen.format()) {
        if let Err(error) = screen.raw(body) {
            return error.into();
        }
        screen.end_line(body.last().copied());
    }
    asking.failed(error)
}

fn head(response: &Response) -> Head {
    Head { version: response.version(), status: response.status(), headers: response.headers().clone() }
}

fn over<'a>(head: &'a Head, history: &'a History, trip: &Trip<'_>, size: u64, began: Instant) -> Over<'a> {
    Over {
        status: head.status,
        headers: &head.headers,
        history,
        redirects: trip.redirects(),
        size,
        took: began.elapsed(),
    }
}

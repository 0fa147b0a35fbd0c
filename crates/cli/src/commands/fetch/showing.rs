//! What came back, shown.

use std::path::Path;

use futures_util::StreamExt;
use reveille::{AnsweredBy, Bytes, Error, Request as Call, Response, StatusCode, StopReason, StreamResponse};

use super::Fetch;
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

/// Reads the answer before any of it is shown.
pub(super) async fn whole(
    screen: &Screen,
    asking: &Asked,
    asked: &Fetch,
    call: Call,
) -> Result<Exit, Failure> {
    let response = match call.await {
        Ok(response) => response,
        Err(error) => return Err(broken(screen, asking, asked, &error)),
    };
    let history = response.history();
    screen.explain(&asking.request, history);
    let failure = wrong(asking, asked, &Came::of(&response), || response.to_error());
    let used = used(asked, response.answered_by(), failure.as_ref());
    match screen.format() {
        Format::Json if used == Use::Shown => {
            let facts = Facts::new(history).stopped(response.stop_reason());
            screen.fetched(&head(&response), Some(response.bytes()), &facts)?;
        }
        Format::Json => {}
        Format::People => {
            if asked.include {
                screen.head(&head(&response))?;
            }
            if used == Use::Shown {
                screen.raw(response.bytes())?;
            }
        }
    }
    failure.map_or(Ok(Exit::Done), Err)
}

/// Hands the body on as it comes.
pub(super) async fn as_it_comes(
    screen: &Screen,
    asking: &Asked,
    asked: &Fetch,
    call: Call,
) -> Result<Exit, Failure> {
    let (mut response, failure) = begun(screen, asking, asked, call).await?;
    if asked.include {
        screen.head(&head_of(&response))?;
    }
    if used(asked, response.answered_by(), failure.as_ref()) == Use::Shown {
        while let Some(piece) = next(asking, &mut response).await? {
            screen.raw(&piece)?;
        }
    }
    failure.map_or(Ok(Exit::Done), Err)
}

/// Puts the body into a file, which appears once it is whole.
pub(super) async fn to_file(
    screen: &Screen,
    asking: &Asked,
    asked: &Fetch,
    call: Call,
    path: &Path,
) -> Result<Exit, Failure> {
    let (mut response, failure) = begun(screen, asking, asked, call).await?;
    let head = head_of(&response);
    if asked.include && screen.format() == Format::People {
        screen.head(&head)?;
    }
    if used(asked, response.answered_by(), failure.as_ref()) == Use::Shown {
        let mut file = crate::download::Download::begin(path)?;
        while let Some(piece) = next(asking, &mut response).await? {
            file.write(&piece)?;
        }
        let size = file.finish()?;
        screen.note(format_args!("{} written to {}", crate::report::size(size), path.display()));
    }
    if let Some(failure) = failure {
        return Err(failure);
    }
    if screen.format() == Format::Json {
        screen.fetched(&head, None, &Facts::new(response.history()))?;
    }
    Ok(Exit::Done)
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
    if let (Some(body), Format::People) = (came, screen.format())
        && let Err(error) = screen.raw(body)
    {
        return error.into();
    }
    asking.failed(error)
}

/// An answer whose body is still to come, and what is wrong with it.
async fn begun(
    screen: &Screen,
    asking: &Asked,
    asked: &Fetch,
    call: Call,
) -> Result<(StreamResponse, Option<Failure>), Failure> {
    let response = call.stream().await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, response.history());
    let failure = wrong(asking, asked, &Came::of_stream(&response), || response.to_error());
    Ok((response, failure))
}

async fn next(asking: &Asked, response: &mut StreamResponse) -> Result<Option<Bytes>, Failure> {
    response.next().await.transpose().map_err(|error| asking.failed(&error))
}

fn head(response: &Response) -> Head {
    Head { version: response.version(), status: response.status(), headers: response.headers().clone() }
}

fn head_of(response: &StreamResponse) -> Head {
    Head { version: response.version(), status: response.status(), headers: response.headers().clone() }
}

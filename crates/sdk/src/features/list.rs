use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::stream::{self, BoxStream, Stream};
use reveille_retry::History;
use reveille_wire::{Page, PageMeta, Sandbox, ScheduleExecution, Snapshot};
use serde::de::DeserializeOwned;

use crate::call::{Call, like_a_call};
use crate::error::Error;

/// How many pages are followed at the most, against a server whose list does not end.
const MOST_PAGES: u32 = 1_000;

/// A page of a list that is to be read, or all of its pages: of sandboxes by
/// [`Sandboxes::list`](crate::Sandboxes::list), of volumes, drives, images, snapshots and schedules by theirs. A read.
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct List<T> {
    call: Call<Page<T>>,
    cursor: Option<String>,
}

impl<T: DeserializeOwned + Send + 'static> List<T> {
    pub(super) fn new(call: Call<Page<T>>) -> Self {
        Self { call, cursor: None }
    }

    /// The page that begins here: `next_cursor` of the page before.
    pub fn cursor(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// How many records a page has at the most; the server's default is 50.
    pub fn limit(mut self, limit: u32) -> Self {
        self.call.operation.query("limit", &limit.to_string());
        self
    }

    /// This page and those after it: a [`Stream`] in async code, an [`Iterator`] by
    /// [`into_iter`](IntoIterator::into_iter) elsewhere. Each is a read of its own.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Script, Step};
    /// # let page = |name: &str, meta: &str| Step::ok(format!(r#"{{"data":[{{"metadata":{{"name":"{name}"}}}}],"meta":{meta}}}"#));
    /// # let script = Script::new().step(page("a", r#"{"hasMore":true,"nextCursor":"x"}"#)).then(page("b", "{}"));
    /// # let server = FaultServer::start(script)?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").api_url(server.url()).build()?;
    /// let mut names = Vec::new();
    /// for page in client.sandboxes().list().limit(200).pages() {
    ///     names.extend(page?.data.into_iter().map(|sandbox| sandbox.metadata.name));
    /// }
    /// assert_eq!(names, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pages(self) -> Pages<T> {
        let walk = Walk { call: self.call, cursor: self.cursor, pages: 0 };
        let pages = Box::pin(stream::try_unfold(Ok(Some(walk)), next));
        Pages { pages, history: History::default() }
    }

    fn into_call(self) -> Call<Page<T>> {
        at(self.call, self.cursor.as_deref())
    }
}

impl List<Sandbox> {
    /// Only those whose names hold this text.
    pub fn search(mut self, text: impl AsRef<str>) -> Self {
        self.call.operation.query("q", text.as_ref());
        self
    }

    /// Only the one that the caller knows by this name.
    pub fn external_id(mut self, id: impl AsRef<str>) -> Self {
        self.call.operation.query("externalId", id.as_ref());
        self
    }

    /// Only those of these statuses, in the platform's words: `DEPLOYED,FAILED`.
    pub fn status(mut self, statuses: impl AsRef<str>) -> Self {
        self.call.operation.query("status", statuses.as_ref());
        self
    }

    /// In this order; by default the server's own.
    pub fn sort(mut self, order: SandboxOrder) -> Self {
        self.call.operation.query("sort", order.as_str());
        self
    }

    /// With those that are no more, as long as the platform remembers them.
    pub fn with_terminated(mut self) -> Self {
        self.call.operation.query("showTerminated", "true");
        self
    }
}

impl List<Snapshot> {
    /// Only those whose names hold this text.
    pub fn search(mut self, text: impl AsRef<str>) -> Self {
        self.call.operation.query("q", text.as_ref());
        self
    }
}

impl List<ScheduleExecution> {
    /// Only those of this schedule.
    pub fn schedule(mut self, id: impl AsRef<str>) -> Self {
        self.call.operation.query("schedule", id.as_ref());
        self
    }
}

like_a_call!(List<T> => Page<T>, for T: DeserializeOwned + Send + 'static);

fn at<T>(mut call: Call<Page<T>>, cursor: Option<&str>) -> Call<Page<T>> {
    if let Some(cursor) = cursor {
        call.operation.query("cursor", cursor);
    }
    call
}

/// The order of a list of sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SandboxOrder {
    /// The youngest first.
    Newest,
    /// The oldest first.
    Oldest,
    /// By name, from a to z.
    Name,
    /// By name, from z to a.
    NameDescending,
}

impl SandboxOrder {
    fn as_str(self) -> &'static str {
        match self {
            Self::Newest => "createdAt:desc",
            Self::Oldest => "createdAt:asc",
            Self::Name => "name:asc",
            Self::NameDescending => "name:desc",
        }
    }
}

/// The pages of a list, one after the other; by [`List::pages`].
///
/// It ends with the last page. A list that cannot be followed to its end is an error: one that says that there is
/// more and not where, that leads back to where it came from, or that has more than 1,000 pages.
pub struct Pages<T> {
    pages: BoxStream<'static, Result<Read<T>, Error>>,
    history: History,
}

impl<T> Pages<T> {
    /// Every attempt at the page that was read last.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }
}

type Read<T> = (Page<T>, History);

/// On the way from page to page.
struct Walk<T> {
    call: Call<Page<T>>,
    cursor: Option<String>,
    pages: u32,
}

/// Where the walk stands: before a page, at the end, or where it goes no further.
type Place<T> = Result<Option<Walk<T>>, Error>;

async fn next<T>(place: Place<T>) -> Result<Option<(Read<T>, Place<T>)>, Error>
where
    T: DeserializeOwned + Send + 'static,
{
    let Some(walk) = place? else { return Ok(None) };
    let read = at(walk.call.again(), walk.cursor.as_deref()).with_history().await?;
    let onward = walk.onward(&read.0.meta);
    Ok(Some((read, onward)))
}

impl<T> Walk<T> {
    fn onward(mut self, meta: &PageMeta) -> Place<T> {
        if !meta.has_more {
            return Ok(None);
        }
        let lost = |said| Err(Error::of_broken_stream(said, self.call.operation.record()));
        if meta.next_cursor.is_none() || meta.next_cursor == self.cursor {
            return lost("the list says that it goes on, and not where");
        }
        self.pages += 1;
        if self.pages == MOST_PAGES {
            return lost("the list has more than 1,000 pages; those after them were not read");
        }
        self.cursor.clone_from(&meta.next_cursor);
        Ok(Some(self))
    }
}

impl<T> Stream for Pages<T> {
    type Item = Result<Page<T>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(read) = ready!(self.pages.as_mut().poll_next(cx)) else { return Poll::Ready(None) };
        Poll::Ready(Some(read.map(|(page, history)| {
            self.history = history;
            page
        })))
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pages")
    }
}

#[cfg(feature = "blocking")]
impl<T> IntoIterator for Pages<T> {
    type Item = Result<Page<T>, Error>;
    type IntoIter = crate::answer::Blocking<Self>;

    fn into_iter(self) -> Self::IntoIter {
        crate::answer::Blocking::new(self)
    }
}

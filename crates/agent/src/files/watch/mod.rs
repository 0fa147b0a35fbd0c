//! Watching directories.

mod away;
mod below;
mod kernel;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::Uri;
use http::header::CONTENT_TYPE;
use reveille_wire::WatchEvent;
use rustix::io::Errno;
use tokio::io::unix::AsyncFd;
use tokio::time::{Interval, MissedTickBehavior, interval};

use self::below::{Reach, Watch};
use self::kernel::Rest;
use super::disk;
use super::named::Named;
use crate::agent::Agent;
use crate::failure::Failure;
use crate::parameters::Parameters;

/// How often a watch that has nothing to tell says that it is there.
const KEEPALIVE: Duration = Duration::from_secs(30);
const ENDPOINT: &str = "/watch/filesystem";

/// The endpoint under `/watch/filesystem`.
pub(crate) fn routes() -> Router<Agent> {
    Router::new()
        .route("/watch/filesystem", get(watch))
        .route("/watch/filesystem/", get(watch))
        .route("/watch/filesystem/{*path}", get(watch))
}

/// `GET /watch/filesystem/{path}`, with `/**` at the end for all that is below it.
async fn watch(uri: Uri, asked: Parameters) -> Result<Response, Failure> {
    let named = Named::of(&uri, ENDPOINT)?;
    let (named, reach) = match named.without("/**") {
        Some(named) => (named, Reach::Below),
        None if named.text() == "**" => (Named::new(b"")?, Reach::Below),
        None => (named, Reach::Directory),
    };
    let ignored = asked.list("ignore");
    let watch = disk::work(move || {
        Watch::new(named.path(), named.shown(), reach, ignored)
            .map_err(|error| refusal(&error, &named.text()))
    })
    .await?;
    #[expect(deprecated, reason = "what replaced it is unsafe; this descriptor is owned and stays the same")]
    let ready = AsyncFd::new(watch.queue().descriptor());
    let ready = ready.map_err(|error| Failure::broken(format!("it cannot be waited for: {error}")))?;
    let mut alive = interval(KEEPALIVE);
    alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let telling = Telling { watch: Some(watch), ready, alive };
    let body = Body::from_stream(futures_util::stream::try_unfold(telling, Telling::next));
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// How a watch that cannot begin is refused: a path that cannot be watched is the caller's mistake, and that all sandboxes
/// together watch as much as the kernel lets them is not.
fn refusal(error: &io::Error, path: &str) -> Failure {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE | Errno::NFILE | Errno::NOSPC | Errno::NOMEM) => Failure::busy(format!(
            "{path}: there are as many watches as the kernel allows (fs.inotify in /proc/sys): {error}"
        )),
        _ => Failure::bad(format!("{path}: {error}")),
    }
}

/// A watch on its way to whoever listens.
#[derive(Debug)]
struct Telling {
    /// Away while it looks at directories; nothing at its end.
    watch: Option<Watch>,
    ready: AsyncFd<Arc<OwnedFd>>,
    /// Its first tick comes at once, and says that the watch is armed.
    alive: Interval,
}

impl Telling {
    async fn next(mut self) -> io::Result<Option<(Bytes, Self)>> {
        let Some(mut watch) = self.watch.take() else { return Ok(None) };
        loop {
            let mut ready = tokio::select! {
                biased;
                _ = self.alive.tick() => {
                    self.watch = Some(watch);
                    return Ok(Some((Bytes::from_static(b"[keepalive]\n"), self)));
                }
                ready = self.ready.readable() => ready?,
            };
            let (told, rest);
            (watch, told, rest) = disk::io(move || {
                let (told, rest) = watch.tell()?;
                Ok((watch, told, rest))
            })
            .await?;
            // Whoever leaves something in the queue is not woken for it again.
            if rest == Rest::Nothing {
                ready.clear_ready();
            }
            let lines = lines(&told);
            if watch.is_over() {
                return Ok(Some((lines, self)));
            }
            if !lines.is_empty() {
                self.alive.reset();
                self.watch = Some(watch);
                return Ok(Some((lines, self)));
            }
        }
    }
}

fn lines(told: &[WatchEvent]) -> Bytes {
    let mut lines = Vec::new();
    for event in told {
        // An event is text and nothing else, which is always JSON.
        if serde_json::to_writer(&mut lines, event).is_ok() {
            lines.push(b'\n');
        }
    }
    lines.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_has_no_more_of_is_not_the_callers_mistake() {
        for (errno, is_mistake) in
            [(Errno::MFILE, false), (Errno::NOSPC, false), (Errno::NOENT, true), (Errno::NOTDIR, true)]
        {
            let refused = refusal(&errno.into(), "/d");
            assert_eq!(refused.is_bad_request(), is_mistake, "{refused:?}");
        }
    }
}

//! One connection, and what it is to the pool.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::TryFutureExt;
use http::{HeaderMap, HeaderName, Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reveille_http2::{Answer, Client, Driver};
use tokio::sync::{oneshot, watch};

use super::link::Link;
use super::permits::Permits;
use crate::core::SendBody;

// No constant, which would be made and dropped for each name that is held against it.
static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// A request that was not answered, and the request itself where none of it was written.
pub(super) struct Unanswered {
    pub(super) error: SendError,
    pub(super) back: Option<Request<SendBody>>,
}

/// Why it was not.
#[derive(Debug)]
pub(super) enum SendError {
    Http1(hyper::Error),
    Http2(reveille_http2::Error),
    /// A connection of HTTP/2 had ended before it.
    Ended(h2::Error),
}

impl From<hyper::client::conn::TrySendError<Request<SendBody>>> for Unanswered {
    fn from(mut error: hyper::client::conn::TrySendError<Request<SendBody>>) -> Self {
        let back = error.take_message();
        Self { error: SendError::Http1(error.into_error()), back }
    }
}

impl From<reveille_http2::Unanswered<SendBody>> for Unanswered {
    fn from(unanswered: reveille_http2::Unanswered<SendBody>) -> Self {
        match unanswered {
            reveille_http2::Unanswered::Unsent(error, request) => {
                Self { error: SendError::Ended(error), back: Some(*request) }
            }
            reveille_http2::Unanswered::Broken(error) => Self { error: SendError::Http2(error), back: None },
        }
    }
}

/// How long before a peer closes an idle connection the last request may go out on it: what is on its way to one that
/// is being closed may have run, as far as its sender can tell.
const ON_ITS_WAY: Duration = Duration::from_secs(1);

/// A connection of HTTP/1.1, which serves one request at a time.
pub(super) struct Http1 {
    sender: http1::SendRequest<SendBody>,
    /// How long it may be idle and is used again, as far as the peer says.
    rest: Duration,
}

impl Http1 {
    pub(super) async fn new(link: Link) -> hyper::Result<Self> {
        // A space behind the name of a header is none of it, and goes no further (RFC 9112, section 5.1).
        let (sender, connection) = http1::Builder::new()
            .allow_spaces_after_header_name_in_responses(true)
            .handshake(TokioIo::new(link))
            .await?;
        // Its errors reach whoever waits for an answer.
        tokio::spawn(connection.with_upgrades());
        Ok(Self { sender, rest: Duration::MAX })
    }

    /// Takes note of how long the peer keeps it idle, where an answer says so (`Keep-Alive: timeout=5`, RFC 2068, section
    /// 19.7.1; seconds).
    pub(super) fn hear(&mut self, answer: &HeaderMap) {
        // Few names are gone over faster than one is looked up.
        let Some((_, said)) = answer.iter().find(|(name, _)| **name == KEEP_ALIVE) else { return };
        let seconds = said.to_str().ok().into_iter().flat_map(|said| said.split(',')).find_map(|word| {
            let (name, seconds) = word.split_once('=')?;
            if name.trim().eq_ignore_ascii_case("timeout") { seconds.trim().parse().ok() } else { None }
        });
        self.rest = seconds.map_or(Duration::MAX, |it| Duration::from_secs(it).saturating_sub(ON_ITS_WAY));
    }

    /// How long it may be idle and is used again.
    pub(super) fn rest(&self) -> Duration {
        self.rest
    }

    /// Sends at once; what is waited for is the answer.
    pub(super) fn send(
        &mut self,
        request: Request<SendBody>,
    ) -> impl Future<Output = Result<Response<Incoming>, Unanswered>> + use<> {
        self.sender.try_send_request(request).map_err(Unanswered::from)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    /// Waits until it can take a request.
    pub(super) async fn ready(&mut self) -> hyper::Result<()> {
        self.sender.ready().await
    }
}

/// A connection of HTTP/2, which serves many.
pub(super) struct Http2 {
    client: Client,
    streams: AtomicUsize,
    /// How many streams the peer takes.
    most: Arc<AtomicUsize>,
    is_retired: AtomicBool,
    greeted: watch::Receiver<bool>,
    permits: Arc<Permits>,
}

impl Http2 {
    pub(super) async fn new(mut link: Link, permits: &Arc<Permits>) -> Result<Arc<Self>, h2::Error> {
        let has_greeted = link.watch_greeting();
        let (client, driver) = Client::begin(link).await?;
        // One may go before the peer has said how many it takes.
        let most = Arc::new(AtomicUsize::new(1));
        let (tell, greeted) = watch::channel(false);
        let permits = Arc::clone(permits);
        tokio::spawn(driven(driver, has_greeted, Arc::clone(&most), tell, Arc::clone(&permits)));
        let (streams, is_retired) = (AtomicUsize::new(0), AtomicBool::new(false));
        Ok(Arc::new(Self { client, streams, most, is_retired, greeted, permits }))
    }

    /// Lets no later request go over it.
    pub(super) fn retire(&self) {
        self.is_retired.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.is_retired.load(Ordering::Relaxed) && !self.client.is_closed()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.streams.load(Ordering::Relaxed) == 0
    }

    /// Whether the peer may still say how many streams it takes.
    pub(super) fn is_greeting(&self) -> bool {
        !*self.greeted.borrow()
    }

    /// What tells when the peer has said how many streams it takes. It ends where the connection does.
    pub(super) fn greeted(&self) -> watch::Receiver<bool> {
        self.greeted.clone()
    }

    /// Whether the peer takes WebSockets on streams, once it has said so.
    pub(super) async fn takes_websockets(&self) -> bool {
        // An error is the end of the connection, which then takes nothing.
        let _ = self.greeted().wait_for(|greeted| *greeted).await;
        self.is_usable() && self.client.takes_extended()
    }

    /// A stream of it, if the peer takes one more.
    pub(super) fn stream(self: &Arc<Self>) -> Option<Stream> {
        let most = self.most.load(Ordering::Relaxed);
        let taken = self.streams.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |streams| {
            (streams < most).then_some(streams + 1)
        });
        taken.ok().map(|_| Stream(Arc::clone(self)))
    }
}

/// Drives a connection, and says how many streams the peer takes, as soon as its settings hold and at each turn
/// after that.
async fn driven(
    driver: Driver<Link>,
    has_greeted: oneshot::Receiver<()>,
    most: Arc<AtomicUsize>,
    tell: watch::Sender<bool>,
    permits: Arc<Permits>,
) {
    let mut driver = pin!(driver);
    let mut has_greeted = pin!(has_greeted);
    // Its errors reach whoever waits for an answer.
    let _ = poll_fn(|cx| {
        let turn = driver.as_mut().poll(cx);
        if turn.is_pending() {
            let is_told = *tell.borrow();
            if is_told || has_greeted.as_mut().poll(cx).is_ready() {
                let takes = driver.most_streams();
                let took = most.swap(takes, Ordering::Relaxed);
                tell.send_if_modified(|told| !std::mem::replace(told, true));
                if takes > took {
                    permits.ring();
                }
            }
        }
        turn
    })
    .await;
}

/// One stream of a connection, counted until it is dropped.
pub(super) struct Stream(Arc<Http2>);

impl Stream {
    /// Sends, has `heard` called with what comes before the answer, and waits for that.
    pub(super) async fn send(
        &self,
        request: Request<SendBody>,
        heard: impl FnMut(Response<()>) + Send + 'static,
    ) -> Result<Answer, Unanswered> {
        self.0.client.send(request, heard).await.map_err(Unanswered::from)
    }

    pub(super) fn connection(&self) -> &Arc<Http2> {
        &self.0
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let before = self.0.streams.fetch_sub(1, Ordering::Relaxed);
        if before == 1 {
            self.0.permits.rests();
        } else {
            self.0.permits.ring();
        }
    }
}

//! Where a call runs, and its connections with it.
//!
//! Awaited on a tokio runtime, a call runs there. Waited for on a plain thread, it runs on that thread, on a small
//! runtime that is taken from a shelf and put back. Everywhere else (another executor, a runtime without sockets
//! or timers, a wait inside of a runtime) it is polled where it is, and its sockets belong to one runtime of the
//! process with threads of its own.

use std::cell::Cell;
use std::future::Future;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::{Builder, Handle, Id, Runtime, RuntimeFlavor};

use super::per_process::PerProcess;
use crate::error::Error;

static SHARED: PerProcess<io::Result<Runtime>> = PerProcess::new();

/// The runtime that this crate keeps for the process, with a thread of its own; a child that was forked off has its
/// own, too. For who has calls to wait for and no runtime: another language, say.
///
/// ```
/// # let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok("hello"))?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// let call = client.sandbox("box").network().fetch(3000, "/");
/// let (told, heard) = std::sync::mpsc::channel();
/// reveille::process_runtime()?.spawn(async move { told.send(call.await) });
/// assert_eq!(heard.recv()??.text(), "hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Where this machine gives none.
pub fn process_runtime() -> io::Result<Handle> {
    shared()
}

pub(crate) fn shared() -> io::Result<Handle> {
    let runtime = SHARED
        .get(|| Builder::new_multi_thread().worker_threads(1).thread_name("reveille").enable_all().build());
    match runtime {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

/// The caller's runtime where it serves, else that of the process.
pub(crate) fn here() -> io::Result<Handle> {
    match Handle::try_current() {
        Ok(handle) if serves(&handle) => Ok(handle),
        _ => shared(),
    }
}

/// The same for an answer that comes on after the call is over: a runtime of one thread only moves while somebody
/// waits on it, so that such an answer belongs to that of the process.
pub(crate) fn here_for_long() -> io::Result<Handle> {
    let here = here()?;
    if here.runtime_flavor() == RuntimeFlavor::CurrentThread { shared() } else { Ok(here) }
}

/// How many runtimes that do not serve are remembered.
const REMEMBERED: usize = 64;
static UNFIT: Mutex<Vec<Id>> = Mutex::new(Vec::new());

thread_local! {
    /// The last runtime that was asked about on this thread.
    static ASKED: Cell<Option<(Id, bool)>> = const { Cell::new(None) };
}

/// Whether a runtime has sockets and timers.
///
/// tokio has no question for it, only a panic of whoever needs what is not there; so it is provoked once for each
/// runtime, in a place where nothing can be left half-done. Where a panic would end the process, no runtime of
/// a caller is used.
fn serves(handle: &Handle) -> bool {
    let id = handle.id();
    if let Some((asked, serves)) = ASKED.get()
        && asked == id
    {
        return serves;
    }
    let serves = cfg!(panic = "unwind") && !lock(&UNFIT).contains(&id) && has_drivers();
    if !serves {
        let mut unfit = lock(&UNFIT);
        if !unfit.contains(&id) {
            let all_but_newest = unfit.len().saturating_sub(REMEMBERED - 1);
            unfit.drain(..all_but_newest);
            unfit.push(id);
        }
    }
    ASKED.set(Some((id, serves)));
    serves
}

fn has_drivers() -> bool {
    let ask = || {
        drop(tokio::time::sleep(std::time::Duration::ZERO));
        #[cfg(unix)]
        let socket = tokio::net::UnixDatagram::unbound();
        #[cfg(not(unix))]
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").and_then(tokio::net::UdpSocket::from_std);
        drop(socket);
    };
    catch_unwind(AssertUnwindSafe(ask)).is_ok()
}

/// How many runtimes are kept for threads that wait.
#[cfg(feature = "blocking")]
const SHELF: usize = 16;
#[cfg(feature = "blocking")]
static WAITING: PerProcess<Mutex<Vec<Runtime>>> = PerProcess::new();

/// Waits for work on this thread.
///
/// # Errors
/// Where this machine gives no runtime.
#[cfg(feature = "blocking")]
pub(crate) fn wait_for<F: Future>(work: F) -> io::Result<F::Output> {
    if Handle::try_current().is_ok() {
        return wait_beside(work);
    }
    let shelf = WAITING.get(Mutex::default);
    let taken = lock(shelf).pop();
    let runtime = match taken {
        Some(runtime) => runtime,
        None => Builder::new_current_thread().enable_all().build()?,
    };
    let done = runtime.block_on(work);
    let mut shelf = lock(shelf);
    if shelf.len() < SHELF {
        shelf.push(runtime);
    }
    Ok(done)
}

/// The same for work whose connection goes on when the wait is over: it belongs to the runtime of the process.
#[cfg(feature = "blocking")]
pub(crate) fn wait_beside<F: Future>(work: F) -> io::Result<F::Output> {
    Ok(pollster::block_on(OnRuntime::new(shared()?, work)))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pin_project! {
    /// A future whose sockets and timers belong to the runtime, wherever it is polled.
    pub(crate) struct OnRuntime<F> {
        handle: Handle,
        #[pin]
        inner: F,
    }
}

impl<F> OnRuntime<F> {
    pub(crate) fn new(handle: Handle, inner: F) -> Self {
        Self { handle, inner }
    }
}

impl<F: Future> Future for OnRuntime<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.handle.enter();
        this.inner.poll(cx)
    }
}

pin_project! {
    /// The same of a runtime that is found where the future is polled first.
    pub(crate) struct OnFound<F> {
        find: fn() -> io::Result<Handle>,
        found: Option<Handle>,
        #[pin]
        inner: F,
    }
}

impl<F> OnFound<F> {
    pub(crate) fn new(find: fn() -> io::Result<Handle>, inner: F) -> Self {
        Self { find, found: None, inner }
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for OnFound<F> {
    type Output = Result<T, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let handle = match this.found {
            Some(handle) => handle,
            None => this.found.insert((this.find)().map_err(Error::local)?),
        };
        let _entered = handle.enter();
        this.inner.poll(cx)
    }
}

//! The runtime on which connections live.
//!
//! A call may be awaited on any executor, or waited for on any thread. Its sockets, timers and connection
//! tasks belong to one runtime of the process, with one thread, started at the first use: so a connection
//! never dies with a caller's runtime, and never stands still because that runtime does.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::{Handle, Runtime};

static RUNTIME: OnceLock<io::Result<Runtime>> = OnceLock::new();

/// The runtime, or why this machine does not give one.
pub(crate) fn handle() -> Result<&'static Handle, io::Error> {
    let runtime = RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("reveille")
            .enable_all()
            .build()
    });
    match runtime {
        Ok(runtime) => Ok(runtime.handle()),
        Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
    }
}

pin_project! {
    /// A future whose sockets and timers belong to the runtime, wherever it is polled.
    pub(crate) struct OnRuntime<F> {
        handle: &'static Handle,
        #[pin]
        inner: F,
    }
}

impl<F> OnRuntime<F> {
    pub(crate) fn new(handle: &'static Handle, inner: F) -> Self {
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

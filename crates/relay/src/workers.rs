//! The threads that serve connections, each with a runtime of its own.
//!
//! All that happens on a connection happens on one thread: its requests, the connections over which they go on, their
//! timers. So no request waits until another thread has looked. What the requests share is the SDK's: what is known of
//! a sandbox, and its one probe.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio_util::task::TaskTracker;

/// The threads. They end when this is dropped.
pub(crate) struct Workers(Vec<Worker>);

struct Worker {
    handle: Handle,
    /// Its runtime, which has one thread of its own: what is spawned there goes on by itself.
    own: Option<Runtime>,
    /// Held by each connection that it serves.
    load: Arc<()>,
}

impl Workers {
    /// One for each processor. Where the system gives no thread, the runtime that this is called on serves.
    pub(crate) fn start() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers: io::Result<Vec<Worker>> = (0..processors).map(|_| Worker::start()).collect();
        Self(workers.unwrap_or_else(|error| {
            tracing::warn!(%error, "no threads for connections: they share one runtime with everything else");
            vec![Worker { handle: Handle::current(), own: None, load: Arc::default() }]
        }))
    }

    /// Lets the thread that has the fewest connections serve one more, which is registered there anew.
    pub(crate) fn serve<C>(
        &self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> C + Send + 'static,
        all: &TaskTracker,
    ) where
        C: Future<Output = ()> + Send + 'static,
    {
        let Some(worker) = self.0.iter().min_by_key(|worker| Arc::strong_count(&worker.load)) else { return };
        let load = Arc::clone(&worker.load);
        let served = async move {
            match stream.into_std().and_then(TcpStream::from_std) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::debug!(%error, "a connection could not be served"),
            }
            drop(load);
        };
        all.spawn_on(served, &worker.handle);
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("connections").enable_all().build()?;
        Ok(Self { handle: runtime.handle().clone(), own: Some(runtime), load: Arc::default() })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.own.take() {
            // Whoever drops this may not wait for a thread.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::net::TcpListener;
    use tokio::sync::{Barrier, mpsc};

    use super::*;

    #[tokio::test]
    async fn connections_are_spread_over_all_threads_and_each_stays_on_one() {
        let (workers, all) = (Workers::start(), TaskTracker::new());
        let threads = workers.0.len();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (tell, mut told) = mpsc::unbounded_channel();
        let together = Arc::new(Barrier::new(threads));
        for _ in 0..threads {
            let (tell, together) = (tell.clone(), Arc::clone(&together));
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let connection = async move |_| {
                let began = thread::current().id();
                together.wait().await;
                tell.send((began, thread::current().id())).unwrap();
            };
            workers.serve(stream, connection, &all);
        }
        let mut seen = HashSet::new();
        for _ in 0..threads {
            let (began, ended) = told.recv().await.unwrap();
            assert_eq!(began, ended);
            seen.insert(began);
        }
        assert_eq!(seen.len(), threads);
        all.close();
        all.wait().await;
        assert!(workers.0.iter().all(|worker| Arc::strong_count(&worker.load) == 1), "nothing is left");
    }
}

//! The threads that serve connections, each with a runtime of its own.
//!
//! All that happens on a connection happens on one thread: its requests, the connections over which they go on, their
//! timers. So no request waits until another thread has looked, and none of them wakes another thread. What others
//! wait for as well, a waking or a command of the control plane, belongs to the host's own runtime.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

/// The threads. They end when this is dropped.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    runtime: Handle,
    /// Held by each connection that it serves.
    load: Arc<()>,
    _end: Option<oneshot::Sender<()>>,
}

impl Workers {
    /// One for each processor. Where the system gives no thread, the runtime of the host serves.
    pub(super) fn start() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers: io::Result<Vec<Worker>> = (0..processors).map(|_| Worker::start()).collect();
        Self(workers.unwrap_or_else(|error| {
            tracing::warn!(%error, "no threads for connections: they share one runtime with everything else");
            vec![Worker { runtime: Handle::current(), load: Arc::default(), _end: None }]
        }))
    }

    /// Lets the thread that has the fewest connections serve one more.
    pub(super) fn serve(&self, connection: impl Future<Output = ()> + Send + 'static, all: &TaskTracker) {
        if let Some(worker) = self.0.iter().min_by_key(|worker| Arc::strong_count(&worker.load)) {
            let load = Arc::clone(&worker.load);
            let served = async move {
                connection.await;
                drop(load);
            };
            all.spawn_on(served, &worker.runtime);
        }
    }
}

impl Worker {
    fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel();
        thread::Builder::new().name("connections".to_owned()).spawn(move || {
            // An error is the end, too.
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, load: Arc::default(), _end: Some(end) })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use tokio::sync::{Barrier, mpsc};

    use super::*;

    #[tokio::test]
    async fn connections_are_spread_over_all_threads_and_each_stays_on_one() {
        let (workers, all) = (Workers::start(), TaskTracker::new());
        let threads = workers.0.len();
        let (tell, mut told) = mpsc::unbounded_channel();
        let together = Arc::new(Barrier::new(threads));
        for _ in 0..threads {
            let (tell, together) = (tell.clone(), Arc::clone(&together));
            let connection = async move {
                let began = thread::current().id();
                together.wait().await;
                tell.send((began, thread::current().id())).unwrap();
            };
            workers.serve(connection, &all);
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

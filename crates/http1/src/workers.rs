//! The threads that serve connections, each with a runtime of its own.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};
use tokio::sync::oneshot;
use tokio_util::task::TaskTracker;

/// Threads that serve connections, one for each processor.
///
/// All that happens on a connection happens on one thread: its requests, the connections over which they go on, their
/// timers. So no request waits until another thread has looked, and none of them wakes another thread. The threads end
/// when this is dropped.
///
/// ```
/// use reveille_http1::Workers;
/// use tokio::net::{TcpListener, TcpStream};
/// use tokio::runtime::{Handle, RuntimeFlavor};
/// use tokio_util::task::TaskTracker;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let workers = Workers::start(&RuntimeFlavor::CurrentThread, &Handle::current());
/// let all = TaskTracker::new();
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let client = TcpStream::connect(listener.local_addr()?).await?;
/// let (served, _) = listener.accept().await?;
/// workers.serve(served, async |connection| drop(connection), &all);
/// all.close();
/// all.wait().await;
/// # drop(client);
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Workers(Vec<Worker>);

#[derive(Debug)]
struct Worker {
    handle: Handle,
    /// Held by each connection that it serves.
    load: Arc<()>,
    _runs: Runs,
}

/// What runs while it is held.
#[derive(Debug)]
enum Runs {
    /// A thread that drives its runtime until this is dropped.
    Thread { _end: oneshot::Sender<()> },
    /// A runtime with a thread of its own.
    Runtime(Option<Runtime>),
    /// Nothing: the runtime is somebody else's.
    Elsewhere,
}

impl Workers {
    /// Starts them, each with a runtime of this flavor and one thread. A current-thread one costs the least; the other
    /// is for connections that hand something to a library which trusts only a runtime that goes on by itself. Where the
    /// system gives no thread, `instead` serves.
    #[must_use]
    pub fn start(flavor: &RuntimeFlavor, instead: &Handle) -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let workers: io::Result<Vec<Worker>> = (0..processors).map(|_| Worker::start(flavor)).collect();
        Self(workers.unwrap_or_else(|error| {
            tracing::warn!(%error, "no threads for connections: they share one runtime with everything else");
            vec![Worker { handle: instead.clone(), load: Arc::default(), _runs: Runs::Elsewhere }]
        }))
    }

    /// Lets the thread that has the fewest connections serve one more, which is registered there anew.
    pub fn serve<C>(
        &self,
        stream: TcpStream,
        serve: impl FnOnce(TcpStream) -> C + Send + 'static,
        all: &TaskTracker,
    ) where
        C: Future<Output = ()> + Send + 'static,
    {
        let Some(worker) = self.0.iter().min_by_key(|worker| Arc::strong_count(&worker.load)) else { return };
        let stream = match stream.into_std() {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!(%error, "a connection could not be served"),
        };
        let load = Arc::clone(&worker.load);
        let served = async move {
            match TcpStream::from_std(stream) {
                Ok(stream) => serve(stream).await,
                Err(error) => tracing::debug!(%error, "a connection could not be served"),
            }
            drop(load);
        };
        all.spawn_on(served, &worker.handle);
    }
}

impl Worker {
    fn start(flavor: &RuntimeFlavor) -> io::Result<Self> {
        const NAME: &str = "connections";
        let (handle, runs) = match flavor {
            RuntimeFlavor::CurrentThread => {
                let runtime = Builder::new_current_thread().enable_all().build()?;
                let handle = runtime.handle().clone();
                let (end, ended) = oneshot::channel();
                thread::Builder::new().name(NAME.to_owned()).spawn(move || {
                    // An error is the end, too.
                    let _ = runtime.block_on(ended);
                    runtime.shutdown_background();
                })?;
                (handle, Runs::Thread { _end: end })
            }
            _ => {
                let mut builder = Builder::new_multi_thread();
                let runtime = builder.worker_threads(1).thread_name(NAME).enable_all().build()?;
                (runtime.handle().clone(), Runs::Runtime(Some(runtime)))
            }
        };
        Ok(Self { handle, load: Arc::default(), _runs: runs })
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        if let Self::Runtime(runtime) = self
            && let Some(runtime) = runtime.take()
        {
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
        spread(RuntimeFlavor::CurrentThread).await;
        spread(RuntimeFlavor::MultiThread).await;
    }

    async fn spread(flavor: RuntimeFlavor) {
        let (workers, all) = (Workers::start(&flavor, &Handle::current()), TaskTracker::new());
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

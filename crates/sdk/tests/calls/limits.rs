//! How many connections there may be, who waits for one, and which are kept.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use reveille::{Client, ConnectionLimits, ErrorKind, FaultKind, HttpVersion};
use reveille_faults::Refusing;

use crate::harness::{Way, builder, probing};

const LONG: Duration = Duration::from_secs(60);

/// A server that counts its connections, and answers a path that ends in `/held` when it is let.
#[derive(Clone)]
struct Counting {
    address: SocketAddr,
    counts: Arc<(Mutex<Counts>, Condvar)>,
}

#[derive(Default)]
struct Counts {
    made: usize,
    open: usize,
    busy: usize,
    most_busy: usize,
    requests: usize,
    let_go: bool,
}

impl Counting {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self { address: listener.local_addr().unwrap(), counts: Arc::default() };
        let serving = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = serving.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    fn serve(&self, mut stream: TcpStream) {
        self.change(|counts| {
            counts.made += 1;
            counts.open += 1;
        });
        let mut held = Vec::new();
        let mut piece = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut piece) {
            held.extend_from_slice(&piece[..read]);
            let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
            let head: Vec<u8> = held.drain(..end + 4).collect();
            self.change(|counts| {
                counts.requests += 1;
                counts.busy += 1;
                counts.most_busy = counts.most_busy.max(counts.busy);
            });
            if String::from_utf8_lossy(&head).contains("/held HTTP") {
                self.wait(|counts| counts.let_go);
            }
            // So that two that may be served at a time are.
            std::thread::sleep(Duration::from_millis(1));
            self.change(|counts| counts.busy -= 1);
            if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
                break;
            }
        }
        self.change(|counts| counts.open -= 1);
    }

    fn change(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut self.counts.0.lock().unwrap());
        self.counts.1.notify_all();
    }

    fn wait(&self, until: impl Fn(&Counts) -> bool) {
        let counts = self.counts.0.lock().unwrap();
        let (_counts, late) =
            self.counts.1.wait_timeout_while(counts, LONG, |counts| !until(counts)).unwrap();
        assert!(!late.timed_out());
    }

    async fn waits(&self, until: impl Fn(&Counts) -> bool + Send + 'static) {
        let server = self.clone();
        tokio::task::spawn_blocking(move || server.wait(until)).await.unwrap();
    }

    fn look<T>(&self, look: impl FnOnce(&Counts) -> T) -> T {
        look(&self.counts.0.lock().unwrap())
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn fetch(client: &Client, path: &str) -> Result<String, reveille::Error> {
    client.sandbox("box").network().fetch(3000, path).await.map(|page| page.text().into_owned())
}

fn started(client: &Client, path: &'static str) -> tokio::task::JoinHandle<Result<String, reveille::Error>> {
    let client = client.clone();
    tokio::spawn(async move { fetch(&client, path).await })
}

fn fault(error: &reveille::Error) -> Option<FaultKind> {
    error.last_fault().map(|fault| fault.kind)
}

#[tokio::test]
async fn there_are_never_more_connections_than_there_may_be_and_all_are_served() {
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max(3)).build().unwrap();
    let calls: Vec<_> = (0..60).map(|_| started(&client, "/")).collect();
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "ok");
    }
    let (made, most) = server.look(|counts| (counts.made, counts.most_busy));
    // They are handed on, and not made anew for each.
    assert!(most == 3 && made <= 6, "{most} at a time of {made}");
}

#[test]
fn whoever_waits_too_long_for_a_connection_is_told_so_in_every_way() {
    for way in [Way::Awaited, Way::AwaitedOnThreads, Way::Waited, Way::WaitedInsideARuntime] {
        let server = Counting::start();
        let client =
            builder(&server.url()).limits(ConnectionLimits::new().max(1)).pool_timeout(LONG).build().unwrap();
        let first = client.clone();
        let first =
            std::thread::spawn(move || first.sandbox("box").network().fetch(3000, "/held").wait().map(drop));
        server.wait(|counts| counts.requests == 1);
        for most in [Duration::ZERO, Duration::from_millis(20)] {
            let network = client.sandbox("box").network();
            for fetch in [network.fetch(3000, "/"), network.fetch(3000, "/").post()] {
                let error = way.finish(fetch.pool_timeout(most).with_history()).unwrap_err();
                assert_eq!(fault(&error), Some(FaultKind::PoolTimeout), "{way:?}: {error}");
                assert_eq!((error.kind(), error.attempts()), (ErrorKind::Transport, 1), "{error}");
                assert!(
                    !error.may_have_run() && error.to_string().contains("no connection was free in time")
                );
            }
        }
        server.change(|counts| counts.let_go = true);
        first.join().unwrap().unwrap();
        assert_eq!(server.look(|counts| (counts.made, counts.requests)), (1, 1));
    }
}

#[tokio::test]
async fn a_wait_for_a_connection_is_no_silence_of_the_peer() {
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max(1)).build().unwrap();
    let first = started(&client, "/held");
    server.waits(|counts| counts.requests == 1).await;
    let second = client.sandbox("box").network().fetch(3000, "/").no_retry();
    let mut second = Box::pin(second.read_timeout(Duration::from_millis(1_500)).into_future());
    let early = tokio::time::timeout(Duration::from_millis(2_500), &mut second).await;
    assert!(early.is_err(), "{early:?}");
    server.change(|counts| counts.let_go = true);
    first.await.unwrap().unwrap();
    assert_eq!(second.await.unwrap().text(), "ok");
}

#[tokio::test]
async fn whoever_came_first_is_served_first() {
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max(1)).build().unwrap();
    let first = started(&client, "/held");
    server.waits(|counts| counts.requests == 1).await;
    let order = Arc::new(AtomicUsize::new(0));
    let mut waiting: Vec<_> = (0..8)
        .map(|number| {
            let (client, order) = (client.clone(), Arc::clone(&order));
            Box::pin(async move {
                fetch(&client, "/").await.unwrap();
                assert_eq!(order.fetch_add(1, Ordering::SeqCst), number);
            })
        })
        .collect();
    // Polled once each, so that they stand in the queue in this order.
    for call in &mut waiting {
        assert!(call.as_mut().now_or_never().is_none());
    }
    server.change(|counts| counts.let_go = true);
    futures_util::future::join_all(waiting).await;
    first.await.unwrap().unwrap();
    assert_eq!(server.look(|counts| counts.made), 1);
}

#[tokio::test]
async fn a_wait_whose_caller_leaves_keeps_nobody_back() {
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max(1)).build().unwrap();
    let first = started(&client, "/held");
    server.waits(|counts| counts.requests == 1).await;
    let mut leaves = Box::pin(fetch(&client, "/"));
    let mut behind = Box::pin(fetch(&client, "/"));
    for call in [&mut leaves, &mut behind] {
        let waits = std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await;
        assert!(waits);
    }
    drop(leaves);
    server.change(|counts| counts.let_go = true);
    assert_eq!(tokio::time::timeout(LONG, behind).await.unwrap().unwrap(), "ok");
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_request_whose_caller_leaves_gives_its_connection_back() {
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max(1)).build().unwrap();
    for number in 1..=4 {
        let call = started(&client, "/held");
        server.waits(move |counts| counts.requests == number).await;
        call.abort();
    }
    assert_eq!(tokio::time::timeout(LONG, fetch(&client, "/")).await.unwrap().unwrap(), "ok");
    server.change(|counts| counts.let_go = true);
}

#[tokio::test]
async fn an_idle_connection_to_elsewhere_makes_room() {
    let (one, other) = (Counting::start(), Counting::start());
    let client = builder(&one.url()).limits(ConnectionLimits::new().max(1)).build().unwrap();
    let elsewhere = client.sandbox_at(other.url());
    for _ in 0..3 {
        assert_eq!(fetch(&client, "/").await.unwrap(), "ok");
        one.waits(|counts| counts.open == 1).await;
        elsewhere.network().fetch(3000, "/").await.unwrap();
        one.waits(|counts| counts.open == 0).await;
    }
    assert_eq!((one.look(|counts| counts.made), other.look(|counts| counts.made)), (3, 3));
}

#[tokio::test]
async fn a_connection_that_could_not_be_made_is_none() {
    let nobody = Refusing::new().unwrap();
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max(1)).build().unwrap();
    let nowhere = client.sandbox_at(nobody.url());
    for _ in 0..3 {
        let error = nowhere.network().fetch(3000, "/").no_retry().await.unwrap_err();
        assert_eq!(fault(&error), Some(FaultKind::Refused));
    }
    assert_eq!(fetch(&client, "/").await.unwrap(), "ok");
}

#[tokio::test]
async fn a_mutation_and_its_probe_do_with_one_connection_where_there_may_be_one() {
    let server = Counting::start();
    let client = probing(&server.url()).limits(ConnectionLimits::new().max(1)).build().unwrap();
    let order = client.sandbox("box").network().fetch(3000, "/").post();
    assert_eq!(tokio::time::timeout(LONG, order.into_future()).await.unwrap().unwrap().text(), "ok");
    assert_eq!(server.look(|counts| (counts.most_busy, counts.requests)), (1, 2));
}

#[tokio::test]
async fn only_so_many_connections_are_kept() {
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max_idle(2)).build().unwrap();
    let calls: Vec<_> = (0..5).map(|_| started(&client, "/held")).collect();
    server.waits(|counts| counts.requests == 5).await;
    server.change(|counts| counts.let_go = true);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    server.waits(|counts| counts.open == 2).await;
    fetch(&client, "/").await.unwrap();
    assert_eq!(server.look(|counts| (counts.made, counts.open)), (5, 2));
}

#[tokio::test]
async fn a_connection_is_kept_no_longer_than_it_may() {
    for most in [Duration::ZERO, Duration::from_nanos(1)] {
        let server = Counting::start();
        let client = builder(&server.url()).limits(ConnectionLimits::new().idle_for(most)).build().unwrap();
        for number in 1..=3 {
            fetch(&client, "/").await.unwrap();
            assert_eq!(server.look(|counts| counts.made), number);
        }
        server.waits(|counts| counts.open == 0).await;
    }
}

#[tokio::test]
async fn none_is_kept_where_none_may_be_and_the_numbers_may_be_as_large_as_they_come() {
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max_idle(0).max(0)).build().unwrap();
    for number in 1..=3 {
        fetch(&client, "/").await.unwrap();
        server.waits(move |counts| counts.made == number && counts.open == 0).await;
    }
    let most = ConnectionLimits::new().max_idle(usize::MAX).max(usize::MAX).idle_for(Duration::MAX);
    let client = builder(&server.url()).limits(most).pool_timeout(Duration::MAX).build().unwrap();
    fetch(&client, "/").await.unwrap();
    fetch(&client, "/").await.unwrap();
    assert_eq!(server.look(|counts| counts.made), 4);
}

/// A server of HTTP/2 that takes 100 streams on a connection, and answers `/slow` when it is let.
async fn of_http2(let_go: Arc<tokio::sync::Semaphore>) -> (String, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, made) = (format!("http://{}", listener.local_addr().unwrap()), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&made);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let let_go = Arc::clone(&let_go);
            let answer = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let let_go = Arc::clone(&let_go);
                async move {
                    if request.uri().path().ends_with("/slow") {
                        let_go.acquire().await.unwrap().forget();
                    }
                    Ok::<_, std::convert::Infallible>(http::Response::new("ok".to_owned()))
                }
            });
            let mut server = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            server.max_concurrent_streams(100);
            tokio::spawn(server.serve_connection(hyper_util::rt::TokioIo::new(stream), answer));
        }
    });
    (url, made)
}

#[tokio::test]
async fn over_http2_connections_are_counted_and_not_streams() {
    let let_go = Arc::new(tokio::sync::Semaphore::new(0));
    let (url, made) = of_http2(Arc::clone(&let_go)).await;
    let client = builder(&url)
        .http_version(HttpVersion::Http2)
        .limits(ConnectionLimits::new().max(1))
        .build()
        .unwrap();
    // More than one connection takes: those behind wait until there is room on it.
    let calls: Vec<_> = (0..150).map(|_| started(&client, "/slow")).collect();
    let_go.add_permits(150);
    for call in calls {
        assert_eq!(tokio::time::timeout(LONG, call).await.unwrap().unwrap().unwrap(), "ok");
    }
    assert_eq!(made.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn an_idle_connection_of_http2_makes_room_and_a_busy_one_does_not() {
    let let_go = Arc::new(tokio::sync::Semaphore::new(0));
    let (url, made) = of_http2(Arc::clone(&let_go)).await;
    let (other, _) = of_http2(Arc::clone(&let_go)).await;
    let client = builder(&url)
        .http_version(HttpVersion::Http2)
        .limits(ConnectionLimits::new().max(1))
        .build()
        .unwrap();
    let elsewhere = client.sandbox_at(other).network();
    fetch(&client, "/").await.unwrap();
    elsewhere.fetch(3000, "/").await.unwrap();
    let slow = started(&client, "/slow");
    while made.load(Ordering::SeqCst) < 2 {
        tokio::task::yield_now().await;
    }
    let error = elsewhere.fetch(3000, "/").pool_timeout(Duration::from_millis(50)).await.unwrap_err();
    assert_eq!(fault(&error), Some(FaultKind::PoolTimeout));
    let waits = tokio::spawn(elsewhere.fetch(3000, "/").into_future());
    let_go.add_permits(1);
    slow.await.unwrap().unwrap();
    tokio::time::timeout(LONG, waits).await.unwrap().unwrap().unwrap();
}

#[test]
fn the_bound_is_one_for_all_runtimes() {
    let server = Counting::start();
    let client = builder(&server.url()).limits(ConnectionLimits::new().max(2)).build().unwrap();
    let threads: Vec<_> = (0..6)
        .map(|_| {
            let client = client.clone();
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                (0..10).for_each(|_| drop(runtime.block_on(fetch(&client, "/")).unwrap()));
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(server.look(|counts| counts.most_busy), 2);
}

#[tokio::test]
async fn http1_is_spoken_where_that_is_said_and_a_connection_begins_where_that_is_said() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let builder = builder(&url).http_version(HttpVersion::Http1).local_address([127, 0, 0, 9].into());
    let client = builder.build().unwrap();
    let call = started(&client, "/");
    let (line, from) = tokio::task::spawn_blocking(move || {
        let (mut stream, from) = listener.accept().unwrap();
        let mut start = [0; 4];
        stream.read_exact(&mut start).unwrap();
        (start, from)
    })
    .await
    .unwrap();
    assert_eq!((&line, from.ip().to_string().as_str()), (b"GET ", "127.0.0.9"));
    call.abort();
}

#[tokio::test]
async fn a_client_with_limits_of_its_own_shares_what_is_known_and_no_connection() {
    let server = Counting::start();
    let client = probing(&server.url()).build().unwrap();
    let narrow = client.with_limits(ConnectionLimits::new().max(1));
    client.sandbox("box").network().fetch(3000, "/").post().await.unwrap();
    let before = server.look(|counts| (counts.made, counts.requests));
    narrow.sandbox("box").network().fetch(3000, "/").post().await.unwrap();
    // No probe goes ahead of it, as the other's order was answered a moment ago.
    assert_eq!(server.look(|counts| (counts.made, counts.requests)), (before.0 + 1, before.1 + 1));
}

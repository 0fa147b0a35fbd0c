//! Connections that die, fall silent or fill up while they are kept.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reveille::{Body, Client, ErrorKind, HttpVersion};
use reveille_faults::{FaultServer, Script, Step};

use crate::harness::{BOTH, builder, everywhere};

/// A server whose kept connections can all be lost at once, without a word.
struct Napping {
    address: SocketAddr,
    naps: Arc<AtomicU64>,
    served: Arc<AtomicUsize>,
}

/// What a connection from before a nap does with the next request.
#[derive(Clone, Copy)]
enum After {
    /// The peer knows nothing of it any more.
    Reset,
    /// Nothing ever comes.
    Silence,
}

impl Napping {
    /// Each answer takes `slowness`.
    fn start(after: After, slowness: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (naps, served) = (Arc::<AtomicU64>::default(), Arc::<AtomicUsize>::default());
        let (seen, count) = (Arc::clone(&naps), Arc::clone(&served));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, count) = (Arc::clone(&seen), Arc::clone(&count));
                std::thread::spawn(move || serve(stream, &seen, &count, after, slowness));
            }
        });
        Self { address, naps, served }
    }

    fn nap(&self) {
        self.naps.fetch_add(1, Ordering::SeqCst);
    }

    fn client(&self) -> Client {
        builder(&format!("http://{}", self.address)).build().unwrap()
    }
}

fn serve(mut stream: TcpStream, naps: &AtomicU64, served: &AtomicUsize, after: After, slowness: Duration) {
    let born = naps.load(Ordering::SeqCst);
    let mut held = Vec::new();
    loop {
        let mut piece = [0; 4096];
        let Ok(read @ 1..) = stream.read(&mut piece) else { return };
        held.extend_from_slice(&piece[..read]);
        let Some(end) = held.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        held.drain(..end + 4);
        served.fetch_add(1, Ordering::SeqCst);
        match after {
            _ if naps.load(Ordering::SeqCst) == born => {}
            // To close it is to answer nothing; what is written to it then is answered by a reset.
            After::Reset => return,
            After::Silence => continue,
        }
        std::thread::sleep(slowness);
        if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").is_err() {
            return;
        }
    }
}

/// Fills the pool with so many connections.
async fn fill(client: &Client, connections: usize) {
    let calls = (0..connections).map(|_| {
        let network = client.sandbox("box").network();
        tokio::spawn(async move { network.fetch(3000, "/").no_probe().await.map(drop) })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_read_survives_a_pool_of_dead_connections_with_one_retry() {
    let server = Napping::start(After::Reset, Duration::from_millis(30));
    let client = server.client();
    fill(&client, 12).await;
    server.nap();
    let page = client.sandbox("box").network().fetch(3000, "/").await.unwrap();
    assert!(page.history().len() <= 2, "{}", page.history());
    // What it was told of one of them holds for all.
    let page = client.sandbox("box").network().fetch(3000, "/").await.unwrap();
    assert_eq!(page.history().to_string(), "200");
}

#[tokio::test]
async fn a_read_on_a_connection_that_fell_silent_is_raced_by_one_on_a_fresh_one() {
    let server = Napping::start(After::Silence, Duration::ZERO);
    let client = server.client();
    fill(&client, 4).await;
    server.nap();
    let begun = Instant::now();
    let page = client.sandbox("box").network().fetch(3000, "/").await.unwrap();
    assert_eq!(page.history().to_string(), "silent, 200");
    assert!(begun.elapsed() < Duration::from_secs(60), "far sooner than a read time-out");
    let page = client.sandbox("box").network().fetch(3000, "/").await.unwrap();
    assert_eq!(page.history().to_string(), "200");
}

#[tokio::test]
async fn a_mutation_is_never_raced_and_a_slow_answer_is_waited_for() {
    let server = Napping::start(After::Reset, Duration::from_millis(3_500));
    let client = server.client();
    let network = client.sandbox("box").network();
    network.fetch(3000, "/").await.unwrap();
    let before = server.served.load(Ordering::SeqCst);
    let order = network.fetch(3000, "/").post().await.unwrap();
    assert_eq!(order.history().to_string(), "200");
    assert_eq!(server.served.load(Ordering::SeqCst), before + 1);
    // A read is sent twice at the most, and the answer that is there first is the answer.
    let page = network.fetch(3000, "/").await.unwrap();
    assert_eq!((page.status().as_u16(), page.history().len()), (200, 2));
}

#[tokio::test]
async fn a_connection_that_the_peer_closed_while_nobody_looked_costs_no_attempt() {
    let server = FaultServer::start(Step::from(
        reveille_faults::Answer::status(200).then_after(Duration::ZERO, reveille_faults::End::Close),
    ))
    .unwrap();
    let client = builder(&server.url()).build().unwrap();
    for _ in 0..3 {
        let order = client.sandbox("box").network().fetch(3000, "/").post().await.unwrap();
        assert_eq!(order.history().to_string(), "200");
        // The runtime stands still meanwhile, as that of a program that computes.
        server.wait_for_closed().wait().unwrap();
    }
    assert_eq!(server.arrivals_of("POST").len(), 3);
}

#[tokio::test]
async fn a_connection_that_the_peer_is_about_to_close_takes_no_further_request() {
    for (said, connections) in [
        ("timeout=1", 3),
        ("max=9, Timeout = 0", 3),
        ("timeout=600", 1),
        ("timeout=18446744073709551615", 1),
        ("timeout=-1", 1),
        ("max=9", 1),
        ("soon", 1),
    ] {
        let server = FaultServer::start(Step::ok("ok").header("keep-alive", said)).unwrap();
        let client = builder(&server.url()).build().unwrap();
        for _ in 0..3 {
            client.sandbox("box").network().fetch(3000, "/").post().await.unwrap();
        }
        let used: HashSet<_> = server.arrivals().into_iter().map(|arrival| arrival.connection).collect();
        assert_eq!(used.len(), connections, "{said}");
    }
}

/// A server of HTTP/2 that takes so many streams on a connection, and answers `/slow` never.
async fn narrow(streams: u32) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, connections) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = hyper::service::service_fn(async |request: http::Request<hyper::body::Incoming>| {
                if request.uri().path().ends_with("/slow") {
                    std::future::pending::<()>().await;
                }
                Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
            });
            let mut server = hyper::server::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new());
            server.max_concurrent_streams(streams);
            tokio::spawn(server.serve_connection(hyper_util::rt::TokioIo::new(stream), answer));
        }
    });
    (address, connections)
}

#[tokio::test]
async fn at_the_limit_of_streams_a_further_connection_is_opened() {
    let (address, connections) = narrow(2).await;
    let client = builder(&format!("http://{address}")).http_version(HttpVersion::Http2).build().unwrap();
    let network = client.sandbox("box").network();
    let slow: Vec<_> = (0..5)
        .map(|_| {
            let network = network.clone();
            tokio::spawn(async move { network.fetch(3000, "/slow").no_probe().await.map(drop) })
        })
        .collect();
    // Five that are never answered take three connections, or two and one place that is left.
    for _ in 0..3 {
        let order =
            network.fetch(3000, "/").post().no_probe().deadline(Duration::from_secs(60)).await.unwrap();
        assert_eq!(order.history().to_string(), "200");
    }
    assert!((3..=4).contains(&connections.load(Ordering::SeqCst)), "{connections:?}");
    slow.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn many_callers_of_a_cold_client_share_one_connection() {
    let (address, connections) = narrow(100).await;
    let client = builder(&format!("http://{address}")).http_version(HttpVersion::Http2).build().unwrap();
    fill(&client, 50).await;
    assert_eq!(connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn to_wait_for_a_peer_that_takes_no_stream_is_not_to_have_run() {
    // It accepts, and never says a word: the first request goes, those behind it stand in a queue.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = builder(&url).http_version(HttpVersion::Http2).build().unwrap();
    let network = client.sandbox("box").network();
    let first = network.clone();
    let first = tokio::spawn(async move { first.fetch(3000, "/").no_retry().await.map(drop) });
    let accepted = listener.accept().await.unwrap();
    let second = network.fetch(3000, "/").post().no_retry().deadline(Duration::from_millis(300)).await;
    let error = second.unwrap_err();
    assert!(!error.may_have_run(), "{error}");
    drop(accepted);
    first.abort();
}

#[test]
fn a_body_that_cannot_be_made_is_the_callers_fault_over_both_versions() {
    everywhere(
        BOTH,
        || Step::ok("").into(),
        |_, client, way| {
            let broken = || {
                let pieces = [Ok("some".into()), Err(std::io::Error::other("the disk is gone"))];
                futures_util::stream::iter(pieces)
            };
            let body = Body::made_by(broken);
            let fetch = client.sandbox("box").network().fetch(3000, "/").post().vouched().body(body);
            let error = way.finish(fetch.with_history()).unwrap_err();
            assert_eq!((error.kind(), error.attempts()), (ErrorKind::Input, 1), "{way:?}: {error}");
        },
    );
}

#[test]
fn a_body_that_is_made_by_blocking_stands_in_nobody_elses_way() {
    for version in BOTH {
        let server = FaultServer::start(Step::ok("")).unwrap();
        let client = builder(&server.url()).http_version(*version).build().unwrap();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let gone = std::sync::Mutex::new(gone);
        let blocking = futures_util::stream::once(async move {
            // Until the other call has been answered.
            let waited = gone.lock().unwrap().recv_timeout(Duration::from_secs(60));
            waited.map(|()| "late".into()).map_err(std::io::Error::other)
        });
        let network = client.sandbox("box").network();
        // Inside of a runtime, both are polled beside the one runtime of the process.
        let inside = || tokio::runtime::Builder::new_current_thread().build().unwrap();
        let slow = network.fetch(3000, "/").post().body(Body::stream(blocking));
        let slow = std::thread::spawn(move || inside().block_on(async { slow.wait().map(drop) }));
        inside().block_on(async { network.fetch(3000, "/quick").wait() }).unwrap();
        go.send(()).unwrap();
        slow.join().unwrap().unwrap();
    }
}

#[test]
fn the_host_is_said_once_by_the_caller_or_by_the_url() {
    let script = || Script::new().then(Step::ok("done"));
    everywhere(BOTH, script, |server, client, way| {
        let address = server.address().to_string();
        for own in [None, Some(""), Some("app.example")] {
            let fetch = client.sandbox("box").network().fetch(3000, "/");
            let fetch = own.into_iter().fold(fetch, |fetch, own| fetch.header("host", own));
            way.finish(fetch.with_history()).unwrap();
            let arrivals = server.arrivals();
            let arrival = arrivals.last().unwrap();
            let said = arrival.headers.iter().filter(|(name, _)| name == "host");
            let said: Vec<_> = said.map(|(_, value)| std::str::from_utf8(value).unwrap()).collect();
            let authority = arrival.header(":authority");
            let expected = match (own, authority) {
                (Some("app.example"), _) => vec!["app.example"],
                // HTTP/2 has a place of its own for it.
                (_, Some(_)) => vec![],
                (_, None) => vec![&*address],
            };
            assert_eq!(said, expected, "{own:?}");
            assert!(authority.is_none_or(|authority| authority == address));
        }
    });
}

//! Clients that mean no good.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::BodyExt as _;

use crate::raw::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, GET, HEADERS, PING, POST, RST_STREAM, Raw, SETTINGS, begin,
    frame,
};
use crate::stand::{STREAMS, Stand, answer, send, serving, soon, whole};

const ENHANCE_YOUR_CALM: u32 = 11;
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();

#[tokio::test]
async fn wherever_a_connection_is_cut_it_ends_and_so_does_what_was_done_for_it() {
    let whole = [
        begin(),
        frame(HEADERS, END_HEADERS, 1, POST),
        frame(DATA, 0, 1, b"half"),
        frame(HEADERS, 0, 3, &GET[..2]),
        frame(CONTINUATION, END_HEADERS, 3, &GET[2..]),
        frame(PING, 0, 0, &[0; 8]),
        frame(DATA, END_STREAM, 1, b" and half"),
        frame(RST_STREAM, 0, 3, &CANCEL),
    ]
    .concat();
    let under_way = Arc::new(());
    for cut in 0..=whole.len() {
        let held = Arc::clone(&under_way);
        let (stand, client) = Stand::start(move |request, _| {
            let held = Arc::clone(&held);
            async move {
                let _held = held;
                let _ = request.into_body().collect().await;
                answer("page")
            }
        })
        .await;
        let mut raw = Raw(client);
        assert!(raw.say(&whole[..cut]).await);
        drop(raw);
        // How it ends is the matter of where it was cut.
        let _ = stand.ended().await;
    }
    assert_eq!(Arc::strong_count(&under_way), 1);
}

#[tokio::test]
async fn whoever_resets_what_it_asks_for_again_and_again_is_sent_away() {
    let (stand, client) = Stand::start(|_, _| pending()).await;
    let mut raw = Raw(client);
    raw.say(&begin()).await;
    let asks = (0..10_000).flat_map(|at| {
        let stream = 2 * at + 1;
        [frame(HEADERS, END_HEADERS | END_STREAM, stream, GET), frame(RST_STREAM, 0, stream, &CANCEL)]
            .concat()
    });
    raw.say(&asks.collect::<Vec<_>>()).await;
    assert_eq!(raw.goaway().await, Some(ENHANCE_YOUR_CALM));
    assert!(stand.ended().await.is_err());
}

#[tokio::test]
async fn what_was_reset_and_is_not_let_go_of_yet_counts_as_under_way() {
    let (most, now) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (seen, count) = (Arc::clone(&most), Arc::clone(&now));
    let (stand, client) = Stand::start(move |_, _| {
        seen.fetch_max(count.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let leaves = Leaves(Arc::clone(&count));
        async move {
            let _leaves = leaves;
            pending().await
        }
    })
    .await;
    let mut raw = Raw(client);
    raw.say(&begin()).await;
    for at in 0..2_000 {
        let stream = 2 * at + 1;
        let ask = frame(HEADERS, END_HEADERS | END_STREAM, stream, GET);
        if !raw.say(&ask).await || !raw.say(&frame(RST_STREAM, 0, stream, &CANCEL)).await {
            break;
        }
    }
    drop(raw);
    let _ = stand.ended().await;
    assert!(most.load(Ordering::SeqCst) <= STREAMS as usize, "{most:?}");
    assert_eq!(now.load(Ordering::SeqCst), 0);
}

struct Leaves(Arc<AtomicUsize>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn a_head_without_an_end_ends_the_connection() {
    let (stand, client) = Stand::start(|_, _| async { answer("page") }).await;
    let mut raw = Raw(client);
    raw.say(&[begin(), frame(HEADERS, 0, 1, GET)].concat()).await;
    // A header of 16 bytes that is nothing new, over and over.
    let more = [&[0x00, 1, b'x', 12][..], &[b'y'; 12]].concat().repeat(1_000);
    for _ in 0..1_000 {
        if !raw.say(&frame(CONTINUATION, 0, 1, &more)).await {
            break;
        }
    }
    assert!(soon(stand.served).await.unwrap().is_err());
}

#[tokio::test]
async fn empty_continuations_end_it_too() {
    let (stand, client) = Stand::start(|_, _| async { answer("page") }).await;
    let mut raw = Raw(client);
    raw.say(&[begin(), frame(HEADERS, 0, 1, GET)].concat()).await;
    let empty = frame(CONTINUATION, 0, 1, &[]).repeat(100_000);
    raw.say(&empty).await;
    assert!(soon(stand.served).await.unwrap().is_err());
}

#[tokio::test]
async fn a_list_of_headers_that_is_too_large_is_refused_and_the_connection_goes_on() {
    let (_stand, client) = serving(|_, _| async { answer("page") }).await;
    let (asked, _body) = client.begin(Request::post("/").header("x", "y".repeat(20_000))).await;
    assert_eq!(soon(asked).await.unwrap().status(), 431);
    assert_eq!(client.ask(Method::GET).await.unwrap().status(), 200);
}

#[tokio::test]
async fn whoever_asks_for_more_at_a_time_than_it_may_is_refused_the_rest() {
    let (_stand, client) = Stand::start(|_, _| pending()).await;
    let mut raw = Raw(client);
    raw.say(&begin()).await;
    let asks = (0..STREAMS + 1).flat_map(|at| frame(HEADERS, END_HEADERS | END_STREAM, 2 * at + 1, GET));
    raw.say(&asks.collect::<Vec<_>>()).await;
    let refused = raw.hear_a(RST_STREAM).await.unwrap();
    assert_eq!((refused.stream, refused.payload.as_slice()), (2 * STREAMS + 1, &7_u32.to_be_bytes()[..]));
}

#[tokio::test]
async fn a_thousand_requests_are_each_answered_their_own() {
    let (_stand, client) = serving(|request, _| async move {
        let came = request.into_body().collect().await.unwrap().to_bytes();
        answer(came)
    })
    .await;
    let asking = (0..1_000_u32).map(|at| {
        let client = client.clone();
        tokio::spawn(async move {
            let (asked, mut body) = client.begin(Request::post("/")).await;
            let own = Bytes::from(at.to_string().repeat(1_000));
            send(&mut body, own.clone()).await.unwrap();
            body.send_data(Bytes::new(), true).unwrap();
            assert!(whole(soon(asked).await.unwrap().into_body()).await.unwrap() == own);
        })
    });
    for asked in asking.collect::<Vec<_>>() {
        soon(asked).await.unwrap();
    }
}

#[tokio::test]
async fn hints_for_a_client_that_reads_nothing_are_dropped() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let (_stand, client) = Stand::start(move |_, interim| {
        let tell = tell.take().unwrap();
        async move {
            let hint = HeaderMap::from_iter([("link".parse().unwrap(), "y".repeat(4_000).parse().unwrap())]);
            // Until the client is seen not to read: what the kernel takes is no more than some megabytes.
            let mut sent = 0_u64;
            let mut refused = 0;
            while refused < 1_000 {
                if interim.send(StatusCode::EARLY_HINTS, &hint) {
                    (sent, refused) = (sent + 1, 0);
                } else {
                    refused += 1;
                }
                tokio::task::yield_now().await;
            }
            tell.send(sent).unwrap();
            pending().await
        }
    })
    .await;
    let mut raw = Raw(client);
    raw.say(&[begin(), frame(HEADERS, END_HEADERS | END_STREAM, 1, GET)].concat()).await;
    let sent = soon(told).await.unwrap();
    assert!(sent * 4_000 < 64 * 1024 * 1024, "{sent} hints");
}

#[tokio::test]
async fn what_is_no_connection_of_http2_is_none() {
    for said in [
        "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n",
        "GET / HTTP/1.1\r\n\r\n",
        "\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
    ] {
        let (stand, client) = Stand::start(|_, _| pending()).await;
        let mut raw = Raw(client);
        raw.say(said.as_bytes()).await;
        assert!(stand.ended().await.is_err(), "{said:?}");
    }
    let (stand, client) = Stand::start(|_, _| pending()).await;
    let mut raw = Raw(client);
    raw.say(&[&begin()[..24], &frame(DATA, 0, 0, &[0; 100])].concat()).await;
    assert!(stand.ended().await.is_err());
    let (_stand, client) = Stand::start(|_, _| pending()).await;
    let mut raw = Raw(client);
    raw.say(&begin()).await;
    assert!(raw.hear_a(SETTINGS).await.is_some());
}

//! Bodies: as fast as whoever reads them, and never held.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::sync::oneshot;

use crate::stand::{WINDOW, answer, send, serving, soon, whole};

/// The largest piece of a body in these tests.
const PIECE: usize = 64 * 1024;
/// More than fits into any buffer.
const MUCH: usize = 100 * 1024 * 1024;

/// A body of so many pieces, which counts those that were taken.
struct Pieces {
    left: usize,
    taken: Arc<AtomicUsize>,
    piece: Bytes,
    gone: Option<oneshot::Sender<()>>,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        self.taken.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.piece.clone()))))
    }
}

impl Drop for Pieces {
    fn drop(&mut self) {
        if let Some(gone) = self.gone.take() {
            let _ = gone.send(());
        }
    }
}

fn pieces(left: usize) -> (Pieces, Arc<AtomicUsize>, oneshot::Receiver<()>) {
    let (taken, (gone, is_gone)) = (Arc::<AtomicUsize>::default(), oneshot::channel());
    let piece = Bytes::from((0..PIECE).map(|at| at as u8).collect::<Vec<_>>());
    (Pieces { left, taken: Arc::clone(&taken), piece, gone: Some(gone) }, taken, is_gone)
}

#[tokio::test]
async fn a_hundred_megabytes_pass_each_way() {
    let (_stand, client) = serving(|request, _| async move {
        let mut came = 0_usize;
        let mut body = request.into_body();
        while let Some(frame) = body.frame().await {
            came += frame.unwrap().into_data().unwrap().len();
        }
        assert_eq!(came, MUCH);
        Response::new(pieces(MUCH / PIECE).0.boxed_unsync())
    })
    .await;
    let (asked, mut body) = client.begin(Request::post("/").header("content-length", MUCH)).await;
    let piece = Bytes::from(vec![7; PIECE]);
    for _ in 0..MUCH / PIECE {
        send(&mut body, piece.clone()).await.unwrap();
    }
    body.send_data(Bytes::new(), true).unwrap();
    let answer = whole(soon(asked).await.unwrap().into_body()).await.unwrap();
    assert!(answer.len() == MUCH && answer.iter().enumerate().all(|(at, byte)| *byte == at as u8));
}

#[tokio::test]
async fn a_client_that_gives_no_room_is_sent_no_more_and_keeps_nobody_back() {
    let (body, taken, gone) = pieces(MUCH / PIECE);
    let mut body = Some(body);
    let (_stand, client) = serving(move |_, _| {
        let answer = body.take().map_or_else(|| answer("page"), |body| Response::new(body.boxed_unsync()));
        async { answer }
    })
    .await;
    let slow = client.ask(Method::GET).await.unwrap();
    // One that has gone its way meanwhile, and one more behind it.
    for _ in 0..2 {
        let page = client.ask(Method::GET).await.unwrap();
        assert_eq!(page.status(), 200);
        drop(page);
    }
    let taken = taken.load(Ordering::Relaxed) * PIECE;
    assert!(taken <= WINDOW as usize + 2 * PIECE, "{taken} bytes were taken for a client that reads none");
    drop(slow);
    soon(gone).await.unwrap();
}

#[tokio::test]
async fn of_a_body_that_nobody_reads_only_so_much_may_come() {
    let (_stand, client) = serving(|request, _| async move {
        let _unread = request;
        pending().await
    })
    .await;
    let (_asked, mut body) = client.begin(Request::post("/")).await;
    send(&mut body, Bytes::from(vec![0; WINDOW as usize])).await.unwrap();
    body.reserve_capacity(1);
    let more = std::future::poll_fn(|cx| body.poll_capacity(cx));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(300), more).await.is_err());
}

#[tokio::test]
async fn a_body_that_is_dropped_unread_gives_its_room_back() {
    let (_stand, client) = serving(|request, _| async move {
        if request.method() == Method::PUT {
            return answer("no");
        }
        answer(request.into_body().collect().await.unwrap().to_bytes())
    })
    .await;
    for _ in 0..20 {
        let (asked, mut body) = client.begin(Request::put("/")).await;
        // It may be told meanwhile that nobody wants it.
        let _ = send(&mut body, Bytes::from(vec![0; WINDOW as usize])).await;
        assert_eq!(soon(asked).await.unwrap().status(), 200);
        drop(body);
    }
    let (asked, mut body) = client.begin(Request::post("/")).await;
    send(&mut body, Bytes::from(vec![1; 2 * WINDOW as usize])).await.unwrap();
    body.send_data(Bytes::new(), true).unwrap();
    assert_eq!(whole(soon(asked).await.unwrap().into_body()).await.unwrap().len(), 2 * WINDOW as usize);
}

#[tokio::test]
async fn an_upload_that_is_answered_before_its_end_is_told_to_stop_and_the_answer_is_whole() {
    let (_stand, client) = serving(|_, _| async { answer("no") }).await;
    let (asked, mut body) = client.begin(Request::post("/")).await;
    assert_eq!(whole(soon(asked).await.unwrap().into_body()).await.unwrap(), b"no");
    let reason = soon(std::future::poll_fn(|cx| body.poll_reset(cx))).await.unwrap();
    assert_eq!(reason, Reason::NO_ERROR);
}

#[tokio::test]
async fn a_body_that_its_client_breaks_off_never_looks_whole() {
    for reason in [Reason::CANCEL, Reason::NO_ERROR, Reason::INTERNAL_ERROR] {
        let (tell, told) = oneshot::channel();
        let mut tell = Some(tell);
        let (_stand, client) = serving(move |request, _| {
            let tell = tell.take().unwrap();
            async move {
                // In a task of its own, which the reset does not end.
                tokio::spawn(async move {
                    tell.send(request.into_body().collect().await.map(http_body_util::Collected::to_bytes))
                });
                pending().await
            }
        })
        .await;
        let (_asked, mut body) = client.begin(Request::post("/")).await;
        send(&mut body, Bytes::from("half")).await.unwrap();
        body.send_reset(reason);
        assert!(soon(told).await.unwrap().is_err(), "{reason}");
    }
}

#[tokio::test]
async fn a_length_is_told_and_kept_to() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let (_stand, client) = serving(move |request, _| {
        let tell = tell.clone();
        async move {
            let mut body = request.into_body();
            let mut hints = vec![(body.size_hint().exact(), body.is_end_stream())];
            while let Some(Ok(_)) = body.frame().await {
                hints.push((body.size_hint().exact(), body.is_end_stream()));
            }
            tell.send(hints).unwrap();
            answer("")
        }
    })
    .await;
    let (asked, mut body) = client.begin(Request::post("/").header("content-length", "4")).await;
    send(&mut body, Bytes::from("page")).await.unwrap();
    body.send_data(Bytes::new(), true).unwrap();
    soon(asked).await.unwrap();
    let hints = soon(told.recv()).await.unwrap();
    assert_eq!((hints[0], *hints.last().unwrap()), ((Some(4), false), (Some(0), true)));
    client.ask(Method::GET).await.unwrap();
    assert_eq!(soon(told.recv()).await.unwrap(), [(Some(0), true)]);
    for wrong in ["3", "5"] {
        let (asked, mut body) = client.begin(Request::post("/").header("content-length", wrong)).await;
        send(&mut body, Bytes::from("page")).await.unwrap();
        let _ = body.send_data(Bytes::new(), true);
        assert_eq!(soon(asked).await.unwrap_err().reason(), Some(Reason::PROTOCOL_ERROR), "{wrong}");
    }
}

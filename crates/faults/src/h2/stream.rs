//! One request of HTTP/2 and what the script does to it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::oneshot;

use super::frames::{self, flag, kind};
use super::hpack::encode;
use super::reading::receipt;
use super::{Connection, Out};
use crate::answer::{Afterwards, Answer, Framing, Place, Readiness};
use crate::arrivals::{Exchange, Receipt};
use crate::code::Code;
use crate::step::{Act, End, Follow, GoAway, LastStream, Moment, Notice, Step};

/// What a server that drains promises before it knows its last stream.
const EVERY_STREAM: u32 = 0x7fff_ffff;

/// The time between the two GOAWAYs of a server that drains: a round trip on loopback and some more.
const NOTICE: Duration = Duration::from_millis(10);

pub(super) struct Turn {
    pub(super) connection: Arc<Connection>,
    pub(super) id: u32,
    pub(super) method: String,
    pub(super) exchange: Exchange,
    pub(super) receipt: Arc<Mutex<Receipt>>,
    pub(super) request_ended: oneshot::Receiver<()>,
}

fn moment(step: &Step) -> Moment {
    match &step.act {
        Act::Answer(answer) if answer.readiness == Readiness::Early => Moment::AfterHead,
        Act::Answer(_) => Moment::AfterRequest,
        Act::End(moment, _) | Act::Garbage(moment, ..) => *moment,
        Act::GoAway(goaway) => goaway.moment,
    }
}

pub(super) fn reads_body(step: &Step) -> bool {
    moment(step) == Moment::AfterRequest
}

impl Turn {
    pub(super) async fn play(mut self, step: Arc<Step>) {
        if reads_body(&step) && (&mut self.request_ended).await.is_err() {
            return;
        }
        if !step.delay.is_zero() {
            tokio::time::sleep(step.delay).await;
        }
        match &step.act {
            Act::Answer(answer) => self.answer(answer).await,
            Act::End(_, end) => self.end(*end).await,
            Act::Garbage(_, bytes, end) => {
                self.connection.frame(bytes.clone()).await;
                self.end(*end).await;
            }
            Act::GoAway(goaway) => self.goaway(goaway).await,
        }
        self.connection.flow.forget(self.id);
    }

    async fn end(&self, end: End) {
        receipt(&self.receipt, Receipt::abandon);
        match end {
            End::Hang => std::future::pending().await,
            End::Freeze => {}
            End::Close | End::Reset | End::Stream(_) => self.exchange.conclude(),
        }
        match end {
            End::Stream(code) => self.connection.frame(frames::reset_stream(self.id, code)).await,
            end => {
                self.connection.send(Out::End(end)).await;
                std::future::pending::<()>().await;
            }
        }
    }

    async fn goaway(&mut self, goaway: &GoAway) {
        if matches!(goaway.notice, Notice::Graceful) {
            self.connection.frame(frames::goaway(EVERY_STREAM, Code::NO_ERROR)).await;
            tokio::time::sleep(NOTICE).await;
        }
        let last = match (goaway.last, goaway.notice) {
            (LastStream::Covering, Notice::Sudden) => self.id,
            // By now there may be streams that the first one promised to deal with.
            (LastStream::Covering, Notice::Graceful) => self.connection.newest.load(Ordering::Relaxed),
            (LastStream::NotCovering, _) => self.id.saturating_sub(2),
            (LastStream::Exactly(id), _) => id,
        };
        self.connection.last.fetch_min(last, Ordering::Relaxed);
        self.connection.frame(frames::goaway(last, goaway.code)).await;
        match &goaway.follow {
            Follow::Answer(answer) => self.answer(answer).await,
            Follow::End(end) => self.end(*end).await,
            Follow::Silence if last < self.id => {
                self.exchange.conclude();
                receipt(&self.receipt, Receipt::abandon);
            }
            Follow::Silence => self.end(End::Hang).await,
        }
    }

    async fn answer(&mut self, answer: &Answer) {
        for informational in &answer.informational {
            let block = block(&informational.status, &informational.headers);
            self.connection.frame(frames::headers(self.id, &block, 0)).await;
        }
        if !answer.delay.is_zero() {
            tokio::time::sleep(answer.delay).await;
        }
        let has_body = self.has_body(answer);
        let whole_at_once = !has_body && answer.cut.is_none() && answer.body_delay.is_zero();
        let head = self.head(answer, if whole_at_once { flag::END_STREAM } else { 0 });
        if let Some(cut) = answer.cut.filter(|cut| cut.place == Place::Head) {
            let size = usize::try_from(cut.at).unwrap_or(usize::MAX).min(head.len());
            self.connection.frame(head.slice(..size)).await;
            return self.end(cut.end).await;
        }
        self.connection.frame(head).await;
        if !answer.body_delay.is_zero() {
            tokio::time::sleep(answer.body_delay).await;
        }
        if has_body {
            for piece in answer.body.pieces(answer.cut.map(|cut| cut.at)) {
                self.data(piece).await;
            }
        }
        if let Some(cut) = answer.cut {
            return self.end(cut.end).await;
        }
        // Known before the client can react to the end of the answer.
        self.exchange.conclude();
        if !whole_at_once {
            self.connection.frame(frames::frame(kind::DATA, flag::END_STREAM, self.id, &[])).await;
        }
        self.afterwards(answer).await;
    }

    async fn data(&self, mut piece: Bytes) {
        while piece.has_remaining() {
            let allowed = self.connection.flow.take(self.id, piece.len()).await;
            let frame = frames::frame(kind::DATA, 0, self.id, &piece.split_to(allowed));
            self.connection.frame(frame).await;
        }
    }

    async fn afterwards(&mut self, answer: &Answer) {
        if answer.readiness == Readiness::Early && self.request_ended.try_recv().is_err() {
            receipt(&self.receipt, Receipt::abandon);
            self.connection.frame(frames::reset_stream(self.id, Code::NO_ERROR)).await;
        }
        match answer.afterwards {
            Afterwards::KeepAlive => {}
            Afterwards::Announced => {
                self.connection.last.fetch_min(self.id, Ordering::Relaxed);
                self.connection.frame(frames::goaway(self.id, Code::NO_ERROR)).await;
            }
            Afterwards::End(idle, end) => {
                tokio::time::sleep(idle).await;
                if self.connection.is_newest(self.id) {
                    self.end(end).await;
                }
            }
        }
    }

    fn has_body(&self, answer: &Answer) -> bool {
        self.method != "HEAD" && !is_bodiless(&answer.status) && answer.body.length() != Some(0)
    }

    fn head(&self, answer: &Answer, flags: u8) -> Bytes {
        let mut block = block(&answer.status, &answer.headers);
        let by_hand = answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-length"));
        let usual = match answer.framing {
            Framing::Length if !by_hand && !is_bodiless(&answer.status) => answer.body.length(),
            _ => None,
        };
        if let Some(length) = answer.declared_length.or(usual) {
            encode(&mut block, b"content-length", length.to_string().as_bytes());
        }
        frames::headers(self.id, &block, flags)
    }
}

fn is_bodiless(status: &str) -> bool {
    status.starts_with('1') || matches!(status, "204" | "304")
}

fn block(status: &str, headers: &[(Bytes, Bytes)]) -> Vec<u8> {
    let mut block = Vec::with_capacity(256);
    encode(&mut block, b":status", status.as_bytes());
    for (name, value) in headers {
        encode(&mut block, &name.to_ascii_lowercase(), value);
    }
    block
}

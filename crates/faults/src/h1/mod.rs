//! HTTP/1.1 as a server speaks it, up to the point where the script says otherwise.

mod reading;
mod writing;

use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::answer::{Afterwards, Answer, Readiness};
use crate::arrivals::{Exchange, Receipt};
use crate::connection::{Context, gone, sleep_unless_gone};
use crate::step::{Act, End, Follow, Moment, Step};
use reading::{Reader, Request, Unread};
use writing::{Delivery, Sent, send};

/// What happens to the connection after an exchange.
enum Next {
    Request,
    RequestWithin(Duration, End),
    End(End),
    /// The client has left.
    Gone,
}

/// Serves one connection. Gives the way to end it, or nothing if the client has ended it.
pub(crate) async fn serve(
    stream: &mut TcpStream,
    read: BytesMut,
    connection: u64,
    context: &Context,
) -> Option<End> {
    let mut reader = Reader::new(read);
    let mut next = Next::Request;
    loop {
        let request = match next {
            Next::Request => reader.request(stream).await,
            Next::RequestWithin(idle, end) => {
                match tokio::time::timeout(idle, reader.request(stream)).await {
                    Ok(request) => request,
                    Err(_) => return Some(end),
                }
            }
            Next::End(end) => return Some(end),
            Next::Gone => return None,
        };
        next = match request {
            Ok(request) => exchange(stream, &mut reader, request, connection, context).await,
            Err(Unread::Gone) => return None,
            Err(Unread::Malformed) => {
                // The client is at fault here and is told so, whatever the script says.
                let refusal = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
                stream.write_all(refusal).await.ok()?;
                Next::End(End::Close)
            }
        };
    }
}

async fn exchange(
    stream: &mut TcpStream,
    reader: &mut Reader,
    mut request: Request,
    connection: u64,
    context: &Context,
) -> Next {
    let now = Instant::now();
    let step = context.turns.take(&request.head.method, &request.head.target, now);
    let head = request.take_head();
    let (exchange, receipt) = context.log.arrive(connection, head, step.to_string(), now);
    let mut turn = Turn { stream, reader, request: &request, receipt };
    let next = turn.play(&step, &exchange).await;
    if matches!(next, Next::Gone) {
        exchange.cancel();
    }
    next
}

struct Turn<'a> {
    stream: &'a mut TcpStream,
    reader: &'a mut Reader,
    request: &'a Request,
    receipt: Receipt,
}

impl Turn<'_> {
    async fn play(&mut self, step: &Step, exchange: &Exchange) -> Next {
        let moment = match &step.act {
            Act::Answer(answer) if answer.readiness == Readiness::Early => Moment::AfterHead,
            Act::Answer(_) => Moment::AfterRequest,
            Act::End(moment, _) | Act::Garbage(moment, ..) => *moment,
            Act::GoAway(goaway) => goaway.moment,
        };
        if self.reach(moment).await.is_err() || !sleep_unless_gone(self.stream, step.delay).await {
            return Next::Gone;
        }
        match &step.act {
            Act::Answer(answer) => self.answer(answer, exchange).await,
            Act::End(_, end) => self.end(*end, exchange).await,
            Act::Garbage(_, bytes, end) => match self.stream.write_all(bytes).await {
                Ok(()) => self.end(*end, exchange).await,
                Err(_) => Next::Gone,
            },
            Act::GoAway(goaway) => match &goaway.follow {
                Follow::Silence => self.end(End::Close, exchange).await,
                Follow::Answer(answer) => {
                    let closing = Answer::clone(answer).connection_close();
                    self.answer(&closing, exchange).await
                }
                Follow::End(end) => self.end(*end, exchange).await,
            },
        }
    }

    /// Reads as much of the request as is to be read before the server acts.
    async fn reach(&mut self, moment: Moment) -> Result<(), Unread> {
        match moment {
            Moment::BeforeRequest | Moment::AfterHead => {
                if !self.request.has_body() {
                    self.receipt.complete();
                }
                Ok(())
            }
            Moment::AfterRequest => self.read_body().await,
        }
    }

    async fn read_body(&mut self) -> Result<(), Unread> {
        if self.request.expects_continue && self.reader.is_drained() {
            self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.map_err(|_| Unread::Gone)?;
        }
        self.reader.body(self.stream, self.request, &mut self.receipt).await
    }

    async fn end(&mut self, end: End, exchange: &Exchange) -> Next {
        self.receipt.abandon();
        if matches!(end, End::Hang | End::Freeze) {
            gone(self.stream).await;
            return Next::Gone;
        }
        exchange.conclude();
        Next::End(end)
    }

    async fn answer(&mut self, answer: &Answer, exchange: &Exchange) -> Next {
        match send(self.stream, answer, self.request).await {
            Sent::Gone => Next::Gone,
            Sent::Cut(end) => self.end(end, exchange).await,
            Sent::Whole(delivery) => {
                exchange.conclude();
                match (answer.afterwards, delivery) {
                    (Afterwards::End(idle, end), _) if idle.is_zero() => Next::End(end),
                    (Afterwards::Announced, _) | (_, Delivery::EndsConnection) => Next::End(End::Close),
                    (Afterwards::End(idle, end), _) => {
                        self.go_on(answer, Next::RequestWithin(idle, end)).await
                    }
                    (Afterwards::KeepAlive, _) => self.go_on(answer, Next::Request).await,
                }
            }
        }
    }

    /// A connection that goes on has to be free of what is left of this request.
    async fn go_on(&mut self, answer: &Answer, next: Next) -> Next {
        if answer.readiness == Readiness::Early && self.request.has_body() {
            let read = self.reader.body(self.stream, self.request, &mut self.receipt).await;
            return if read.is_ok() { next } else { Next::Gone };
        }
        next
    }
}

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body as _;
use http_body_util::BodyExt;
use reveille_retry::{Fault, FaultKind};

use crate::core::Seat;
use crate::core::transport::{Broken, Incoming, Quiet, of_body};
use crate::error::PREVIEW;

/// How much of an answer is read to know it, in bytes.
const PEEK: usize = 64 * 1024;
/// The most that is held in memory of one answer, in bytes. What is larger has to be streamed.
const MOST_HELD: usize = 256 * 1024 * 1024;
/// The most that is set aside for an answer because it says how long it is, in bytes.
const MOST_RESERVED: usize = 1024 * 1024;

/// The body of an answer on its way in: what is held of it, and what is still to come.
pub(crate) struct Arriving {
    held: BytesMut,
    incoming: Option<Incoming>,
    trailers: Option<HeaderMap>,
    broken: Option<Broken>,
    quiet: Quiet,
    until: Option<Instant>,
    seat: Option<Seat>,
}

impl Arriving {
    pub(crate) fn new(incoming: Incoming, quiet: Quiet) -> Self {
        let incoming = (!incoming.is_end_stream()).then_some(incoming);
        let (held, trailers) = (BytesMut::new(), None);
        Self { held, incoming, trailers, broken: None, quiet, until: None, seat: None }
    }

    /// Lets the other calls to the sandbox know of each piece that comes.
    pub(crate) fn told_by(&mut self, seat: Option<Seat>) {
        self.seat = seat;
    }

    /// Ends the body with an error at `until`, whatever has come by then.
    pub(crate) fn bound_by(&mut self, until: Option<Instant>) {
        self.until = until;
    }

    /// When the body is ended, whatever has come by then.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// The length of what is still to come, where the server declared it.
    pub(crate) fn expected(&self) -> Option<u64> {
        let rest = self.incoming.as_ref().map_or(Some(0), |incoming| incoming.size_hint().exact());
        rest.map(|rest| rest.saturating_add(self.held.len() as u64))
    }

    /// Reads up to 64 KiB, and waits no longer than `most` for them. A break is kept for who reads on.
    pub(crate) async fn peek(&mut self, most: Duration) {
        let peeked = async {
            while self.held.len() < PEEK {
                match self.frame().await {
                    Ok(Some(data)) => self.held.extend_from_slice(&data),
                    Ok(None) => return,
                    Err(broken) => {
                        self.broken = Some(broken);
                        return;
                    }
                }
            }
        };
        // Too late is as good as too long: then the rest is not here.
        let _ = tokio::time::timeout(most, peeked).await;
    }

    /// Reads to the end.
    pub(crate) async fn whole(&mut self) -> Result<(), Broken> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        if self.held.capacity() == 0 {
            let expected = usize::try_from(self.expected().unwrap_or_default()).unwrap_or(usize::MAX);
            // Exactly as long, so that it is handed over as it is.
            self.held = BytesMut::with_capacity(expected.min(MOST_RESERVED));
        }
        while let Some(data) = self.frame().await? {
            if self.held.len() + data.len() > MOST_HELD {
                return Err(Broken { fault: Fault::answered(FaultKind::TooLarge), source: None });
            }
            self.held.extend_from_slice(&data);
        }
        Ok(())
    }

    /// The whole body, where all of it has come.
    pub(crate) fn whole_if_here(&self) -> Option<&[u8]> {
        (self.incoming.is_none() && self.broken.is_none()).then_some(&*self.held)
    }

    /// Takes the whole body, where all of it has come, and nothing was said after it.
    pub(crate) fn take_whole(&mut self) -> Option<Bytes> {
        let is_whole = self.incoming.is_none() && self.broken.is_none() && self.trailers.is_none();
        is_whole.then(|| std::mem::take(&mut self.held).freeze())
    }

    /// A copy of what is held, up to what an error keeps.
    pub(crate) fn beginning(&self) -> Bytes {
        Bytes::copy_from_slice(&self.held[..self.held.len().min(PREVIEW)])
    }

    /// What was said after the last byte, once it has come.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    pub(crate) fn into_held(self) -> Bytes {
        self.held.freeze()
    }

    /// The next piece: first what is held, then what comes.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Broken> {
        if !self.held.is_empty() {
            return Ok(Some(self.held.split().freeze()));
        }
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let Some(until) = self.until else { return self.frame().await };
        // A body that always has something ready would never let a timer speak.
        if Instant::now() < until
            && let Ok(frame) = tokio::time::timeout_at(until.into(), self.frame()).await
        {
            return frame;
        }
        self.incoming = None;
        Err(Broken { fault: Fault::answered(FaultKind::Deadline), source: None })
    }

    async fn frame(&mut self) -> Result<Option<Bytes>, Broken> {
        loop {
            let Some(incoming) = &mut self.incoming else { return Ok(None) };
            self.quiet.heard();
            let Some(frame) = self.quiet.bound(incoming.frame()).await else {
                self.incoming = None;
                return Err(Broken { fault: Fault::answered(FaultKind::ReadTimeout), source: None });
            };
            match frame {
                Some(Ok(frame)) => {
                    if incoming.is_end_stream() {
                        self.incoming = None;
                    }
                    match frame.into_data() {
                        Ok(data) if data.is_empty() => {}
                        Ok(data) => {
                            if let Some(seat) = &mut self.seat {
                                seat.brought();
                            }
                            return Ok(Some(data));
                        }
                        Err(other) => self.trailers = other.into_trailers().ok(),
                    }
                }
                Some(Err(error)) => {
                    self.incoming = None;
                    return Err(of_body(error));
                }
                None => {
                    self.incoming = None;
                    return Ok(None);
                }
            }
        }
    }
}

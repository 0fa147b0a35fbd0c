//! The other side of an exchange: one connection to its target, made anew when it has ended.

use http::{Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use reveille_wire::hop;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::request::{Body, Outgoing};
use crate::egress::outside::{Outside, Place, Target};
use crate::egress::refused::{Refused, refused};
use crate::egress::{Policy, Rules};

type Sender = SendRequest<Body>;

/// The way to one target.
pub(in crate::egress) struct Upstream {
    target: Target,
    place: Place,
    end: CancellationToken,
    state: Mutex<State>,
}

enum State {
    /// A connection on which nothing was said yet.
    Connected(TcpStream),
    Speaking(Sender),
    Ended,
}

impl Upstream {
    /// The way to a target that was reached already.
    pub(in crate::egress) fn new(
        target: Target,
        place: Place,
        stream: TcpStream,
        end: CancellationToken,
    ) -> Self {
        Self { target, place, end, state: Mutex::new(State::Connected(stream)) }
    }

    pub(in crate::egress) fn target(&self) -> &Target {
        &self.target
    }

    pub(in crate::egress) fn place(&self) -> Place {
        self.place
    }

    /// Sends a request and waits for the head of its answer. One that was never written goes out on a new connection.
    pub(super) async fn send(
        &self,
        mut request: Outgoing,
        outside: &Outside,
        rules: &Rules,
    ) -> Result<Response<Incoming>, Refused> {
        let mut state = self.state.lock().await;
        if let State::Speaking(sender) = &mut *state
            && sender.ready().await.is_ok()
        {
            match sender.try_send_request(request).await {
                Ok(answer) => return Ok(answer),
                Err(mut error) => match error.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(broken(&self.target, &error.into_error())),
                },
            }
        }
        let policy = std::sync::Arc::clone(&rules.borrow());
        let mut sender = self.speak(std::mem::replace(&mut *state, State::Ended), outside, &policy).await?;
        let answer = sender.send_request(request).await.map_err(|error| broken(&self.target, &error))?;
        *state = State::Speaking(sender);
        Ok(answer)
    }

    async fn speak(&self, state: State, outside: &Outside, policy: &Policy) -> Result<Sender, Refused> {
        // What was connected when the client came may have been given up by the time that it asks.
        if let State::Connected(stream) = state
            && let Ok(sender) = self.speak_on(stream, outside).await
        {
            return Ok(sender);
        }
        self.speak_on(outside.reach(policy, &self.target).await?, outside).await
    }

    async fn speak_on(&self, stream: TcpStream, outside: &Outside) -> Result<Sender, Refused> {
        match self.place {
            Place::Doors => self.begin(stream).await,
            Place::Outside => self.begin(outside.secure(stream, &self.target).await?).await,
        }
    }

    async fn begin(
        &self,
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    ) -> Result<Sender, Refused> {
        let speaking =
            http1::Builder::new().max_headers(hop::MAX_HEADERS).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = speaking.map_err(|error| broken(&self.target, &error))?;
        tokio::spawn(self.end.clone().run_until_cancelled_owned(connection.with_upgrades()));
        Ok(sender)
    }
}

fn broken(Target { name, .. }: &Target, error: &hyper::Error) -> Refused {
    refused(
        StatusCode::BAD_GATEWAY,
        format!("{name} broke off before it answered; the request may have been carried out: {error}"),
    )
}

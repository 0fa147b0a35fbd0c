//! A body that waits until its peer asks for it (`Expect: 100-continue`; RFC 9110, section 10.1.1).

use std::time::Duration;

use http::Request;
use http::header::EXPECT;
use reveille_wire::hop;
use tokio::sync::watch;

use crate::core::SendBody;

/// How long a peer of HTTP/1.1 has to ask for the body, which it has to before it waits for it. One that knows nothing
/// of expectations gets it then.
const ASKS_IN: Duration = Duration::from_secs(5);

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unsent,
    Sent,
    Asked,
}

/// What opens the way of a body.
#[derive(Clone)]
pub(super) struct Expectation(watch::Sender<Stage>);

impl Expectation {
    /// That of a request, where its body is to be asked for.
    pub(super) fn of(request: &Request<SendBody>) -> Option<Self> {
        hop::expects_continue(request.headers()).then(|| Self(watch::Sender::new(Stage::Unsent)))
    }

    /// The head is about to be sent: from now on its peer's word opens the way.
    pub(super) fn sent(&self) {
        self.0.send_replace(Stage::Sent);
    }

    /// The peer asked for the body.
    pub(super) fn asked(&self) {
        self.0.send_replace(Stage::Asked);
    }

    /// Nothing would be heard of such a word: the body goes without it.
    pub(super) fn give_up(&self, request: &mut Request<SendBody>) {
        request.headers_mut().remove(EXPECT);
        self.asked();
    }

    /// Waits until the body is to go.
    pub(super) async fn met(&self) {
        let mut stage = self.0.subscribe();
        // This holds the other end.
        let _ = stage.wait_for(|stage| *stage != Stage::Unsent).await;
        let _ = tokio::time::timeout(ASKS_IN, stage.wait_for(|stage| *stage == Stage::Asked)).await;
        self.asked();
    }

    /// Whether nobody has asked for the body.
    pub(super) fn is_unmet(&self) -> bool {
        *self.0.borrow() != Stage::Asked
    }
}

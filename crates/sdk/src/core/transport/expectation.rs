//! A body that waits until its peer asks for it (`Expect: 100-continue`; RFC 9110, section 10.1.1).

use std::time::Duration;

use http::Request;
use reveille_wire::hop;
use tokio::sync::watch;

use crate::core::SendBody;

/// How long a peer of HTTP/1.1 has to ask for the body, which it has to before it waits for it. One that knows nothing
/// of expectations gets it then.
pub(super) const ASKS_IN: Duration = Duration::from_secs(5);
/// The same over HTTP/2, over which many never ask, and a body that nobody wants costs no connection.
pub(super) const ASKS_IN_OVER_HTTP2: Duration = Duration::from_secs(1);

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Unsent,
    /// Its peer has so long to ask.
    Sent(Duration),
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

    /// The head is about to be sent: from now on its peer's word opens the way, for so long.
    pub(super) fn sent(&self, asks_in: Duration) {
        self.0.send_replace(Stage::Sent(asks_in));
    }

    /// The peer asked for the body.
    pub(super) fn asked(&self) {
        self.0.send_replace(Stage::Asked);
    }

    /// Waits until the body is to go.
    pub(super) async fn met(&self) {
        let mut stage = self.0.subscribe();
        // This holds the other end.
        let sent = stage.wait_for(|stage| *stage != Stage::Unsent).await.map(|stage| *stage);
        if let Ok(Stage::Sent(asks_in)) = sent {
            let _ = tokio::time::timeout(asks_in, stage.wait_for(|stage| *stage == Stage::Asked)).await;
        }
        self.asked();
    }

    /// Whether nobody has asked for the body.
    pub(super) fn is_unmet(&self) -> bool {
        *self.0.borrow() != Stage::Asked
    }
}

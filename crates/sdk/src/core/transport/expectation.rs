//! A body that waits until its peer asks for it (`Expect: 100-continue`; RFC 9110, section 10.1.1).

use std::time::Duration;

use http::header::EXPECT;
use http::{Request, StatusCode};
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

    /// The head is about to be sent over HTTP/1.1: its peer's word opens the way.
    pub(super) fn over_http1(&self, request: &mut Request<SendBody>) {
        let asked = self.0.clone();
        hyper::ext::on_informational(request, move |answer| {
            if answer.status() == StatusCode::CONTINUE {
                asked.send_replace(Stage::Asked);
            }
        });
        self.0.send_replace(Stage::Sent);
    }

    /// The same over HTTP/2, of whose informational answers the library tells nothing: nobody is kept waiting.
    pub(super) fn over_http2(&self, request: &mut Request<SendBody>) {
        request.headers_mut().remove(EXPECT);
        self.0.send_replace(Stage::Asked);
    }

    /// Waits until the body is to go.
    pub(super) async fn met(&self) {
        let mut stage = self.0.subscribe();
        // This holds the other end.
        let _ = stage.wait_for(|stage| *stage != Stage::Unsent).await;
        let _ = tokio::time::timeout(ASKS_IN, stage.wait_for(|stage| *stage == Stage::Asked)).await;
        self.0.send_replace(Stage::Asked);
    }

    /// Whether nobody has asked for the body.
    pub(super) fn is_unmet(&self) -> bool {
        *self.0.borrow() != Stage::Asked
    }
}

//! One request through the relay, and its answer back.

use std::sync::Arc;

use bytes::Bytes;
use http::header::TRANSFER_ENCODING;
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use reveille::{Client, Forwarded, ForwardedBody, Plane, StatusSet};
use reveille_http1::Interim;
use reveille_http2::Change;
use reveille_wire::header::SHOULD_RETRY;
use reveille_wire::websocket::Extended;
use reveille_wire::{Refusal, hop};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::attempts::{self, ATTEMPTS};
use crate::loops::Name;
use crate::passage::{Counted, Teller, Telling};
use crate::received::Coming;
use crate::settings::Credentials;
use crate::{extended, received, refusal, strangers, tunnel};

pub(crate) type Answer = Response<Answering>;

/// The body of an answer: what passes, or what the relay says itself.
pub(crate) type Answering = Either<Counted<ForwardedBody, OwnedSemaphorePermit>, Full<Bytes>>;

/// What every request passes.
pub(crate) struct Crossing {
    pub(crate) client: Client,
    pub(crate) name: Name,
    pub(crate) credentials: Credentials,
    pub(crate) exchanges: Arc<Semaphore>,
    pub(crate) teller: Teller,
    pub(crate) tunnels: TaskTracker,
    /// The relay stops: what comes now is refused.
    pub(crate) stop: CancellationToken,
    /// What has not ended by itself ends.
    pub(crate) cut: CancellationToken,
}

/// What stays of a request while it is under way.
struct Exchange {
    method: Method,
    telling: Option<Arc<Telling>>,
    permit: OwnedSemaphorePermit,
}

impl Crossing {
    pub(crate) async fn serve(&self, request: Request<Coming>, interim: Interim) -> Answer {
        let telling = self.teller.begin(request.method(), request.uri().path());
        let answer = match self.admit(&request) {
            Err(refusal) => refuse(refusal),
            Ok(permit) => {
                let exchange =
                    Exchange { method: request.method().clone(), telling: telling.clone(), permit };
                return self.cross(request, exchange, interim).await;
            }
        };
        if let Some(telling) = &telling {
            telling.answered(answer.status(), String::new());
        }
        answer
    }

    /// Lets a request in, where there is room for it and it has nothing against it.
    fn admit(&self, request: &Request<Coming>) -> Result<OwnedSemaphorePermit, Refusal> {
        if self.stop.is_cancelled() {
            return Err(refusal::stopping());
        }
        // What came whole has been looked at as it was read.
        if matches!(request.body(), Coming::Streamed(_)) && hop::names_two_hosts(request.headers()) {
            return Err(refusal::two_hosts());
        }
        if self.credentials == Credentials::Ours && strangers::may_be_a_page(request.uri(), request.headers())
        {
            return Err(refusal::page());
        }
        Arc::clone(&self.exchanges).try_acquire_owned().map_err(|_| refusal::full())
    }

    async fn cross(&self, mut request: Request<Coming>, exchange: Exchange, interim: Interim) -> Answer {
        let is_extended = match extended::is_asked_for(&request) {
            Ok(is_extended) => is_extended,
            Err(refusal) => return exchange.refuse(refusal, String::new()),
        };
        let change = (is_extended || is_upgrade(&request)).then(|| Change::of(&mut request));
        let (mut head, body) = request.into_parts();
        let socket = is_extended.then(|| Extended::write(&mut head, fastrand::u128(..).to_be_bytes()));
        if head.uri.path() == "*" {
            return exchange.refuse(refusal::no_path(), String::new());
        }
        if self.name.sign(&mut head.headers, head.version).is_err() {
            return exchange.refuse(refusal::loops(), String::new());
        }
        if matches!(body, Coming::Streamed(_))
            && head.headers.contains_key(TRANSFER_ENCODING)
            && hop::strip(&mut head.headers.clone()).is_err()
        {
            return exchange.refuse(refusal::coded_body(), String::new());
        }
        let Ok(body) = received::take(&head.headers, body, exchange.telling.clone()).await else {
            return exchange.refuse(refusal::body_broken(), String::new());
        };
        let (plane, uri) = split(head.uri);
        head.uri = uri;
        let hears_interim = head.version >= Version::HTTP_11;
        let mut call = self.client.forward(plane, Request::from_parts(head, body));
        if hears_interim {
            call = call.on_informational(move |hint| {
                // What finds no room is no more than a hint.
                interim.send(hint.status(), hint.headers());
            });
        }
        if self.credentials == Credentials::Ours {
            call = call.authorized();
        }
        let mut answer = match call.await {
            Ok(answer) => answer,
            Err(error) => {
                let refusal = refusal::of_error(&error, &exchange.method);
                return exchange.refuse(refusal, error.history().map(attempts::line).unwrap_or_default());
            }
        };
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            // To its client over HTTP/2 any success would open it.
            if socket.is_some() && answer.status().is_success() {
                return exchange.refuse(refusal::unopened(), attempts::line(answer.history()));
            }
            return exchange.answer(answer);
        }
        let line = attempts::line(answer.history());
        if socket.as_ref().is_some_and(|socket| !socket.is_accepted(answer.headers())) {
            return exchange.refuse(refusal::unopened(), line);
        }
        match (change, answer.tunnel()) {
            (Some(client), Some(platform)) => {
                exchange.tell(answer.status(), line);
                let Exchange { telling, permit, .. } = exchange;
                tunnel::open(&self.tunnels, self.cut.clone(), client, platform, telling, permit);
                let mut answer = answer.into_http().map(|_| Answering::Right(Full::default()));
                if socket.is_some() {
                    Extended::write_answer(&mut answer);
                }
                answer
            }
            _ => exchange.refuse(refusal::unasked_protocol(), line),
        }
    }
}

impl Exchange {
    fn answer(self, answer: Forwarded) -> Answer {
        let line = attempts::header(answer.history());
        if self.telling.is_some() {
            self.tell(answer.status(), attempts::line(answer.history()));
        }
        let mut response = answer.into_http();
        if let Some(line) = line {
            response.headers_mut().insert(ATTEMPTS, line);
        }
        // Some clients send everything again after such a status, unless the answer says that they must not.
        if StatusSet::TRANSIENT.contains(response.status()) && !hop::is_read(&self.method) {
            response.headers_mut().entry(SHOULD_RETRY).or_insert(HeaderValue::from_static("false"));
        }
        let Self { telling, permit, .. } = self;
        response.map(|body| Answering::Left(Counted::down(body, telling, permit)))
    }

    fn refuse(&self, refusal: Refusal, line: String) -> Answer {
        let mut answer = refuse(refusal);
        if let Ok(line) = line.parse() {
            answer.headers_mut().insert(ATTEMPTS, line);
        }
        self.tell(answer.status(), line);
        answer
    }

    fn tell(&self, status: StatusCode, line: String) {
        if let Some(telling) = &self.telling {
            telling.answered(status, line);
        }
    }
}

/// Whether a request asks its connection to change over to another protocol.
fn is_upgrade(request: &Request<Coming>) -> bool {
    request.version() == Version::HTTP_11 && hop::upgrade(request.headers()).is_some()
}

/// Which of the platform's addresses a path is for, and what is below that: the control plane's begins with `/v0`.
fn split(uri: Uri) -> (Plane, Uri) {
    let whole = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    match whole.strip_prefix("/v0") {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '?']) => {
            (Plane::Control, PathAndQuery::try_from(rest).map(Uri::from).unwrap_or_default())
        }
        _ => (Plane::Data, uri.into_parts().path_and_query.map(Uri::from).unwrap_or_default()),
    }
}

fn refuse(refusal: Refusal) -> Answer {
    refusal::respond(refusal).map(Answering::Right)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_plane_is_below_v0_and_everything_else_is_not() {
        let parts = |uri: &str| {
            let (plane, below) = split(uri.parse().unwrap());
            (plane, below.path_and_query().map_or("", PathAndQuery::as_str).to_owned())
        };
        assert_eq!(parts("/v0/sandboxes?q=1"), (Plane::Control, "/sandboxes?q=1".to_owned()));
        assert_eq!(parts("http://h/v0//a%2F"), (Plane::Control, "//a%2F".to_owned()));
        assert_eq!(parts("/v0?x").0, Plane::Control);
        assert_eq!(parts("/v0").0, Plane::Control);
        for data in ["/v01", "/acme/sandboxes/box/v0/x", "/", "/V0/x", "//v0/x"] {
            assert_eq!(parts(data), (Plane::Data, data.to_owned()));
        }
    }
}

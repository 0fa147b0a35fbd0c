//! What a server in the sandbox says of a request before its answer (RFC 9110, section 15.2).

use http::{HeaderMap, Request, StatusCode};
use reveille_http1::Interim;

use super::headers;

/// The way of such answers to the client.
#[derive(Clone, Debug)]
pub(super) struct Interims(Interim);

impl Interims {
    pub(super) fn new(to: Interim) -> Self {
        Self(to)
    }

    /// Hands one on, by the rules for every answer. Whom it does not reach is not harmed: the answer itself is yet to come.
    pub(super) fn tell(&self, status: StatusCode, mut headers: HeaderMap) {
        if headers::to_client(&mut headers).is_ok() && !self.0.send(status, &headers) {
            tracing::debug!(%status, "an interim answer is not handed on");
        }
    }

    /// Hands on those to a request that the library sends.
    pub(super) fn listen<B>(&self, request: &mut Request<B>) {
        let to = self.clone();
        hyper::ext::on_informational(request, move |said| to.tell(said.status(), said.headers().clone()));
    }
}

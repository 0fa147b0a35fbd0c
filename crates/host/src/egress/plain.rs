//! Requests for plain `http://` on their way to the outside.

use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use reveille_wire::hop;
use tokio::net::TcpStream;

use super::exchange::Terms;
use super::outside::Target;
use super::proxy::forbidden;
use super::refused::{Answer, Refused, refused};

/// Sends a request to the target that was reached, and answers what that says.
pub(super) async fn pass_on(
    request: Request<Incoming>,
    stream: TcpStream,
    target: &Target,
    terms: &Terms,
) -> Result<Answer, Refused> {
    let until = forbidden(terms.rules.clone(), target.name.clone());
    let request = for_the_origin(request)?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| refused(StatusCode::BAD_GATEWAY, error.to_string()))?;
    tokio::spawn(terms.end.clone().run_until_cancelled_owned(async move {
        tokio::select! {
            _ = connection => {}
            () = until => {}
        }
    }));
    let mut answer = sender
        .send_request(request)
        .await
        .map_err(|error| refused(StatusCode::BAD_GATEWAY, error.to_string()))?;
    hop::strip(answer.headers_mut()).map_err(|_| {
        refused(StatusCode::BAD_GATEWAY, "the answer has a transfer coding that is not known")
    })?;
    Ok(answer.map(BodyExt::boxed))
}

/// The request as the server behind the proxy is to see it (RFC 9112, section 3.2).
fn for_the_origin(mut request: Request<Incoming>) -> Result<Request<Incoming>, Refused> {
    let bad = |why: &str| refused(StatusCode::BAD_REQUEST, why);
    let authority = request.uri().authority().map(|authority| authority.as_str().to_owned());
    let host = HeaderValue::try_from(authority.unwrap_or_default()).map_err(|_| bad("the host is none"))?;
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| bad("the path is none"))?;
    let headers = request.headers_mut();
    hop::strip(headers).map_err(|_| bad("the request has a transfer coding that is not known"))?;
    headers.remove(header::PROXY_AUTHORIZATION);
    headers.insert(header::HOST, host);
    Ok(request)
}

use std::convert::Infallible;
use std::sync::Arc;

use clap::Args;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reveille::{Body, ErrorKind, Network};
use tokio::net::{TcpListener, TcpStream};
use url::{Position, Url};

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{self, Asked, Exit, Failure};
use crate::typed::{Forwarding, forwarding};

const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Reach a port in a sandbox by a port of this machine, until Ctrl-C
///
/// Every request to http://127.0.0.1:LOCAL goes to the server on PORT in the sandbox, and wakes it; WebSockets go, too. It
/// is HTTP that is forwarded, and nothing else: a database, say, cannot be reached so.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille forward box 3000
  reveille forward box 8080:3000 5173
  reveille forward box 0:3000            (a port that is free)")]
pub(crate) struct Forward {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// A port of this machine and one in the sandbox; one number is both
    #[arg(required = true, value_name = "LOCAL:PORT", value_parser = forwarding)]
    ports: Vec<Forwarding>,
}

/// What a local port leads to.
struct Way {
    screen: Screen,
    connection: Connection,
    sandbox: String,
    port: u16,
}

type Answer = Response<UnsyncBoxBody<Bytes, reveille::Error>>;

pub(crate) async fn run(screen: &Screen, connection: Connection, asked: &Forward) -> Result<Exit, Failure> {
    look(screen, &connection, &asked.sandbox).await?;
    let mut listeners = Vec::new();
    for Forwarding { local, port } in &asked.ports {
        let listener = TcpListener::bind(("127.0.0.1", *local)).await;
        let listener = listener.map_err(|error| Failure::io(format_args!("127.0.0.1:{local}"), &error))?;
        listeners.push((listener, *port));
    }
    for (listener, port) in listeners {
        let address = listener.local_addr().map_err(|error| Failure::io("the port", &error))?;
        screen.forwards(address, &asked.sandbox, port)?;
        let (sandbox, connection) = (asked.sandbox.clone(), connection.clone());
        let way = Arc::new(Way { screen: *screen, connection, sandbox, port });
        tokio::spawn(accept(listener, way));
    }
    std::future::pending().await
}

/// Looks whether there is such a sandbox, and leaves it asleep. What answers at a URL of its own is seen when it is asked.
async fn look(screen: &Screen, connection: &Connection, sandbox: &str) -> Result<(), Failure> {
    if !connection.is_on_the_platform(sandbox) {
        return Ok(());
    }
    let asking = connection.asking(sandbox, report::Request::new("GET", format!("/sandboxes/{sandbox}")));
    let call = connection.client().sandboxes().get(sandbox).with_history();
    let (_there, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    Ok(())
}

async fn accept(listener: TcpListener, way: Arc<Way>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, Arc::clone(&way)));
            }
            // Too many open files, say: some will be closed.
            Err(error) => {
                way.screen.failed(&Failure::io("a connection", &error));
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(stream: TcpStream, way: Arc<Way>) {
    let service = service_fn(move |request| {
        let way = Arc::clone(&way);
        async move { Ok::<_, Infallible>(way.answer(request).await) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new());
    // A client that has gone needs no answer.
    let _gone = http.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
}

impl Way {
    async fn answer(&self, mut request: Request<Incoming>) -> Answer {
        let client = hyper::upgrade::on(&mut request);
        tell_of_the_way_in(request.headers_mut());
        let about = report::Request::new(request.method().as_str(), request.uri().path());
        let asking = self.connection.asking(&self.sandbox, about);
        let mut answer = match self.network().forward(self.port, request.map(Body::from_http)).await {
            Ok(answer) => answer,
            Err(error) => return self.refused(&asking, &error),
        };
        self.screen.explain(&asking.request, answer.history());
        if let Some(tunnel) = answer.tunnel() {
            tokio::spawn(async move {
                let Ok(client) = client.await else { return };
                let Ok(mut server) = tunnel.await else { return };
                // Either end may leave at any time.
                let _left = tokio::io::copy_bidirectional(&mut TokioIo::new(client), &mut server).await;
            });
        }
        let mut answer = answer.into_http().map(BodyExt::boxed_unsync);
        if let Some(host) = self.connection.host_of_apps(&self.sandbox) {
            lead_back(answer.headers_mut(), &host);
        }
        answer
    }

    fn network(&self) -> Network {
        self.connection.sandbox(&self.sandbox).network()
    }

    /// What is answered where the sandbox does not answer.
    fn refused(&self, asking: &Asked, error: &reveille::Error) -> Answer {
        let said = format!("reveille forward: {error}\n");
        self.screen.failed(&asking.failed(error));
        let body = Full::new(Bytes::from(said)).map_err(|never: Infallible| match never {});
        let mut answer = Response::new(body.boxed_unsync());
        *answer.status_mut() = match error.kind() {
            ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_GATEWAY,
        };
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, text);
        answer
    }
}

/// Tells the app at which address it was asked: on the way there `Host` becomes the platform's, and its links are to lead
/// back here. Who comes through a proxy of their own has said so already.
fn tell_of_the_way_in(headers: &mut HeaderMap) {
    let Some(host) = headers.get(header::HOST).cloned() else { return };
    if headers.contains_key(FORWARDED_HOST) {
        return;
    }
    headers.insert(FORWARDED_HOST, host);
    headers.entry(FORWARDED_PROTO).or_insert(HeaderValue::from_static("http"));
}

/// Has a redirect to the app itself lead back here: an app that goes by `Host` names `host`.
fn lead_back(headers: &mut HeaderMap, host: &str) {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let Some(there) = location.and_then(|location| Url::parse(location).ok()) else { return };
    let is_web = matches!(there.scheme(), "http" | "https");
    // Two slashes at the beginning of a path, and by itself it would be another host's.
    if !is_web || there[Position::BeforeHost..Position::AfterPort] != *host || there.path().starts_with("//")
    {
        return;
    }
    if let Ok(path) = HeaderValue::from_str(&there[Position::BeforePath..]) {
        headers.insert(header::LOCATION, path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_to_the_app_itself_leads_back_and_any_other_stays() {
        let after = |location: &'static str| {
            let mut headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
            lead_back(&mut headers, "127.0.0.1:7878");
            headers[header::LOCATION].to_str().unwrap().to_owned()
        };
        assert_eq!(after("http://127.0.0.1:7878/a%2Fb?c=d#e"), "/a%2Fb?c=d#e");
        assert_eq!(after("https://127.0.0.1:7878"), "/");
        for other in [
            "/a",
            "a?b",
            "http://127.0.0.1:7879/",
            "http://example.com/",
            "//127.0.0.1:7878/",
            "http://127.0.0.1:7878//example.com/",
            "ws://127.0.0.1:7878/",
            "",
        ] {
            assert_eq!(after(other), other);
        }
    }

    fn told(given: &[(HeaderName, &'static str)]) -> (Option<String>, Option<String>) {
        let given = given.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        let mut headers: HeaderMap = given.collect();
        tell_of_the_way_in(&mut headers);
        let said = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        (said(FORWARDED_HOST), said(FORWARDED_PROTO))
    }

    #[test]
    fn an_app_is_told_where_it_was_asked_unless_a_proxy_has_said_it() {
        let host = (header::HOST, "127.0.0.1:8080");
        assert_eq!(told(std::slice::from_ref(&host)), (Some("127.0.0.1:8080".into()), Some("http".into())));
        let proxy = [host, (FORWARDED_HOST, "app.example"), (FORWARDED_PROTO, "https")];
        assert_eq!(told(&proxy), (Some("app.example".into()), Some("https".into())));
        assert_eq!(told(&[]), (None, None));
    }
}

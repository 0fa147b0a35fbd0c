use std::convert::Infallible;
use std::sync::Arc;

use clap::Args;
use http::{Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reveille::{Body, ErrorKind, Network};
use tokio::net::{TcpListener, TcpStream};

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{self, Asked, Exit, Failure};
use crate::typed::{Forwarding, forwarding};

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
        answer.into_http().map(BodyExt::boxed_unsync)
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
        let text = http::HeaderValue::from_static("text/plain; charset=utf-8");
        answer.headers_mut().insert(header::CONTENT_TYPE, text);
        answer
    }
}

//! Telling somebody of ports that open.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Uri};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use reveille_wire::SocketState;
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::AbortHandle;

use super::sockets;
use crate::failure::Failure;

/// How often the kernel's tables are looked at. They tell nobody when a port opens.
const LOOK: Duration = Duration::from_millis(200);
/// How long the one that is told may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many processes are looked at.
const MOST: usize = 256;

/// What is looked at, by process.
#[derive(Clone, Debug, Default)]
pub(crate) struct Monitors(Arc<Mutex<HashMap<i32, AbortHandle>>>);

impl Monitors {
    /// Tells `callback` of each port that `pid` opens from now on, until it ends. Another one for the same process
    /// takes the place of this one.
    ///
    /// # Errors
    /// 400 when it cannot be told, or too many are looked at.
    pub(crate) fn begin(&self, pid: i32, callback: &str) -> Result<(), Failure> {
        let callback = Callback::new(callback)?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, task| !task.is_finished());
        if all.len() >= MOST && !all.contains_key(&pid) {
            return Err(Failure::bad("too many processes are monitored already"));
        }
        if let Some(before) = all.insert(pid, tokio::spawn(watch(pid, callback)).abort_handle()) {
            before.abort();
        }
        Ok(())
    }

    /// Ends it; that there was none is fine.
    pub(crate) fn end(&self, pid: i32) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = all.remove(&pid) {
            task.abort();
        }
    }
}

async fn watch(pid: i32, callback: Callback) {
    let mut before = BTreeSet::new();
    loop {
        let looked = tokio::task::spawn_blocking(move || sockets::exists(pid).then(|| listening(pid))).await;
        let Ok(Some(now)) = looked else { return };
        for port in now.difference(&before) {
            if let Err(error) = callback.tell(pid, *port).await {
                tracing::debug!(%error, "nobody took the news of a port");
            }
        }
        before = now;
        tokio::time::sleep(LOOK).await;
    }
}

fn listening(pid: i32) -> BTreeSet<u16> {
    let sockets = sockets::of(pid).unwrap_or_default().into_iter();
    let listens = sockets.filter(|owned| owned.socket.state == Some(SocketState::Listen));
    listens.map(|owned| owned.socket.local.port()).collect()
}

/// Who is told.
#[derive(Clone, Debug)]
struct Callback {
    uri: Uri,
    authority: String,
    target: String,
}

impl Callback {
    fn new(url: &str) -> Result<Self, Failure> {
        let uri: Uri = url.parse().map_err(|_| Failure::bad("callback is no URL"))?;
        let authority = match (uri.scheme_str(), uri.authority()) {
            (Some("http"), Some(authority)) => authority.to_string(),
            _ => return Err(Failure::bad("callback is no URL with http://")),
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str()).to_owned();
        Ok(Self { uri, authority, target })
    }

    async fn tell(&self, pid: i32, port: u16) -> Result<(), String> {
        tokio::time::timeout(PATIENCE, self.post(pid, port))
            .await
            .map_err(|_| "it took too long".to_owned())?
    }

    async fn post(&self, pid: i32, port: u16) -> Result<(), String> {
        let host = self.uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let stream = TcpStream::connect((host, self.uri.port_u16().unwrap_or(80))).await;
        let stream = TokioIo::new(stream.map_err(|error| error.to_string())?);
        let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let body = Full::new(bytes::Bytes::from(json!({"pid": pid, "port": port}).to_string()));
        let request = Request::post(&self.target)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| error.to_string())?;
        let answer = sender.send_request(request).await;
        connection.abort();
        answer.map(|_| ()).map_err(|error| error.to_string())
    }
}

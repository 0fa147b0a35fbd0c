//! A host with one sandbox, and the simplest client.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use reveille_host::{AgentCommand, Host, HostSettings};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

const KEY: &str = "test-key";

pub(crate) struct Stand {
    pub(crate) host: Host,
    data: TempDir,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    body: Bytes,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

pub(crate) fn settings(data: &Path) -> HostSettings {
    let agent = AgentCommand { program: std::env::current_exe().unwrap(), arguments: vec!["agent".into()] };
    let mut settings = HostSettings::new(agent, data);
    settings.listen = "127.0.0.1:0".parse().unwrap();
    settings.key = Some(KEY.to_owned());
    settings
}

/// The command that is this program inside: where it is outside or, with a root of its own, among its commands.
pub(crate) fn this_program(what: &str) -> String {
    let program = std::env::current_exe().unwrap();
    let (path, name) = (program.display(), program.file_name().unwrap().display());
    format!("[ -x {path} ] && exec {path} {what}; exec {name} {what}")
}

impl Stand {
    /// A host with a sandbox called `box`, awake.
    pub(crate) async fn with_box(change: impl FnOnce(&mut HostSettings)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut settings = settings(data.path());
        change(&mut settings);
        let stand = Self { host: Host::start(settings).await.unwrap(), data };
        let made = stand.control("POST", "/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
        assert_eq!(made.status, 200, "{made:?}");
        stand
    }

    /// The next host on the same data directory.
    pub(crate) async fn restarted(self) -> Self {
        self.host.stop().await;
        Self { host: Host::start(settings(self.data.path())).await.unwrap(), data: self.data }
    }

    /// The same, where something becomes of the directory in between.
    pub(crate) async fn restarted_after(self, change: impl FnOnce(&Path)) -> Self {
        self.host.stop().await;
        change(self.data.path());
        Self { host: Host::start(settings(self.data.path())).await.unwrap(), data: self.data }
    }

    /// The next host on the same data directory, which this one leaves its sandboxes to.
    pub(crate) async fn replaced(self, change: impl FnOnce(&mut HostSettings)) -> Self {
        self.host.detach().await;
        let mut settings = settings(self.data.path());
        change(&mut settings);
        Self { host: Host::start(settings).await.unwrap(), data: self.data }
    }

    /// The same, where a host with these settings fails to start in between.
    pub(crate) async fn replaced_after(self, failing: impl FnOnce(&mut HostSettings)) -> Self {
        self.host.detach().await;
        let mut unlucky = settings(self.data.path());
        failing(&mut unlucky);
        let lifetime = unlucky.lifetime;
        Host::start(unlucky).await.unwrap_err();
        let mut settings = settings(self.data.path());
        settings.lifetime = lifetime;
        Self { host: Host::start(settings).await.unwrap(), data: self.data }
    }

    /// A place in its data directory.
    pub(crate) fn data(&self, place: &str) -> PathBuf {
        self.data.path().join(place)
    }

    pub(crate) async fn control(&self, method: &str, path: &str, body: &str) -> Answer {
        self.send(method, &format!("/v0{path}"), body.to_owned()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", &format!("/local/sandboxes/box{path}"), String::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", &format!("/local/sandboxes/box{path}"), body.to_string()).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: String) -> Answer {
        self.send(method, path, body).await
    }

    /// Puts bytes to a path.
    pub(crate) async fn upload(&self, path: &str, body: Vec<u8>) -> Answer {
        try_send(self.host.address(), "PUT", path, body).await.unwrap()
    }

    /// Puts the beginning of a longer body to a path, and leaves.
    pub(crate) async fn break_off(&self, path: &str, beginning: &[u8]) {
        let mut stream = tokio::net::TcpStream::connect(self.host.address()).await.unwrap();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: x\r\nx-blaxel-authorization: Bearer {KEY}\r\ncontent-length: 1000000\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(beginning).await.unwrap();
    }

    async fn send(&self, method: &str, path: &str, body: String) -> Answer {
        try_send(self.host.address(), method, path, body).await.unwrap()
    }
}

/// What a host answers; `None` where it ends before it has.
pub(crate) async fn try_send(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: impl Into<Bytes>,
) -> Option<Answer> {
    try_send_as(address, KEY, None, method, path, body).await
}

/// The same to somebody with another key, who may name a workspace.
pub(crate) async fn try_send_as(
    address: SocketAddr,
    key: &str,
    workspace: Option<&str>,
    method: &str,
    path: &str,
    body: impl Into<Bytes>,
) -> Option<Answer> {
    let stream = tokio::net::TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path).header("host", "127.0.0.1");
    request = request.header("x-blaxel-authorization", format!("Bearer {key}"));
    if let Some(workspace) = workspace {
        request = request.header("x-blaxel-workspace", workspace);
    }
    let answer = sender.send_request(request.body(Full::new(body.into())).unwrap()).await.ok()?;
    let status = answer.status().as_u16();
    Some(Answer { status, body: answer.into_body().collect().await.ok()?.to_bytes() })
}

/// Waits for what something else is about to bring about.
pub(crate) async fn until(what: impl Fn() -> bool) {
    until_some(|| what().then_some(())).await;
}

pub(crate) async fn until_some<T>(what: impl Fn() -> Option<T>) -> T {
    loop {
        if let Some(it) = what() {
            return it;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

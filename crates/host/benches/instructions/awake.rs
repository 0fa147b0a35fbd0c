//! A host whose one sandbox is always awake: its agent runs already.

use std::ffi::OsString;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, ready};
use reveille_host::engine::{
    Address, Change, Condition, Engine, EngineError, Freezer, Generation, Isolation, Known, Namespaces, Plan,
};
use reveille_host::{AgentCommand, Host, HostSettings};
use reveille_wire::SandboxName;
use tokio::sync::broadcast;

use crate::counted::Failure;

pub(crate) const NAME: &str = "box";
pub(crate) const KEY: &str = "rv_the-key-of-this-host-which-is-as-long-as-one-that-is-made";

/// Serves until its input ends.
pub(crate) fn serve(socket: OsString) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let data = tempfile::tempdir()?;
    runtime.block_on(async {
        let agent = AgentCommand { program: PathBuf::new(), arguments: Vec::new() };
        let mut settings = HostSettings::new(agent, data.path().join("data"));
        settings.listen = ([127, 0, 0, 1], 0).into();
        settings.key = Some(KEY.to_owned());
        settings.standby_after = Duration::from_secs(3600);
        let host = Host::start_on(settings, Awake::new(socket.into())).await?;
        create(&host).await?;
        println!("{}", host.address());
        tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
        host.stop().await;
        Ok(())
    })
}

async fn create(host: &Host) -> Result<(), Failure> {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let body = format!(r#"{{"metadata":{{"name":"{NAME}"}}}}"#);
    let length = body.len();
    let mut stream = tokio::net::TcpStream::connect(host.address()).await?;
    let request = format!(
        "POST /v0/sandboxes HTTP/1.1\r\nHost: here\r\nConnection: close\r\nContent-Type: application/json\r\n\
         X-Blaxel-Authorization: Bearer {KEY}\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    if said.starts_with("HTTP/1.1 200 ") { Ok(()) } else { Err(said.into()) }
}

/// An engine that has nothing to do.
#[derive(Debug)]
struct Awake {
    isolation: Isolation,
    agent: Address,
    changes: broadcast::Sender<Change>,
}

impl Awake {
    fn new(socket: PathBuf) -> Arc<Self> {
        let isolation = Isolation::new(Namespaces::None, Freezer::Signals, Vec::new());
        Arc::new(Self { isolation, agent: Address::Unix(socket), changes: broadcast::channel(1).0 })
    }
}

impl Engine for Awake {
    fn isolation(&self) -> &Isolation {
        &self.isolation
    }

    fn create(&self, _: Plan, _: Generation) -> BoxFuture<'_, Result<Address, EngineError>> {
        Box::pin(ready(Ok(self.agent.clone())))
    }

    fn sleep<'a>(&'a self, _: &'a SandboxName, _: Generation) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(ready(Ok(())))
    }

    fn wake<'a>(&'a self, _: &'a SandboxName, _: Generation) -> BoxFuture<'a, Result<Address, EngineError>> {
        Box::pin(ready(Ok(self.agent.clone())))
    }

    fn condition<'a>(&'a self, _: &'a SandboxName) -> BoxFuture<'a, Result<Known, EngineError>> {
        let (condition, generation) = (Condition::Awake(self.agent.clone()), Generation::NONE);
        Box::pin(ready(Ok(Known { condition, generation })))
    }

    fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn delete<'a>(&'a self, _: &'a SandboxName, _: Generation) -> BoxFuture<'a, Result<(), EngineError>> {
        Box::pin(ready(Ok(())))
    }

    fn detach(&self) -> BoxFuture<'_, Result<(), EngineError>> {
        Box::pin(ready(Ok(())))
    }

    fn shutdown(&self) -> BoxFuture<'_, ()> {
        Box::pin(ready(()))
    }
}

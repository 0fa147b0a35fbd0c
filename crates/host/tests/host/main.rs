//! What clients of a host see: over real sockets, with an engine whose wakings can be told what to do.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod announced;
mod client;
mod contract;
mod control;
mod crowd;
mod engine;
mod exchange;
mod expiry;
mod gateway;
mod http2;
mod keys;
mod live;
mod order;
mod plain;
mod previews;
mod raw_agent;
mod refusing;
mod sandbox_app;
mod schedules;
mod settings;
mod shapes;
mod storage;
mod store;
mod telling;
mod told;
mod waking;

use std::path::PathBuf;
use std::sync::Arc;

use reveille_host::{AgentCommand, Host, HostSettings};
use tempfile::TempDir;

use client::Client;
use engine::ScriptedEngine;

/// The key of every host in these tests.
const KEY: &str = "test-key";

/// A host with its data directory, its engine and a client.
struct Stand {
    host: Host,
    engine: Arc<ScriptedEngine>,
    client: Client,
    data: TempDir,
}

/// Settings of a host in a directory of its own, on a free port.
fn settings(data: &TempDir) -> HostSettings {
    // The engine of these tests starts no agents.
    let agent = AgentCommand { program: PathBuf::from("/nonexistent"), arguments: Vec::new() };
    let mut settings = HostSettings::new(agent, data.path().join("data"));
    settings.listen = "127.0.0.1:0".parse().unwrap();
    settings.key = Some(KEY.to_owned());
    settings
}

impl Stand {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// A stand whose settings `change` has gone over.
    async fn with(change: impl FnOnce(&mut HostSettings)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let engine = ScriptedEngine::new(data.path());
        Self::on(data, engine, change).await
    }

    async fn on(data: TempDir, engine: Arc<ScriptedEngine>, change: impl FnOnce(&mut HostSettings)) -> Self {
        let mut settings = settings(&data);
        change(&mut settings);
        let host = Host::start_on(settings, engine.clone()).await.unwrap();
        let client = Client::new(host.address());
        Self { host, engine, client, data }
    }

    /// The same with a sandbox called `box`, awake.
    async fn with_box(change: impl FnOnce(&mut HostSettings)) -> Self {
        let stand = Self::with(change).await;
        let made = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
        assert_eq!(made.status(), 200, "{made:?}");
        stand
    }

    /// Makes another sandbox, and waits until it has gone to standby by itself so often: long enough for whoever may.
    async fn while_another_sleeps(&self, times: usize) {
        let made = self.client.post("/v0/sandboxes", r#"{"metadata":{"name":"another"}}"#).await;
        assert_eq!(made.status(), 200, "{made:?}");
        for _ in 0..times {
            assert_eq!(self.client.get("/local/sandboxes/another/x").await.status(), 200);
            waking::until(|| !self.engine.is_awake("another")).await;
        }
    }

    /// The same, where `serve` serves each connection to the agent of `box`.
    async fn with_agent(
        serve: impl Fn(std::os::unix::net::UnixStream) + Send + Sync + 'static,
        change: impl FnOnce(&mut HostSettings),
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let engine = ScriptedEngine::new(data.path());
        engine.script(|script| script.agent = Some(raw_agent::RawAgent::new(serve)));
        let stand = Self::on(data, engine, change).await;
        let made = stand.client.post("/v0/sandboxes", r#"{"metadata":{"name":"box"}}"#).await;
        assert_eq!(made.status(), 200, "{made:?}");
        stand
    }

    /// The same, asleep.
    async fn with_sleeping_box(change: impl FnOnce(&mut HostSettings)) -> Self {
        let stand = Self::with_box(change).await;
        let slept = stand.client.post("/v0/sandboxes/box/standby", "").await;
        assert_eq!((slept.status().as_u16(), &slept.json()["state"]), (200, &"STANDBY".into()));
        stand
    }
}

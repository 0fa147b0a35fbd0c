use clap::Args;
use reveille::SandboxRecord;
use reveille::wire::{EnvVar, SandboxRuntime};

use crate::connection::Connection;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};
use crate::typed::pair;

/// Make a sandbox and start it
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Its name: lower case letters, digits and hyphens
    name: String,
    /// A variable for everything that runs in it; may be given again
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// A label; may be given again
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    label: Vec<(String, String)>,
    /// What it is made of; the platform's own when missing, and nothing to a local host
    #[arg(long)]
    image: Option<String>,
    /// MB
    #[arg(long, value_name = "MB")]
    memory: Option<u64>,
    /// Where it runs
    #[arg(long)]
    region: Option<String>,
    /// How long it lives: 30m, 24h, 7d
    #[arg(long)]
    ttl: Option<String>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Create) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.name, Request::new("POST", "/sandboxes"));
    let name = asked.name.parse::<reveille::wire::SandboxName>();
    name.map_err(|error| Failure::usage(error.to_string()))?;
    let call = connection.client().sandboxes().create(&record(asked)).with_history();
    let (sandbox, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.sandbox(SandboxView::Sentence("is awake"), &sandbox, &history)?;
    Ok(Exit::Done)
}

fn record(asked: &Create) -> SandboxRecord {
    let mut runtime = SandboxRuntime::default();
    runtime.image.clone_from(&asked.image);
    runtime.memory = asked.memory;
    runtime.ttl.clone_from(&asked.ttl);
    runtime.envs = asked
        .env
        .iter()
        .map(|(name, value)| EnvVar { name: name.clone(), value: value.clone(), secret: None })
        .collect();
    let mut record = SandboxRecord::default();
    record.metadata.name.clone_from(&asked.name);
    record.metadata.labels = asked.label.iter().cloned().collect();
    record.spec.region.clone_from(&asked.region);
    record.spec.runtime = Some(runtime);
    record
}

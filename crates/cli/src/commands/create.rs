use clap::Args;
use reveille::CreateSandbox;

use crate::connection::Connection;
use crate::interrupt::asked_to_end;
use crate::output::{SandboxView, Screen};
use crate::report::{Exit, Failure, Request};
use crate::typed::{Access, Attachment, attachment, lifetime, lifetime_or_never, megabytes, pair};

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
    /// What it is made of; the platform's own when missing, and to a local host one that was imported
    #[arg(long)]
    image: Option<String>,
    /// MB, or with a unit: 4096, 512m, 4g
    #[arg(long, short, value_name = "SIZE", value_parser = megabytes)]
    memory: Option<u64>,
    /// A volume at a place in it, NAME:/PATH, or NAME:/PATH:ro to read it only; may be given again
    #[arg(long, short, value_name = "NAME:PATH", value_parser = attachment)]
    volume: Vec<Attachment>,
    /// Where it runs
    #[arg(long)]
    region: Option<String>,
    /// How long it lives: 30m, 24h, 7d
    #[arg(long, value_name = "DUR", value_parser = lifetime)]
    ttl: Option<String>,
    /// On a local host: how many processors: 2, 0.5; without it as many as come with its memory
    #[arg(long, value_name = "N")]
    cpus: Option<String>,
    /// On a local host: how many processes it may have, threads among them
    #[arg(long, value_name = "N")]
    processes: Option<u32>,
    /// On a local host: what its files may take on the disk: 512m, 4g
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    disk: Option<u64>,
    /// On a local host: the longest file that it may write: 512m, 4g
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    max_file: Option<u64>,
    /// On a local host: what is started in it, now and whenever it comes back without its processes
    #[arg(long, value_name = "CMD")]
    autostart: Option<String>,
    /// On a local host: how long nothing may happen in it before it sleeps: 30s, 10m; or never
    #[arg(long, value_name = "DUR", value_parser = lifetime_or_never)]
    standby_after: Option<String>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Create) -> Result<Exit, Failure> {
    let mut asking = connection.asking(&asked.name, Request::new("POST", "/sandboxes"));
    if !asked.volume.is_empty() {
        // Either may be in conflict: the name, or a volume that another sandbox has.
        asking = asking.listed_by("reveille list, reveille volume list");
    }
    let interrupted = asked_to_end()?;
    let made = tokio::select! {
        made = wanted(connection, asked).with_history().into_future() => made,
        () = interrupted => {
            let name = &asked.name;
            screen.note(format_args!("the sandbox may be there: reveille get {name}, or reveille delete {name}"));
            return Ok(Exit::Interrupted);
        }
    };
    let (sandbox, history) = made.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.sandbox(SandboxView::Sentence("is awake"), &sandbox, &history)?;
    Ok(Exit::Done)
}

fn wanted(connection: &Connection, asked: &Create) -> CreateSandbox {
    let mut call = connection.client().sandboxes().create(asked.name.as_str());
    if let Some(image) = &asked.image {
        call = call.image(image);
    }
    if let Some(memory) = asked.memory {
        call = call.memory(memory);
    }
    if let Some(ttl) = &asked.ttl {
        call = call.ttl(ttl);
    }
    if let Some(region) = &asked.region {
        call = call.region(region);
    }
    for Attachment { name, path, access } in &asked.volume {
        call = match access {
            Access::ReadWrite => call.volume(name, path),
            Access::ReadOnly => call.read_only_volume(name, path),
        };
    }
    let size = |megabytes: u64| format!("{megabytes}m");
    let of_a_local_host = [
        ("standby-after", asked.standby_after.clone()),
        ("cpus", asked.cpus.clone()),
        ("processes", asked.processes.map(|number| number.to_string())),
        ("disk", asked.disk.map(size)),
        ("max-file", asked.max_file.map(size)),
        ("autostart", asked.autostart.clone()),
    ];
    for (key, value) in of_a_local_host {
        if let Some(value) = value {
            call = call.label(key, value);
        }
    }
    let call = asked.env.iter().fold(call, |call, (name, value)| call.env(name, value));
    asked.label.iter().fold(call, |call, (key, value)| call.label(key, value))
}

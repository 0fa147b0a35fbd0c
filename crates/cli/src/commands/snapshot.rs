use clap::{Args, Subcommand};
use reveille::Forked;

use crate::connection::Connection;
use crate::listing::{self, Listed};
use crate::output::Screen;
use crate::report::{Asked, Exit, Failure, Request};
use crate::typed::pair;

/// Take, list, restore and delete snapshots: what sandboxes were at moments that somebody chose
#[derive(Debug, Args)]
#[command(after_help = "\
A local host keeps the files; what ran does not run again by itself.

Examples
  reveille snapshot create box clean
  reveille snapshot restore box clean")]
pub(crate) struct Snapshot {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Create(Create),
    List(List),
    Restore(Restore),
    Fork(Fork),
    Delete(Delete),
}

/// Take one of a sandbox as it is now
#[derive(Debug, Args)]
struct Create {
    /// The sandbox
    sandbox: String,
    /// What it is called; its id when missing
    #[arg(default_value = "", hide_default_value = true)]
    name: String,
}

/// List them, those of sandboxes that are no more, too
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {
    /// Only those of this sandbox
    sandbox: Option<String>,
}

/// Put a sandbox back to one of its snapshots: what came after is lost
#[derive(Debug, Args)]
struct Restore {
    /// The sandbox
    sandbox: String,
    /// The snapshot, by its name or its id
    snapshot: String,
}

/// Make a new sandbox that begins as a snapshot
#[derive(Debug, Args)]
struct Fork {
    /// The snapshot, by its id
    snapshot: String,
    /// What the new sandbox is called
    target: String,
    #[command(flatten)]
    as_well: AsWell,
}

/// Delete one
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
struct Delete {
    /// The snapshot, by its id
    snapshot: String,
}

/// What a fork has beside what it begins as.
#[derive(Debug, Args)]
pub(super) struct AsWell {
    /// A variable for everything that runs in it; may be given again
    #[arg(long, short, value_name = "KEY=VALUE", value_parser = pair)]
    env: Vec<(String, String)>,
    /// A port that it serves
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,
}

impl AsWell {
    pub(super) fn added_to(&self, mut fork: reveille::Fork) -> reveille::Fork {
        for (name, value) in &self.env {
            fork = fork.env(name, value);
        }
        match self.port {
            Some(port) => fork.port(port),
            None => fork,
        }
    }
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Snapshot) -> Result<Exit, Failure> {
    match &asked.what {
        What::Create(asked) => create(screen, connection, asked).await,
        What::List(asked) => list(screen, connection, asked).await,
        What::Restore(asked) => restore(screen, connection, asked).await,
        What::Fork(asked) => {
            let asking = about(connection, "POST", format!("/snapshots/{}/fork", asked.snapshot));
            let fork = connection.client().snapshots().fork(&asked.snapshot, asked.target.as_str());
            made(screen, &asking, asked.as_well.added_to(fork)).await
        }
        What::Delete(asked) => delete(screen, connection, asked).await,
    }
}

/// Makes a fork, and says where it is.
pub(super) async fn made(screen: &Screen, asking: &Asked, fork: reveille::Fork) -> Result<Exit, Failure> {
    let made: (Forked, _) = fork.with_history().await.map_err(|error| asking.failed(&error))?;
    let (forked, history) = made;
    screen.explain(&asking.request, &history);
    screen.forked(&forked, &history)?;
    Ok(Exit::Done)
}

async fn create(screen: &Screen, connection: &Connection, asked: &Create) -> Result<Exit, Failure> {
    let path = format!("/sandboxes/{}/snapshots", asked.sandbox);
    let asking = connection.asking(&asked.sandbox, Request::new("POST", path)).listed_by(LIST);
    let call = connection.sandbox(&asked.sandbox).snapshots().create(&asked.name).with_history();
    let (snapshot, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.snapshot_taken(&snapshot, &history)?;
    Ok(Exit::Done)
}

async fn list(screen: &Screen, connection: &Connection, asked: &List) -> Result<Exit, Failure> {
    let Some(sandbox) = &asked.sandbox else {
        let asking = about(connection, "GET", "/snapshots".to_owned());
        let all = connection.client().snapshots().list();
        let Listed { list, lost } = listing::whole(screen, &asking, all).await?;
        screen.snapshots(&list.data)?;
        return lost.map_or(Ok(Exit::Done), Err);
    };
    let asking = connection.asking(sandbox, Request::new("GET", format!("/sandboxes/{sandbox}/snapshots")));
    let call = connection.sandbox(sandbox).snapshots().list().with_history();
    let (snapshots, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.snapshots(&snapshots)?;
    Ok(Exit::Done)
}

async fn restore(screen: &Screen, connection: &Connection, asked: &Restore) -> Result<Exit, Failure> {
    let path = format!("/sandboxes/{}/snapshots/{}/restore", asked.sandbox, asked.snapshot);
    let asking = connection.asking(&asked.sandbox, Request::new("POST", path)).listed_by(LIST);
    let call = connection.sandbox(&asked.sandbox).snapshots().restore(&asked.snapshot).with_history();
    let (restored, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.restored(&asked.sandbox, &asked.snapshot, &restored, &history)?;
    Ok(Exit::Done)
}

async fn delete(screen: &Screen, connection: &Connection, asked: &Delete) -> Result<Exit, Failure> {
    let asking = about(connection, "DELETE", format!("/snapshots/{}", asked.snapshot));
    let call = connection.client().snapshots().delete(&asked.snapshot).with_history();
    let ((), history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.gone(&asked.snapshot, &history)?;
    Ok(Exit::Done)
}

const LIST: &str = "reveille snapshot list";

fn about(connection: &Connection, method: &'static str, path: String) -> Asked {
    connection.asking("", Request::new(method, path)).listed_by(LIST)
}

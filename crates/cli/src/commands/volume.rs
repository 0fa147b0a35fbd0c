use clap::{Args, Subcommand};

use crate::connection::Connection;
use crate::listing::{self, Listed};
use crate::output::Screen;
use crate::report::{Asked, Exit, Failure, Request};
use crate::typed::megabytes;

/// Make, list, enlarge and delete volumes: files that outlive sandboxes
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille volume create data --size 2g
  reveille create box --volume data:/mnt/data")]
pub(crate) struct Volume {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Create(Create),
    List(List),
    Resize(Resize),
    Delete(Delete),
}

/// Make an empty one
#[derive(Debug, Args)]
struct Create {
    /// Its name
    name: String,
    /// MB, or with a unit: 512m, 4g; the platform's own when missing
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    size: Option<u64>,
}

/// List them, and which sandbox has each
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {}

/// Make one larger
#[derive(Debug, Args)]
struct Resize {
    /// Its name
    name: String,
    /// MB, or with a unit: 512m, 4g
    #[arg(value_name = "SIZE", value_parser = megabytes)]
    size: u64,
}

/// Delete one and its files; one that a sandbox has stays
#[derive(Debug, Args)]
#[command(visible_alias = "rm")]
struct Delete {
    /// Its name
    name: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Volume) -> Result<Exit, Failure> {
    match &asked.what {
        What::Create(asked) => create(screen, connection, asked).await,
        What::List(List {}) => list(screen, connection).await,
        What::Resize(asked) => resize(screen, connection, asked).await,
        What::Delete(asked) => delete(screen, connection, asked).await,
    }
}

async fn create(screen: &Screen, connection: &Connection, asked: &Create) -> Result<Exit, Failure> {
    let asking = about(connection, Request::new("POST", "/volumes"));
    let mut call = connection.client().volumes().create(asked.name.as_str());
    if let Some(size) = asked.size {
        call = call.size(size);
    }
    let (volume, history) = call.with_history().await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.volume("is there", &volume, &history)?;
    Ok(Exit::Done)
}

async fn list(screen: &Screen, connection: &Connection) -> Result<Exit, Failure> {
    let asking = connection.asking("", Request::new("GET", "/volumes"));
    let all = connection.client().volumes().list();
    let Listed { list, lost } = listing::whole(screen, &asking, all).await?;
    screen.volumes(&list.data)?;
    lost.map_or(Ok(Exit::Done), Err)
}

async fn resize(screen: &Screen, connection: &Connection, asked: &Resize) -> Result<Exit, Failure> {
    let volumes = connection.client().volumes();
    let path = format!("/volumes/{}", asked.name);
    let asking = about(connection, Request::new("GET", &path));
    let mut volume = volumes.get(&asked.name).await.map_err(|error| asking.failed(&error))?;
    volume.spec.size = Some(asked.size);
    let asking = about(connection, Request::new("PUT", &path));
    let call = volumes.update(&volume).with_history();
    let (volume, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.volume("has its new size", &volume, &history)?;
    Ok(Exit::Done)
}

async fn delete(screen: &Screen, connection: &Connection, asked: &Delete) -> Result<Exit, Failure> {
    let asking = about(connection, Request::new("DELETE", format!("/volumes/{}", asked.name)));
    let call = connection.client().volumes().delete(&asked.name).with_history();
    let (volume, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.volume("is gone, with its files", &volume, &history)?;
    Ok(Exit::Done)
}

fn about(connection: &Connection, request: Request) -> Asked {
    connection.asking("", request).listed_by("reveille volume list")
}

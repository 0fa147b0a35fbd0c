use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use clap::{Args, Subcommand};
use futures_util::{Stream, StreamExt, stream};
use reveille::Body;
use tokio_util::io::{ReaderStream, SyncIoBridge};

use crate::connection::Connection;
use crate::listing::{self, Listed};
use crate::output::Screen;
use crate::report::{Asked, Exit, Failure, Request};

/// Import, list and remove the images that sandboxes on this machine are made of
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  docker save python:3.12-slim | reveille image import - python:3.12-slim
  reveille image import rootfs/ mine
  reveille create box --image mine")]
pub(crate) struct Image {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    Import(Import),
    List(List),
    Rm(Remove),
}

/// Import an archive, or a directory, under a name; one of that name before is replaced
#[derive(Debug, Args)]
struct Import {
    /// A tarball of a root, an archive of `docker save`, an OCI layout in a tarball, a directory; - is stdin
    from: PathBuf,
    /// Its name: python:3.12; without a tag it is the latest
    name: String,
}

/// List them
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct List {}

/// Remove one that no sandbox is made of
#[derive(Debug, Args)]
#[command(visible_alias = "delete")]
struct Remove {
    /// Its name
    name: String,
}

/// How much of a directory is packed ahead of what is sent, in bytes.
const AHEAD: usize = 256 << 10;

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Image) -> Result<Exit, Failure> {
    match &asked.what {
        What::Import(asked) => import(screen, connection, asked).await,
        What::List(List {}) => list(screen, connection).await,
        What::Rm(asked) => remove(screen, connection, asked).await,
    }
}

async fn import(screen: &Screen, connection: &Connection, asked: &Import) -> Result<Exit, Failure> {
    let asking = about(connection, Request::new("PUT", format!("/images/{}", asked.name)));
    let call = connection.client().images().import(&asked.name, body(&asked.from)?).with_history();
    let (image, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.image("is imported", &image, &history)?;
    Ok(Exit::Done)
}

async fn list(screen: &Screen, connection: &Connection) -> Result<Exit, Failure> {
    let asking = connection.asking("", Request::new("GET", "/images"));
    let all = connection.client().images().list();
    let Listed { list, lost } = listing::whole(screen, &asking, all).await?;
    screen.images(&list.data)?;
    lost.map_or(Ok(Exit::Done), Err)
}

async fn remove(screen: &Screen, connection: &Connection, asked: &Remove) -> Result<Exit, Failure> {
    let asking = about(connection, Request::new("DELETE", format!("/images/{}", asked.name)));
    let call = connection.client().images().delete(&asked.name).with_history();
    let (image, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.image("is removed", &image, &history)?;
    Ok(Exit::Done)
}

/// What is sent of an archive or a directory.
fn body(from: &Path) -> Result<Body, Failure> {
    if from == Path::new("-") {
        return Ok(Body::stream(ReaderStream::new(tokio::io::stdin())));
    }
    let about = std::fs::metadata(from)
        .map_err(|error| Failure::usage(format!("{} cannot be read: {error}", from.display())))?;
    Ok(if about.is_dir() { Body::stream(packed(from.to_owned())) } else { Body::file(from) })
}

/// A directory as a tar archive, packed while it is sent. One that cannot be read to its end breaks off: the beginning
/// of it is no image.
fn packed(directory: PathBuf) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let (to, from) = tokio::io::duplex(AHEAD);
    let packing = tokio::task::spawn_blocking(move || {
        let mut archive = tar::Builder::new(SyncIoBridge::new(to));
        archive.follow_symlinks(false);
        archive.append_dir_all(".", &directory)?;
        archive.into_inner().map(drop)
    });
    let end = stream::once(packing).filter_map(async |packed| match packed {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(Err(error)),
        Err(error) => Some(Err(io::Error::other(error))),
    });
    ReaderStream::new(from).chain(end)
}

fn about(connection: &Connection, request: Request) -> Asked {
    connection.asking("", request).listed_by("reveille image list")
}

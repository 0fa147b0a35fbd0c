//! `watch`: what happens in a directory, until Ctrl-C.

use clap::Args;
use futures_util::StreamExt;

use super::Where;
use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure};

/// Show what happens in a directory of a sandbox, until Ctrl-C
#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    place: Where,
    /// Also all that is below it
    #[arg(short, long)]
    recursive: bool,
    /// Leave out what holds this in its path; can be given several times
    #[arg(long, value_name = "TEXT")]
    ignore: Vec<String>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Watch) -> Result<Exit, Failure> {
    let remote = asked.place.read()?;
    let (files, asking) = super::of(connection, &remote, "GET", "/watch/filesystem");
    let mut watch = files.watch(&remote.path);
    if asked.recursive {
        watch = watch.recursive();
    }
    for text in &asked.ignore {
        watch = watch.ignore(text);
    }
    let mut watching = watch.begin();
    while let Some(item) = watching.next().await {
        screen.watched(&item.map_err(|error| asking.failed(&error))?)?;
    }
    Ok(Exit::Done)
}

//! `ls` and `tree`.

use clap::Args;
use reveille::ErrorKind;

use super::Where;
use super::lone::Lone;
use crate::commands::list;
use crate::connection::Connection;
use crate::output::{Detail, Screen};
use crate::report::{Exit, Failure};
use crate::typed::place::Remote;

/// List a directory of a sandbox; without one, the sandboxes
#[derive(Debug, Args)]
pub(crate) struct Ls {
    /// A sandbox, or a directory in it: SANDBOX:PATH
    #[arg(value_name = "SANDBOX[:PATH]")]
    sandbox: Option<String>,
    /// The path, where it does not stand behind the sandbox
    path: Option<String>,
    /// With mode, owner, size and time
    #[arg(short, long)]
    long: bool,
    /// Also names that begin with a dot
    #[arg(short, long)]
    all: bool,
}

/// Show all that is below a directory of a sandbox
#[derive(Debug, Args)]
pub(crate) struct Tree {
    #[command(flatten)]
    place: Where,
    /// Also names that begin with a dot
    #[arg(short, long)]
    all: bool,
}

pub(crate) async fn ls(screen: &Screen, connection: &Connection, asked: &Ls) -> Result<Exit, Failure> {
    let Some(sandbox) = &asked.sandbox else {
        return list::run(screen, connection, &list::List::default()).await;
    };
    let remote = Remote::read(sandbox, asked.path.as_deref())?;
    let (files, asking) = super::of(connection, &remote, "GET", "/filesystem");
    let call = files.list(&remote.path).with_history();
    let (mut directory, history) = match call.await {
        Ok(answer) => answer,
        Err(error) => {
            // A file is answered with what is in it.
            let history = error.history().filter(|_| error.kind() == ErrorKind::Decode).cloned();
            let (Some(history), Some(file)) = (history, Lone::find(&files, &remote).await) else {
                return Err(asking.failed(&error));
            };
            (file.listed(), history)
        }
    };
    screen.explain(&asking.request, &history);
    if !asked.all {
        directory.files.retain(|file| !file.name.starts_with('.'));
        directory.subdirectories.retain(|directory| !directory.name.starts_with('.'));
    }
    screen.listed(&directory, if asked.long { Detail::Long } else { Detail::Names }, &history)?;
    Ok(Exit::Done)
}

pub(crate) async fn tree(screen: &Screen, connection: &Connection, asked: &Tree) -> Result<Exit, Failure> {
    let mut remote = asked.place.read()?;
    if !remote.path.starts_with('/') {
        // A tree begins at the root; what the working directory is only the sandbox knows.
        let (files, asking) = super::of(connection, &remote, "GET", "/filesystem");
        let listed = files.list(".").await.map_err(|error| asking.failed(&error))?;
        let below = if remote.path == "." { "" } else { remote.path.as_str() };
        remote.path = format!("{}/{below}", listed.path.trim_end_matches('/'));
    }
    let (files, asking) = super::of(connection, &remote, "GET", "/filesystem/tree");
    let mut call = files.tree(&remote.path);
    if !asked.all {
        call = call.skip_hidden();
    }
    let (directory, history) = call.with_history().await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.tree(&directory, &history)?;
    Ok(Exit::Done)
}

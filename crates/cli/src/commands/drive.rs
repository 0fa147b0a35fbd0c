use clap::{Args, Subcommand};

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};

/// List, mount and unmount the drives of a sandbox
#[derive(Debug, Args)]
pub(crate) struct Drive {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(ListDrives),
    Mount(MountDrive),
    Unmount(UnmountDrive),
}

/// List what is mounted
#[derive(Debug, Args)]
#[command(visible_alias = "ls")]
struct ListDrives {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
}

/// Mount a drive; a local host makes it at its first mount
#[derive(Debug, Args)]
struct MountDrive {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// The drive's name
    drive: String,
    /// Where in the sandbox
    path: String,
    /// It can only be read
    #[arg(long)]
    read_only: bool,
    /// The directory of the drive that is mounted, instead of all of it
    #[arg(long, value_name = "PATH")]
    drive_path: Option<String>,
}

/// Unmount what is mounted at a path; the drive and its files stay
#[derive(Debug, Args)]
#[command(visible_alias = "umount")]
struct UnmountDrive {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// Where in the sandbox
    path: String,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Drive) -> Result<Exit, Failure> {
    match &asked.what {
        What::List(asked) => list(screen, connection, asked).await,
        What::Mount(asked) => mount(screen, connection, asked).await,
        What::Unmount(asked) => unmount(screen, connection, asked).await,
    }
}

async fn list(screen: &Screen, connection: &Connection, asked: &ListDrives) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.sandbox, Request::new("GET", "/drives/mount"));
    let call = connection.sandbox(&asked.sandbox).drives().list().with_history();
    let (mounts, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.mounts(&asked.sandbox, mounts, &history)?;
    Ok(Exit::Done)
}

async fn mount(screen: &Screen, connection: &Connection, asked: &MountDrive) -> Result<Exit, Failure> {
    let asking = connection.asking(&asked.sandbox, Request::new("POST", "/drives/mount"));
    let mut call = connection.sandbox(&asked.sandbox).drives().mount(asked.drive.as_str(), &asked.path);
    if asked.read_only {
        call = call.read_only();
    }
    if let Some(path) = &asked.drive_path {
        call = call.drive_path(path);
    }
    let (mount, history) = call.with_history().await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.mounted(&mount, &history)?;
    Ok(Exit::Done)
}

async fn unmount(screen: &Screen, connection: &Connection, asked: &UnmountDrive) -> Result<Exit, Failure> {
    let path = format!("/drives/mount/{}", asked.path.trim_start_matches('/'));
    let asking = connection.asking(&asked.sandbox, Request::new("DELETE", path));
    let call = connection.sandbox(&asked.sandbox).drives().unmount(&asked.path).with_history();
    let (outcome, history) = call.await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.unmounted(&outcome, &history)?;
    Ok(Exit::Done)
}

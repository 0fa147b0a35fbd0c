//! `rm` and `mkdir`.

use clap::Args;
use reveille::ErrorKind;

use crate::commands::delete;
use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::typed::place::Remote;

/// Remove files or directories of a sandbox; a name alone is the sandbox, as with delete
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// What goes: SANDBOX:PATH
    #[arg(value_name = "SANDBOX[:PATH]", required = true)]
    places: Vec<String>,
    /// Directories with all that is below them
    #[arg(short, long, visible_short_alias = 'R')]
    recursive: bool,
    /// What is not there is no failure
    #[arg(short, long)]
    force: bool,
}

/// Make directories in a sandbox, with those above them
#[derive(Debug, Args)]
pub(crate) struct Mkdir {
    /// What is made: SANDBOX:PATH
    #[arg(value_name = "SANDBOX:PATH", required = true)]
    places: Vec<String>,
    /// Their mode, in octal [default: 0755]
    #[arg(short, long, value_parser = mode)]
    mode: Option<u32>,
    /// Means nothing here: directories above are always made
    #[arg(short, long, hide = true)]
    parents: bool,
}

fn mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| "use an octal number, as in 755".to_owned())
}

/// A place that names a path: the sandbox itself is none.
fn named(typed: &str) -> Result<Remote, Failure> {
    let remote = Remote::read(typed, None)?;
    match remote.name() {
        Some(_) => Ok(remote),
        None => Err(Failure::usage(format!("{typed:?} names no path")).next("name one: SANDBOX:PATH")),
    }
}

pub(crate) async fn rm(screen: &Screen, connection: &Connection, asked: &Rm) -> Result<Exit, Failure> {
    // What has no path is a sandbox, as it is to whoever comes from containers. Flags are meant for files.
    let are_sandboxes = asked.places.iter().all(|typed| !typed.contains(':'));
    if are_sandboxes && !asked.recursive && !asked.force {
        return delete::named(screen, connection, &asked.places).await;
    }
    let places: Result<Vec<Remote>, Failure> = asked.places.iter().map(|typed| named(typed)).collect();
    for remote in places? {
        let (files, asking) = super::of(connection, &remote, "DELETE", "/filesystem");
        let mut call = files.remove(&remote.path);
        if asked.recursive {
            call = call.recursive();
        }
        match call.with_history().await {
            Ok(((), history)) => {
                screen.explain(&asking.request, &history);
                screen.changed(&remote, "is removed", &history)?;
            }
            Err(error) if asked.force && error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(asking.failed(&error)),
        }
    }
    Ok(Exit::Done)
}

pub(crate) async fn mkdir(screen: &Screen, connection: &Connection, asked: &Mkdir) -> Result<Exit, Failure> {
    let places: Result<Vec<Remote>, Failure> = asked.places.iter().map(|typed| named(typed)).collect();
    for remote in places? {
        let (files, asking) = super::of(connection, &remote, "PUT", "/filesystem");
        let mut call = files.make_directory(&remote.path);
        if let Some(mode) = asked.mode {
            call = call.mode(mode);
        }
        let ((), history) = call.with_history().await.map_err(|error| asking.failed(&error))?;
        screen.explain(&asking.request, &history);
        screen.changed(&remote, "is there", &history)?;
    }
    Ok(Exit::Done)
}

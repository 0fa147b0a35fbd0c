//! `cp`: files and directories in, out, and from one sandbox to another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use futures_util::TryStreamExt;
use reveille::files::{Files, FoundKind, Progress};
use reveille::{Error, ErrorKind};
use tokio_util::io::StreamReader;

use crate::connection::Connection;
use crate::output::{self, Copied, Screen};
use crate::report::{Asked, Exit, Failure};
use crate::typed::place::{Place, Remote};

/// Copy files and directories into a sandbox, out of it, or from one to another
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Cp {
    /// What is copied: a path here, SANDBOX:PATH, or - for stdin
    #[arg(value_name = "FROM")]
    from: String,
    /// Where to: a path here, SANDBOX:PATH, or - for stdout; into it, where it is a directory
    #[arg(value_name = "TO")]
    to: String,
    /// Means nothing here: directories are copied with all that is below them
    #[arg(short, long, hide = true, visible_short_alias = 'R')]
    recursive: bool,
}

const EXAMPLES: &str = "\
Examples
  reveille cp app.py box:/app/
  reveille cp box:/app/results ./results
  reveille cp box:/data.db other:/data.db
  tar cz src | reveille cp - box:/src.tgz
";

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Cp) -> Result<Exit, Failure> {
    let bar = Bar::new(screen);
    let copied = match (Place::read(&asked.from), Place::read(&asked.to)) {
        (Place::Here(from), Place::There(to)) => upload(connection, &bar, &from, to).await?,
        (Place::Stream, Place::There(to)) => upload_stdin(connection, &bar, &to).await?,
        (Place::There(from), Place::Here(to)) => download(connection, &bar, &from, to).await?,
        (Place::There(from), Place::Stream) => {
            // Nothing else may stand on stdout.
            return to_stdout(connection, &from).await;
        }
        (Place::There(from), Place::There(to)) if from.sandbox == to.sandbox => {
            within(connection, &from, &to).await?
        }
        (Place::There(from), Place::There(to)) => across(connection, &bar, &from, to).await?,
        (Place::Here(_) | Place::Stream, Place::Here(_) | Place::Stream) => {
            return Err(Failure::usage("neither of them is in a sandbox").next("name one as SANDBOX:PATH"));
        }
    };
    drop(bar);
    screen.copied(&copied)?;
    if copied.skipped.is_empty() { Ok(Exit::Done) } else { Ok(Exit::Failed) }
}

/// How far it has come, for whoever looks at a terminal.
struct Bar(Arc<output::Progress>);

impl Bar {
    fn new(screen: &Screen) -> Self {
        Self(Arc::new(screen.progress(None)))
    }

    /// What a transfer tells.
    fn hook(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let bar = Arc::clone(&self.0);
        move |progress| bar.reached(progress.done, progress.total)
    }
}

/// What there is of something in a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum There {
    Nothing,
    File,
    Directory,
}

/// Looks what there is. A server that does not say is asked for the directory that it is in.
async fn look(files: &Files, asking: &Asked, remote: &Remote) -> Result<There, Failure> {
    let failed = |error: Error| asking.failed(&error);
    match files.kind(&remote.path).await {
        Ok(Some(FoundKind::Directory)) => return Ok(There::Directory),
        Ok(Some(_)) => return Ok(There::File),
        Ok(None) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(There::Nothing),
        // No answer to HEAD can say why; the one to what is done next does.
        Err(error) if error.kind() == ErrorKind::Rejected => return Ok(There::File),
        Err(error) => return Err(failed(error)),
    }
    let Some(name) = remote.name() else { return Ok(There::Directory) };
    let parent = remote.path.trim_end_matches('/').rsplit_once('/').map_or(".", |(parent, _)| parent);
    let parent = if parent.is_empty() { "/" } else { parent };
    match files.list(parent).await {
        Ok(list) if list.subdirectories.iter().any(|directory| directory.name == name) => {
            Ok(There::Directory)
        }
        Ok(list) if list.files.iter().any(|file| file.name == name) => Ok(There::File),
        Ok(_) => Ok(There::Nothing),
        // What is answered for a file is no list: nothing is below one.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Decode) => Ok(There::Nothing),
        Err(error) => Err(failed(error)),
    }
}

/// Where `name` goes when it is copied to `to`: into it, where it is a directory or is written as one.
async fn target(files: &Files, asking: &Asked, to: Remote, name: Option<&str>) -> Result<Remote, Failure> {
    let as_directory = to.path.ends_with('/') || look(files, asking, &to).await? == There::Directory;
    match name {
        Some(name) if as_directory => Ok(to.join(name)),
        None if as_directory => Err(Failure::usage(format!("{to} is a directory")).next("name a file in it")),
        _ => Ok(to),
    }
}

async fn upload(connection: &Connection, bar: &Bar, from: &Path, to: Remote) -> Result<Copied, Failure> {
    let facts = std::fs::metadata(from).map_err(|error| Failure::io(from.display(), &error))?;
    let (files, asking) = super::of(connection, &to, "PUT", "/filesystem");
    let name =
        from.canonicalize().ok().and_then(|real| Some(real.file_name()?.to_string_lossy().into_owned()));
    let name = from.file_name().map(|name| name.to_string_lossy().into_owned()).or(name);
    let to = target(&files, &asking, to, name.as_deref()).await?;
    if facts.is_dir() {
        let sent = files.upload_directory(from, &to.path).progress(bar.hook()).await;
        let moved = sent.map_err(|error| asking.failed(&error))?;
        return Ok(Copied::directory(moved, to));
    }
    let mut upload = files.upload(&to.path);
    if let Some(mode) = mode(&facts) {
        upload = upload.mode(mode);
    }
    let bytes = upload.progress(bar.hook()).from_file(from).await.map_err(|error| asking.failed(&error))?;
    Ok(Copied::file(bytes, to))
}

#[cfg(unix)]
fn mode(facts: &std::fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    Some(facts.permissions().mode() & 0o777)
}

#[cfg(not(unix))]
fn mode(_: &std::fs::Metadata) -> Option<u32> {
    None
}

async fn upload_stdin(connection: &Connection, bar: &Bar, to: &Remote) -> Result<Copied, Failure> {
    let (files, asking) = super::of(connection, to, "PUT", "/filesystem");
    let to = target(&files, &asking, to.clone(), None).await?;
    let upload = files.upload(&to.path).progress(bar.hook());
    let sent = upload.from_reader(tokio::io::stdin()).await;
    Ok(Copied::file(sent.map_err(|error| asking.failed(&error))?, to))
}

async fn download(connection: &Connection, bar: &Bar, from: &Remote, to: PathBuf) -> Result<Copied, Failure> {
    let (files, asking) = super::of(connection, from, "GET", "/filesystem");
    let to = match from.name() {
        Some(name) if to.is_dir() || to.to_string_lossy().ends_with('/') => to.join(name),
        _ => to,
    };
    match look(&files, &asking, from).await? {
        There::Directory => {
            let came = files.download_directory(&from.path, &to).progress(bar.hook()).await;
            let moved = came.map_err(|error| asking.failed(&error))?;
            Ok(Copied::directory(moved, to.display()))
        }
        There::File | There::Nothing => {
            let came = files.download(&from.path).progress(bar.hook()).to_file(&to).await;
            let bytes = came.map_err(|error| asking.failed(&error))?;
            Ok(Copied::file(bytes, to.display()))
        }
    }
}

async fn to_stdout(connection: &Connection, from: &Remote) -> Result<Exit, Failure> {
    let (files, asking) = super::of(connection, from, "GET", "/filesystem");
    match files.download(&from.path).to_writer(tokio::io::stdout()).await {
        Ok(_) => Ok(Exit::Done),
        Err(error) => Err(super::unread(&files, &asking, from, &error).await),
    }
}

async fn within(connection: &Connection, from: &Remote, to: &Remote) -> Result<Copied, Failure> {
    let (files, asking) = super::of(connection, from, "POST", "/filesystem-copy");
    let done = files.copy(&from.path, &to.path).await.map_err(|error| asking.failed(&error))?;
    let path = if done.destination.is_empty() { to.path.clone() } else { done.destination };
    Ok(Copied::within(&Remote { path, ..to.clone() }))
}

/// Through this machine, and never all of it at once. A directory rests here on its way.
async fn across(connection: &Connection, bar: &Bar, from: &Remote, to: Remote) -> Result<Copied, Failure> {
    let (source, reading) = super::of(connection, from, "GET", "/filesystem");
    let (files, asking) = super::of(connection, &to, "PUT", "/filesystem");
    let to = target(&files, &asking, to, from.name()).await?;
    if look(&source, &reading, from).await? == There::Directory {
        let rest = tempfile::tempdir().map_err(|error| Failure::io("no place to rest on the way", &error))?;
        let came = source.download_directory(&from.path, rest.path()).progress(bar.hook()).await;
        let came = came.map_err(|error| reading.failed(&error))?;
        let mut went =
            files.upload_directory(rest.path(), &to.path).await.map_err(|error| asking.failed(&error))?;
        went.skipped.extend(came.skipped);
        return Ok(Copied::directory(went, to));
    }
    let answer = source.download(&from.path).stream().await.map_err(|error| reading.failed(&error))?;
    let pieces = StreamReader::new(answer.map_err(std::io::Error::other));
    let upload = files.upload(&to.path).progress(bar.hook());
    let sent = upload.from_reader(pieces).await.map_err(|error| asking.failed(&error))?;
    Ok(Copied::file(sent, to))
}

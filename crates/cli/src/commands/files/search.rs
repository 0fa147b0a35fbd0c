//! `find` and `grep`.

use clap::{Args, ValueEnum};
use reveille::{ErrorKind, files};

use super::Where;
use super::lone::Lone;
use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::typed::place::Remote;

/// What is looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Kind {
    #[default]
    #[value(alias = "f")]
    File,
    #[value(alias = "d")]
    Directory,
}

/// Find files of a sandbox by name
#[derive(Debug, Args)]
pub(crate) struct Find {
    #[command(flatten)]
    place: Where,
    /// Only names like this, as in '*.rs'; can be given several times
    #[arg(short, long = "name", value_name = "PATTERN")]
    names: Vec<String>,
    /// file or directory
    #[arg(
        short = 't',
        long = "type",
        value_name = "TYPE",
        default_value = "file",
        hide_default_value = true
    )]
    kind: Kind,
    /// Also names that begin with a dot
    #[arg(short, long)]
    all: bool,
    /// Do not look into directories of this name, instead of those that are noise (.git, node_modules, ...)
    #[arg(long, value_name = "NAME")]
    exclude_dir: Vec<String>,
    /// At most so many; 0 is all
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    limit: usize,
}

/// How many lines are told of in all.
const MOST: usize = 10_000;

/// Find lines in files of a sandbox
#[derive(Debug, Args)]
pub(crate) struct Grep {
    /// What is looked for; no pattern
    text: String,
    /// A sandbox, or a directory or a file in it: SANDBOX:PATH
    #[arg(value_name = "SANDBOX[:PATH]")]
    sandbox: String,
    /// The path, where it does not stand behind the sandbox
    path: Option<String>,
    /// Capitals are other letters
    #[arg(short = 's', long)]
    case_sensitive: bool,
    /// So many lines before and behind each
    #[arg(short = 'C', long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    context: usize,
    /// Only in files of names like this, as in '*.rs'
    #[arg(long, value_name = "PATTERN")]
    include: Option<String>,
    /// Do not look into directories of this name, instead of those that are noise (.git, node_modules, ...)
    #[arg(long, value_name = "NAME")]
    exclude_dir: Vec<String>,
    /// At most so many lines
    #[arg(
        short = 'm',
        long = "max-count",
        value_name = "N",
        default_value_t = MOST,
        hide_default_value = true
    )]
    limit: usize,
}

pub(crate) async fn find(screen: &Screen, connection: &Connection, asked: &Find) -> Result<Exit, Failure> {
    let remote = asked.place.read()?;
    let (files, asking) = super::of(connection, &remote, "GET", "/filesystem-find");
    let mut call = files.find(&remote.path).limit(asked.limit);
    for name in &asked.names {
        call = call.pattern(name);
    }
    for name in &asked.exclude_dir {
        call = call.skip(name);
    }
    if asked.kind == Kind::Directory {
        call = call.directories();
    }
    if asked.all {
        call = call.hidden();
    }
    let (found, history) = call.with_history().await.map_err(|error| asking.failed(&error))?;
    screen.explain(&asking.request, &history);
    screen.found(&found, &history)?;
    Ok(Exit::Done)
}

impl Grep {
    /// How it is searched, wherever that is.
    fn of(&self, call: files::Grep) -> files::Grep {
        let call = call.context(self.context);
        if self.case_sensitive { call.case_sensitive() } else { call }
    }
}

pub(crate) async fn grep(screen: &Screen, connection: &Connection, asked: &Grep) -> Result<Exit, Failure> {
    let remote = Remote::read(&asked.sandbox, asked.path.as_deref())?;
    let (files, asking) = super::of(connection, &remote, "GET", "/filesystem-content-search");
    let mut call = asked.of(files.grep(&remote.path, &asked.text)).limit(asked.limit);
    for name in &asked.exclude_dir {
        call = call.skip(name);
    }
    if let Some(pattern) = &asked.include {
        call = call.pattern(pattern);
    }
    let (found, history) = match call.with_history().await {
        Ok(answer) => answer,
        Err(error) => {
            let refused = error.kind() == ErrorKind::Rejected;
            let file = if refused { Lone::find(&files, &remote).await } else { None };
            let Some(file) = file else { return Err(asking.failed(&error)) };
            let call = asked.of(file.grep(&files, &asked.text)).limit(MOST).with_history();
            let (found, history) = call.await.map_err(|error| asking.failed(&error))?;
            (file.found(found, asked.limit), history)
        }
    };
    screen.explain(&asking.request, &history);
    screen.grepped(&found, &history)?;
    // As grep has it.
    Ok(if found.matches.is_empty() { Exit::Failed } else { Exit::Done })
}

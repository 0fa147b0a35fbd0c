//! `cat`: files as they are, on stdout.

use clap::Args;
use futures_util::StreamExt;
use tokio::io::AsyncWriteExt;

use crate::connection::Connection;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::typed::place::Remote;

/// Write files of a sandbox to stdout
#[derive(Debug, Args)]
pub(crate) struct Cat {
    /// A sandbox, or a file in it: SANDBOX:PATH
    #[arg(value_name = "SANDBOX[:PATH]")]
    sandbox: String,
    /// More files of the same sandbox
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

impl Cat {
    fn read(&self) -> Result<Vec<Remote>, Failure> {
        let first = Remote::read(&self.sandbox, None)?;
        let more = self.paths.iter().map(|path| Remote::read(&first.sandbox, Some(path)));
        let named = first.path != ".";
        let all: Result<Vec<Remote>, Failure> =
            named.then(|| Ok(first.clone())).into_iter().chain(more).collect();
        match all {
            Ok(all) if all.is_empty() => Err(Failure::usage("no file is named")),
            all => all,
        }
    }
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Cat) -> Result<Exit, Failure> {
    let mut out = tokio::io::stdout();
    for remote in asked.read()? {
        let (files, asking) = super::of(connection, &remote, "GET", "/filesystem");
        let (mut answer, history) = match files.download(&remote.path).stream().with_history().await {
            Ok(began) => began,
            Err(error) => return Err(super::unread(&files, &asking, &remote, &error).await),
        };
        screen.explain(&asking.request, &history);
        while let Some(piece) = answer.next().await {
            out.write_all(&piece.map_err(|error| asking.failed(&error))?).await?;
        }
        out.flush().await?;
    }
    Ok(Exit::Done)
}

use clap::Args;

use super::exec::{self, How};
use crate::connection::Connection;
use crate::interrupt::asked_to_end;
use crate::output::Screen;
use crate::report::{Exit, Failure, Request};
use crate::typed::{lifetime, megabytes};

/// Run a command in a sandbox that is made for it, and deleted afterwards
///
/// It is deleted however the command ends, also by Ctrl-C. The exit code is the command's.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille run -- make test
  reveille run -it -- bash
  reveille run blaxel/base-image:latest --memory 4g -- python3 -c 'print(1)'")]
pub(crate) struct Run {
    /// What the sandbox is made of; the platform's own when missing, and nothing to a local host
    image: Option<String>,
    /// The name of the sandbox; one of its own when missing
    #[arg(long)]
    name: Option<String>,
    /// MB, or with a unit: 4096, 512m, 4g
    #[arg(long, short, value_name = "SIZE", value_parser = megabytes)]
    memory: Option<u64>,
    /// Where it runs
    #[arg(long)]
    region: Option<String>,
    /// How long it lives at the most, should nobody be there to delete it: 30m, 24h
    #[arg(long, value_name = "DUR", value_parser = lifetime)]
    ttl: Option<String>,
    /// Means nothing: it is always deleted
    #[arg(long, hide = true)]
    rm: bool,
    #[command(flatten)]
    how: How,
    /// The command
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Run) -> Result<Exit, Failure> {
    let name = asked.name.clone().unwrap_or_else(|| format!("run-{:08x}", fastrand::u32(..)));
    let made = make(screen, connection, asked, &name).await?;
    let ran = match made {
        Made::Whole => exec::whole(screen, connection, &name, &asked.how, &asked.command).await,
        Made::Unwanted => Ok(Exit::Interrupted),
    };
    match (ran, delete(screen, connection, &name).await) {
        (Ok(exit), Ok(())) => Ok(exit),
        // The command's own end is told, too.
        (Err(failure), Err(stays)) => {
            screen.failed(&stays);
            Err(failure)
        }
        (Ok(_), Err(failure)) | (Err(failure), Ok(())) => Err(failure),
    }
}

/// Whether a sandbox that was made is still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    Whole,
    Unwanted,
}

async fn make(screen: &Screen, connection: &Connection, asked: &Run, name: &str) -> Result<Made, Failure> {
    let asking = connection.asking(name, Request::new("POST", "/sandboxes"));
    let mut call = connection.client().sandboxes().create(name);
    if let Some(image) = &asked.image {
        call = call.image(image);
    }
    if let Some(memory) = asked.memory {
        call = call.memory(memory);
    }
    if let Some(region) = &asked.region {
        call = call.region(region);
    }
    if let Some(ttl) = &asked.ttl {
        call = call.ttl(ttl);
    }
    let making = call.with_history().into_future();
    tokio::pin!(making);
    let mut made = Made::Whole;
    let ended = asked_to_end()?;
    tokio::pin!(ended);
    let done = loop {
        tokio::select! {
            done = &mut making => break done,
            () = &mut ended => {
                ended.set(asked_to_end()?);
                if made == Made::Unwanted {
                    screen.note(format_args!("the sandbox may be there: reveille delete {name}"));
                    return Err(Failure::new("interrupted").exiting(Exit::Interrupted));
                }
                screen.note("the sandbox is deleted as soon as it is there; Ctrl-C again leaves it");
                made = Made::Unwanted;
            }
        }
    };
    match done {
        Ok((_, history)) => {
            screen.explain(&asking.request, &history);
            Ok(made)
        }
        // Whether it was made is not known, and it is to be gone. One of a name that somebody chose may be another one.
        Err(error) if error.may_have_run() && asked.name.is_none() => {
            let failure = asking.failed(&error);
            match delete(screen, connection, name).await {
                Ok(()) => Err(failure.next("nothing is left of it")),
                Err(_) => Err(failure.next(format!("look whether it is there: reveille get {name}"))),
            }
        }
        Err(error) => Err(asking.failed(&error)),
    }
}

/// Deletes it. One that is not there is deleted.
async fn delete(screen: &Screen, connection: &Connection, name: &str) -> Result<(), Failure> {
    let asking = connection.asking(name, Request::new("DELETE", format!("/sandboxes/{name}")));
    match connection.client().sandboxes().delete(name).with_history().await {
        Ok((_, history)) => {
            screen.explain(&asking.request, &history);
            Ok(())
        }
        Err(error) if error.kind() == reveille::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(asking.failed(&error).next(format!("delete it by hand: reveille delete {name}"))),
    }
}

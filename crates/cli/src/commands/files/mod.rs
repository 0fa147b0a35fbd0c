//! Files of a sandbox.

pub(crate) mod cat;
pub(crate) mod change;
pub(crate) mod cp;
mod lone;
pub(crate) mod look;
pub(crate) mod search;
pub(crate) mod watch;

use clap::Args;
use reveille::files::{Files, FoundKind};
use reveille::{Error, ErrorKind};

use crate::connection::Connection;
use crate::report::{Asked, Failure, Request};
use crate::typed::place::Remote;

/// Where in a sandbox.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// A sandbox, or a place in it: SANDBOX:PATH
    #[arg(value_name = "SANDBOX[:PATH]")]
    sandbox: String,
    /// The path, where it does not stand behind the sandbox
    path: Option<String>,
}

impl Where {
    fn read(&self) -> Result<Remote, Failure> {
        Remote::read(&self.sandbox, self.path.as_deref())
    }
}

/// The files of the sandbox of `remote`, and what is asked of them.
fn of(connection: &Connection, remote: &Remote, method: &str, endpoint: &str) -> (Files, Asked) {
    let request = Request::new(method, format!("{endpoint}/{}", remote.path.trim_start_matches('/')));
    (connection.sandbox(&remote.sandbox).files(), connection.asking(&remote.sandbox, request))
}

/// Why a file was not read. What a server answers for a directory is no file; that it is one, it says when it is asked.
async fn unread(files: &Files, asking: &Asked, remote: &Remote, error: &Error) -> Failure {
    if error.kind() != ErrorKind::Decode {
        return asking.failed(error);
    }
    match files.kind(&remote.path).await {
        Ok(Some(FoundKind::Directory)) => Failure::new(format!("{remote} is a directory"))
            .next(format!("see what is in it: reveille ls {remote}")),
        _ => asking.failed(error),
    }
}

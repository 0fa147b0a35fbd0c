use clap::Args;
use reveille::{ErrorKind, ProcessStatus};

use crate::connection::Connection;
use crate::output::{Listening, Screen};
use crate::report::{Exit, Failure, Request};

/// List the ports on which processes of a sandbox listen
///
/// Those of processes that were started with exec or by the API, and of all that came from them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples
  reveille ports box
  reveille ports box web")]
pub(crate) struct Ports {
    /// A name, or an http(s):// URL that is used as it is
    sandbox: String,
    /// Only those of this process: its name, or its number
    process: Option<String>,
}

pub(crate) async fn run(screen: &Screen, connection: &Connection, asked: &Ports) -> Result<Exit, Failure> {
    let sandbox = connection.sandbox(&asked.sandbox);
    let processes = match &asked.process {
        Some(process) => {
            let asking =
                connection.asking(&asked.sandbox, Request::new("GET", format!("/process/{process}")));
            let call = sandbox.processes().get(process).with_history();
            let (found, history) = call.await.map_err(|error| asking.failed(&error))?;
            screen.explain(&asking.request, &history);
            vec![found]
        }
        None => {
            let asking = connection.asking(&asked.sandbox, Request::new("GET", "/process"));
            let call = sandbox.processes().list().with_history();
            let (found, history) = call.await.map_err(|error| asking.failed(&error))?;
            screen.explain(&asking.request, &history);
            found
        }
    };
    let mut listening = Vec::new();
    for process in processes.iter().filter(|process| process.status == ProcessStatus::Running) {
        let request = Request::new("GET", format!("/network/process/{}/ports", process.pid));
        let asking = connection.asking(&asked.sandbox, request);
        match sandbox.ports().of(&process.pid).with_history().await {
            Ok((sockets, history)) => {
                screen.explain(&asking.request, &history);
                let listens = sockets.into_iter().filter(|socket| socket.state == "LISTEN");
                listening.extend(listens.map(|socket| Listening { name: process.name.clone(), socket }));
            }
            // It has ended since it was listed.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(asking.failed(&error)),
        }
    }
    listening.sort_by_key(|listens| listens.socket.local_port);
    screen.listening(&asked.sandbox, &listening)?;
    Ok(Exit::Done)
}

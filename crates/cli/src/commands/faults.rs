use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use futures_util::FutureExt;
use reveille_faults::{FaultServer, Listen, Script};

use crate::interrupt::asked_to_end;
use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::run_to_end;
use crate::typed::address;

/// A server that misbehaves to a script, for tests of any client
///
/// Each request takes the next step of SCRIPT, and each arrival is shown. Ctrl-C ends it with a summary.
#[derive(Debug, Args)]
#[command(after_help = "\
Example: a 503, then a reset, then the answer for good
  {\"steps\": [{\"status\": 503, \"headers\": {\"retry-after\": \"0\"}},
             {\"reset\": \"after-request\"},
             {\"status\": 200, \"body\": \"hello\"}],
   \"repeat\": \"last\"}

Steps     status, reset, close, hang, freeze, garbage, rst_stream, goaway
With any  delay_ms, times, for_ms (stay at the step for so long after its first request)
Routes    {\"routes\": [{\"method\": \"GET\", \"path\": \"/a\", \"steps\": [...]}]}
The documentation of the crate reveille-faults has all of it.")]
pub(crate) struct Faults {
    /// A JSON file; - reads it from stdin
    #[arg(value_name = "SCRIPT")]
    script: PathBuf,
    /// A loopback address
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = address)]
    listen: SocketAddr,
}

pub(crate) fn run(screen: &Screen, faults: &Faults) -> Result<Exit, Failure> {
    let text = read(&faults.script)?;
    let name = faults.script.display();
    let script = Script::from_json(&text).map_err(|error| {
        Failure::new(format!("{name}: {error}")).next("see what a script may say: reveille help faults")
    })?;
    let server = FaultServer::start_at(script, Listen::at(faults.listen)).map_err(|error| unable(&error))?;
    run_to_end(async {
        let asked = asked_to_end()?;
        tokio::pin!(asked);
        screen.faults_begin(&server.url())?;
        let mut feed = server.feed();
        loop {
            tokio::select! {
                arrival = feed.next() => screen.arrival(&arrival)?,
                () = &mut asked => break,
            }
        }
        // What came before the end is told, too.
        while let Some(arrival) = feed.next().now_or_never() {
            screen.arrival(&arrival)?;
        }
        screen.faults_end(&server.counts())?;
        Ok(Exit::Done)
    })
}

fn unable(error: &reveille_faults::Error) -> Failure {
    let next = match error.kind() {
        reveille_faults::ErrorKind::Listen => "choose another with --listen; 127.0.0.1:0 takes a free port",
        _ => "use an address of this machine: --listen 127.0.0.1:0",
    };
    Failure::new(error.to_string()).next(next)
}

fn read(path: &Path) -> Result<String, Failure> {
    if path == Path::new("-") {
        let mut text = String::new();
        let read = std::io::stdin().read_to_string(&mut text);
        return read.map(|_| text).map_err(|error| Failure::io("the script on stdin", &error));
    }
    std::fs::read_to_string(path).map_err(|error| Failure::io(path.display(), &error))
}

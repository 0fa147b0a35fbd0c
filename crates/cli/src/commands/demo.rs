use clap::Args;

use crate::commands::run_to_end;
use crate::demo;
use crate::exit::Exit;
use crate::failure::Failure;

/// The HTTP server that `reveille try` starts inside its sandbox
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct Demo {
    /// Where it listens on 127.0.0.1; a free port when 0
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) fn run(demo: &Demo) -> Result<Exit, Failure> {
    run_to_end(async {
        demo::serve(demo.port).await.map_err(|error| Failure::io("the demo server cannot listen", &error))?;
        Ok(Exit::Done)
    })
}

use std::net::{Ipv4Addr, SocketAddr};

use clap::Args;
use tokio::net::TcpListener;

use crate::output::Screen;
use crate::report::{Exit, Failure};
use crate::runtime::run_to_end;
use crate::witness;

/// The HTTP server that `reveille try` starts inside its sandbox
#[derive(Debug, Args)]
#[command(hide = true)]
pub(crate) struct Witness {
    /// Where it listens on 127.0.0.1; a free port when 0
    #[arg(long, default_value_t = 0)]
    port: u16,
}

pub(crate) fn run(screen: &Screen, asked: &Witness) -> Result<Exit, Failure> {
    let failed = |error: std::io::Error| Failure::io("the server cannot listen", &error);
    run_to_end(async {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, asked.port));
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        screen.line(format_args!("listening on {}", listener.local_addr().map_err(failed)?))?;
        witness::serve(listener).await.map_err(failed)?;
        Ok(Exit::Done)
    })
}

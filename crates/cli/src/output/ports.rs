//! Ports on which processes listen.

use std::io;
use std::net::SocketAddr;

use reveille::ProcessSocket;
use serde::Serialize;

use super::{Format, Line, Screen, Table};

/// A port on which a process listens.
#[derive(Debug, Serialize)]
pub(crate) struct Listening {
    /// The process that was started, from which the one that listens came.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) socket: ProcessSocket,
}

impl Screen {
    /// A port of this machine leads to one in a sandbox.
    pub(crate) fn forwards(&self, local: SocketAddr, sandbox: &str, port: u16) -> io::Result<()> {
        let url = format!("http://{local}");
        if self.format == Format::Json {
            return self.json(&serde_json::json!({"url": url, "sandbox": sandbox, "port": port}));
        }
        self.line(Line::from(format_args!("{url} leads to port {port} in {sandbox}")))
    }

    pub(crate) fn listening(&self, sandbox: &str, all: &[Listening]) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&all);
        }
        if all.is_empty() {
            self.note(format_args!(
                "nothing that was started in {sandbox} listens; reveille ps {sandbox} lists what runs"
            ));
            return Ok(());
        }
        let mut table = Table::new(["PORT", "ADDRESS", "PID", "PROGRAM", "PROCESS"]);
        for Listening { name, socket } in all {
            table.add([
                socket.local_port.to_string().into(),
                socket.local_addr.as_str().into(),
                socket.pid.to_string().into(),
                socket.process_name.as_str().into(),
                name.as_str().into(),
            ]);
        }
        for line in table.lines() {
            self.line(line)?;
        }
        Ok(())
    }
}

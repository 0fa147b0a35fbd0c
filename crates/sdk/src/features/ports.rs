use std::fmt;

use http::Method;
use reveille_wire::{InvalidInput, ProcessPorts, ProcessSocket};

use super::Sandbox;
use crate::answer::Reading;
use crate::call::{Call, segment};

/// What the processes of a sandbox do on its network. To speak to what listens there, see
/// [`Network`](crate::Network).
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let listens = r#"{"pid":7,"ports":[{"pid":7,"protocol":"tcp","localPort":3000,"state":"LISTEN"}]}"#;
/// # let script = Script::new().on("GET", "/", Step::ok(listens)).on("*", "/", Step::ok("{}"));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
/// let ports = client.sandbox("box").ports();
/// for socket in ports.of(7).wait()?.iter().filter(|socket| socket.state == "LISTEN") {
///     println!("process {} listens on port {}", socket.pid, socket.local_port);
/// }
/// ports.monitor(7, "http://10.0.0.1/opened").wait()?;
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// ports.end_monitor(7).await?;
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Ports(Sandbox);

impl Ports {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// The sockets of a process, by its pid, and of all that came from it. A read.
    pub fn of(&self, pid: impl fmt::Display) -> Call<Vec<ProcessSocket>> {
        let mut operation = self.0.endpoint(Method::GET, path(&pid, "ports"));
        operation.accept_json();
        Call::new(self.0.core(), operation, Reading::json_as(|listed: ProcessPorts| listed.ports))
    }

    /// Has every port that the process opens from now on posted to a URL, as `{"pid": 7, "port": 3000}`. A mutation.
    pub fn monitor(&self, pid: impl fmt::Display, callback: impl AsRef<str>) -> Call<()> {
        let operation = self.0.endpoint(Method::POST, path(&pid, "monitor"));
        let wanted = serde_json::json!({ "callback": callback.as_ref() });
        Call::empty(self.0.core(), operation.json(&wanted))
    }

    /// Has nothing posted any more. A mutation.
    pub fn end_monitor(&self, pid: impl fmt::Display) -> Call<()> {
        Call::empty(self.0.core(), self.0.endpoint(Method::DELETE, path(&pid, "monitor")))
    }
}

fn path(pid: &impl fmt::Display, what: &str) -> Result<String, InvalidInput> {
    Ok(format!("/network/process/{}/{what}", segment("process id", &pid.to_string())?))
}

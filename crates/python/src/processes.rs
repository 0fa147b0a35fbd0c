//! The processes of a sandbox.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use reveille::{Exec, OutputEvent, OutputStream, ProcessStream, RetryPolicy};

use crate::call::{Call, seconds};
use crate::sandbox::Sandbox;
use crate::value::{Options, Values, as_json, json, made, nothing, tuned};

/// Runs commands, and knows those that run.
#[pyclass(frozen, module = "reveille_sandbox._native")]
pub struct Processes {
    processes: reveille::Processes,
    policy: RetryPolicy,
}

/// A command, as it was said.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Command {
    command: String,
    name: Option<String>,
    cwd: Option<String>,
    env: BTreeMap<String, String>,
    input: Option<PyBackedBytes>,
    stdin_open: bool,
    timeout: Option<f64>,
    keep_alive: bool,
    wait_for_ports: Vec<u16>,
    max_restarts: Option<u32>,
    deadline: Option<f64>,
}

impl Command {
    fn of(self, processes: &reveille::Processes) -> Exec {
        let mut exec = processes.exec(self.command);
        exec = self.name.into_iter().fold(exec, Exec::name);
        exec = self.cwd.into_iter().fold(exec, Exec::dir);
        exec = self.env.into_iter().fold(exec, |exec, (name, value)| exec.env(name, value));
        exec = self.input.into_iter().fold(exec, |exec, input| exec.stdin(Bytes::from_owner(input)));
        exec = self.timeout.and_then(seconds).into_iter().fold(exec, Exec::timeout);
        exec = self.wait_for_ports.into_iter().fold(exec, Exec::wait_for_port);
        exec = self.max_restarts.into_iter().fold(exec, Exec::restart_on_failure);
        exec = self.deadline.and_then(seconds).into_iter().fold(exec, Exec::deadline);
        if self.stdin_open {
            exec = exec.stdin_open();
        }
        if self.keep_alive { exec.keep_alive() } else { exec }
    }
}

#[pymethods]
impl Processes {
    #[new]
    fn new(sandbox: &Sandbox) -> Self {
        Self { processes: sandbox.sandbox.processes(), policy: sandbox.policy }
    }

    /// What is known of the process as JSON, its output and its errors.
    fn exec(&self, command: Command) -> Call {
        made(command.of(&self.processes), |output, py| {
            let process = as_json(&output.process, py)?;
            let (stdout, stderr) = (PyBytes::new(py, &output.stdout), PyBytes::new(py, &output.stderr));
            Ok((process, stdout, stderr).into_pyobject(py)?.into_any().unbind())
        })
    }

    fn start(&self, command: Command) -> Call {
        json(command.of(&self.processes).start())
    }

    fn stream(&self, command: Command) -> Call {
        made(command.of(&self.processes).stream(), |stream, py| Ok(Py::new(py, events(stream))?.into_any()))
    }

    fn follow(&self, id: &str) -> Values {
        events(self.processes.follow(id))
    }

    /// How a process stands when it has ended, or after `most` seconds.
    fn wait(&self, id: &str, most: Option<f64>) -> Call {
        let wait = self.processes.wait(id);
        json(most.and_then(seconds).into_iter().fold(wait, reveille::WaitForEnd::deadline))
    }

    fn list(&self, options: Options) -> Call {
        json(tuned!(self.processes.list(), options, self.policy))
    }

    fn get(&self, id: &str, options: Options) -> Call {
        json(tuned!(self.processes.get(id), options, self.policy))
    }

    fn logs(&self, id: &str, options: Options) -> Call {
        json(tuned!(self.processes.logs(id), options, self.policy))
    }

    fn stop(&self, id: &str, options: Options) -> Call {
        nothing(tuned!(self.processes.stop(id), options, self.policy))
    }

    fn kill(&self, id: &str, options: Options) -> Call {
        nothing(tuned!(self.processes.kill(id), options, self.policy))
    }

    fn write_stdin(&self, id: &str, bytes: PyBackedBytes, options: Options) -> Call {
        nothing(tuned!(self.processes.write_stdin(id, Bytes::from_owner(bytes)), options, self.policy))
    }

    fn close_stdin(&self, id: &str, options: Options) -> Call {
        nothing(tuned!(self.processes.close_stdin(id), options, self.policy))
    }
}

/// Events as pairs: of which kind, and what it says.
fn events(stream: ProcessStream) -> Values {
    Values::of(stream, |event, py| {
        let pair = match event {
            OutputEvent::Stdout(bytes) => ("stdout", PyBytes::new(py, &bytes)).into_pyobject(py)?,
            OutputEvent::Stderr(bytes) => ("stderr", PyBytes::new(py, &bytes)).into_pyobject(py)?,
            OutputEvent::Restart(line) => ("restart", line).into_pyobject(py)?,
            OutputEvent::Missing { stream, bytes } => {
                let stream = stream.map(|stream| match stream {
                    OutputStream::Stdout => "stdout",
                    OutputStream::Stderr => "stderr",
                });
                ("missing", (stream, bytes)).into_pyobject(py)?
            }
            OutputEvent::Ended(process) => ("ended", as_json(&process, py)?).into_pyobject(py)?,
            _ => ("other", py.None()).into_pyobject(py)?,
        };
        Ok(pair.into_any().unbind())
    })
}

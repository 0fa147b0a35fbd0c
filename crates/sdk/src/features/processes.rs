use std::borrow::Borrow;

use http::{HeaderValue, Method, header};
use reveille_wire::{InvalidInput, ProcessLogs, ProcessRequest, ProcessResponse};

use super::{ExecStream, Sandbox};
use crate::answer::Reading;
use crate::call::{Call, Operation, Patience, segment};

const PROCESS: &str = "/process";

/// The processes of a sandbox.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let done = r#"{"pid":"7","name":"hi","command":"echo hi","status":"completed","stdout":"hi\n"}"#;
/// # let script = Script::new()
/// #     .on("GET", "/w/sandboxes/box/process/hi/logs", Step::ok(r#"{"stdout":"hi\n","logs":"hi\n"}"#))
/// #     .on("*", "/", Step::ok(done));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// use reveille::ProcessRequest;
///
/// let processes = client.sandbox("box").processes();
/// let mut request = ProcessRequest::new("echo hi");
/// request.wait_for_completion = true;
/// let done = processes.start(request).wait()?;
/// assert_eq!(done.stdout, "hi\n");
///
/// // The same in async code.
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async {
/// let logs = processes.logs("hi").await?;
/// # assert_eq!(logs.stdout, "hi\n");
/// # Ok::<(), reveille::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Processes(Sandbox);

impl Processes {
    pub(crate) fn new(sandbox: Sandbox) -> Self {
        Self(sandbox)
    }

    /// Starts a process. A mutation: it never runs twice.
    ///
    /// A request that waits ([`wait_for_completion`](ProcessRequest::wait_for_completion),
    /// [`wait_for_ports`](ProcessRequest::wait_for_ports)) bears any silence; bound it by a deadline.
    pub fn start(&self, request: impl Borrow<ProcessRequest>) -> Call<ProcessResponse> {
        let request = request.borrow();
        let waits = request.wait_for_completion || !request.wait_for_ports.is_empty();
        let patience = if waits { Patience::Waiting } else { Patience::Usual };
        Call::json(self.0.core(), self.begin(request).patience(patience))
    }

    /// Starts a process and follows its output to its end. A mutation: it never runs twice.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Step};
    /// # let frames = "{\"type\":\"stdout\",\"data\":\"hi\\n\"}\n{\"type\":\"result\",\"data\":\"{}\"}\n";
    /// # let server = FaultServer::start(Step::ok(frames))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// # let processes = client.sandbox("box").processes();
    /// use reveille::{ExecFrameKind, ProcessRequest};
    ///
    /// for frame in processes.exec_stream(ProcessRequest::new("echo hi")).wait()? {
    ///     let frame = frame?;
    ///     if frame.kind == ExecFrameKind::Stdout {
    ///         print!("{}", frame.data);
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn exec_stream(&self, request: impl Borrow<ProcessRequest>) -> Call<ExecStream> {
        let ndjson = HeaderValue::from_static("text/event-stream");
        let operation = self.begin(request.borrow()).header(header::ACCEPT, ndjson);
        Call::new(
            self.0.core(),
            operation,
            Reading::SuccessStream(Box::new(|answer| Ok(ExecStream::of(answer)))),
        )
    }

    fn begin(&self, request: &ProcessRequest) -> Operation {
        self.0.endpoint(Method::POST, Ok(PROCESS.to_owned())).json(request)
    }

    /// Every process that the agent knows, ended ones included. A read.
    pub fn list(&self) -> Call<Vec<ProcessResponse>> {
        self.read(Ok(PROCESS.to_owned()))
    }

    /// One process, by its pid or name. A read.
    pub fn get(&self, id: impl AsRef<str>) -> Call<ProcessResponse> {
        self.read(of(id.as_ref(), ""))
    }

    /// What a process has written, at most the last 4 MiB of each stream. A read.
    pub fn logs(&self, id: impl AsRef<str>) -> Call<ProcessLogs> {
        self.read(of(id.as_ref(), "/logs"))
    }

    /// Asks a process to end (SIGTERM). A mutation.
    pub fn stop(&self, id: impl AsRef<str>) -> Call<()> {
        let operation = self.0.endpoint(Method::DELETE, of(id.as_ref(), ""));
        Call::empty(self.0.core(), operation)
    }

    /// Ends a process (SIGKILL). A mutation.
    pub fn kill(&self, id: impl AsRef<str>) -> Call<()> {
        let operation = self.0.endpoint(Method::DELETE, of(id.as_ref(), "/kill"));
        Call::empty(self.0.core(), operation)
    }

    fn read<T: serde::de::DeserializeOwned + 'static>(&self, path: Result<String, InvalidInput>) -> Call<T> {
        Call::json(self.0.core(), self.0.endpoint(Method::GET, path))
    }
}

fn of(id: &str, rest: &str) -> Result<String, InvalidInput> {
    Ok(format!("{PROCESS}/{}{rest}", segment("process id", id)?))
}

mod events;
mod exec;
mod following;
mod lines;
mod output;
mod wait;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, header};
use reveille_wire::header::{STREAM, STREAM_EXACT};
use reveille_wire::{Every, InvalidInput, LogPosition, ProcessLogs, ProcessResponse};

pub use self::events::ProcessStream;
pub use self::exec::Exec;
pub use self::output::{Output, OutputEvent};
pub use self::wait::WaitForEnd;
use super::Sandbox;
use crate::answer::{Reading, StreamResponse};
use crate::call::{Call, Operation, Patience, segment};
use crate::core::{Body, Core};
use crate::error::{Error, ErrorKind};

const PATH: &str = "/process";
/// How much of an input goes with one request, in bytes.
const INPUT: usize = 1024 * 1024;

/// The processes of a sandbox.
///
/// ```
/// # use reveille_faults::{FaultServer, Script, Step};
/// # let frames = "{\"type\":\"stdout\",\"data\":\"hi\\n\"}\n{\"type\":\"result\",\"data\":\"{}\"}\n";
/// # let script = Script::new()
/// #     .on("GET", "/w/sandboxes/box/process/hi/logs", Step::ok(r#"{"stdout":"hi\n","logs":"hi\n"}"#))
/// #     .on("*", "/", Step::ok(frames).header("content-type", "application/x-ndjson"));
/// # let server = FaultServer::start(script)?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
/// let processes = client.sandbox("box").processes();
/// let output = processes.exec("echo hi").name("hi").wait()?;
/// assert_eq!(output.stdout, b"hi\n");
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

    /// A command for the sandbox's shell.
    pub fn exec(&self, command: impl Into<String>) -> Exec {
        Exec::new(self.clone(), command.into())
    }

    /// Follows a process, by its pid or name, from the start of its log to its end. Nothing is sent until the stream is
    /// read. A read: a connection that breaks is made again, and it goes on where it broke.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Script, Step};
    /// # let log = "{\"type\":\"stdout\",\"data\":\"one\\ntwo\\n\"}\n{\"type\":\"result\",\"data\":\"{}\"}\n";
    /// # let step = Step::ok(log).header("content-type", "application/x-ndjson").header("reveille-stream", "exact");
    /// # let server = FaultServer::start(step)?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
    /// use reveille::OutputEvent;
    ///
    /// for event in client.sandbox("box").processes().follow("build") {
    ///     if let OutputEvent::Stdout(bytes) = event? {
    ///         print!("{}", String::from_utf8_lossy(&bytes));
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use = "nothing is sent until the stream is read"]
    pub fn follow(&self, id: impl AsRef<str>) -> ProcessStream {
        ProcessStream::following(self.clone(), id.as_ref(), LogPosition::default(), None)
    }

    /// The same from a position in its log on, which [`position`](Self::position) gives.
    #[must_use = "nothing is sent until the stream is read"]
    pub fn follow_from(&self, id: impl AsRef<str>, from: LogPosition) -> ProcessStream {
        ProcessStream::following(self.clone(), id.as_ref(), from, None)
    }

    /// What stands in its log between two positions, byte for byte as far as the sandbox sends bytes. It ends there,
    /// without [`OutputEvent::Ended`], where the process goes on.
    #[must_use = "nothing is sent until the stream is read"]
    pub fn read_log(&self, id: impl AsRef<str>, from: LogPosition, up_to: LogPosition) -> ProcessStream {
        ProcessStream::following(self.clone(), id.as_ref(), from, Some(up_to))
    }

    /// How far the log of a process, by its pid or name, had come at a moment, or has now. A read. Our own agent knows;
    /// elsewhere it is an error of the kind [`ErrorKind::NotFound`](crate::ErrorKind::NotFound), as for a process that
    /// is not there.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Step};
    /// # let server = FaultServer::start(Step::ok(r#"{"stdout":7,"stderr":0}"#))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
    /// use std::time::{Duration, SystemTime};
    ///
    /// let processes = client.sandbox("box").processes();
    /// let then = processes.position("build", Some(SystemTime::now() - Duration::from_secs(60))).wait()?;
    /// let latest = processes.follow_from("build", then);      // what it wrote in the last minute, and from then on
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn position(&self, id: impl AsRef<str>, at: Option<SystemTime>) -> Call<LogPosition> {
        let at = at.map(|at| at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis());
        let at = at.map(|at| format!("?at={at}")).unwrap_or_default();
        self.read(of(id.as_ref(), &format!("/logs/position{at}")))
    }

    /// Waits for the end of a process, by its pid or name. A read.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Step};
    /// # let server = FaultServer::start(Step::ok(r#"{"pid":"7","status":"failed","exitCode":3}"#))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
    /// let ended = client.sandbox("box").processes().wait("build").wait()?;
    /// assert_eq!(ended.exit_code, 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn wait(&self, id: impl AsRef<str>) -> WaitForEnd {
        WaitForEnd::new(self.clone(), id.as_ref())
    }

    /// Writes to the standard input of a process that was started with [`Exec::stdin_open`]. A mutation: nothing is
    /// ever written twice.
    pub fn write_stdin(&self, id: impl AsRef<str>, bytes: impl Into<Body>) -> Call<()> {
        let octets = HeaderValue::from_static("application/octet-stream");
        let exact = HeaderValue::from_static(STREAM_EXACT);
        let mut operation = self.endpoint(Method::POST, of(id.as_ref(), "/stdin"));
        operation.body = bytes.into();
        let operation = operation.header(header::CONTENT_TYPE, octets).header(STREAM, exact);
        Call::empty(self.core(), operation.patience(Patience::Waiting))
    }

    /// Closes the standard input of a process: it reads to the end of what was written. A mutation.
    pub fn close_stdin(&self, id: impl AsRef<str>) -> Call<()> {
        Call::empty(self.core(), self.endpoint(Method::DELETE, of(id.as_ref(), "/stdin")))
    }

    /// Every process that the agent knows, ended ones included. A read.
    pub fn list(&self) -> Call<Vec<ProcessResponse>> {
        let mut operation = self.endpoint(Method::GET, Ok(PATH.to_owned()));
        operation.accept_json();
        Call::new(self.core(), operation, Reading::json_as(|Every(all)| all))
    }

    /// One process, by its pid or name. A read.
    pub fn get(&self, id: impl AsRef<str>) -> Call<ProcessResponse> {
        self.read(of(id.as_ref(), ""))
    }

    /// What a process has written, at most the last 4 MiB of each stream, as text. A read.
    pub fn logs(&self, id: impl AsRef<str>) -> Call<ProcessLogs> {
        self.read(of(id.as_ref(), "/logs"))
    }

    /// Asks a process to end (SIGTERM). It may run on. A mutation.
    pub fn stop(&self, id: impl AsRef<str>) -> Call<()> {
        Call::empty(self.core(), self.endpoint(Method::DELETE, of(id.as_ref(), "")))
    }

    /// Ends a process (SIGKILL). A mutation.
    pub fn kill(&self, id: impl AsRef<str>) -> Call<()> {
        Call::empty(self.core(), self.endpoint(Method::DELETE, of(id.as_ref(), "/kill")))
    }

    /// The log of a process from `position` on, where the sandbox can begin there, and until when it may be read.
    fn log_stream(
        &self,
        id: &str,
        position: [u64; 2],
        left: Option<Duration>,
    ) -> Call<(StreamResponse, Option<Instant>)> {
        let [out, err] = position;
        let ndjson = HeaderValue::from_static("application/x-ndjson");
        let exact = HeaderValue::from_static(STREAM_EXACT);
        let path = of(id, &format!("/logs/stream?stdout={out}&stderr={err}"));
        let operation = self.endpoint(Method::GET, path).patience(Patience::Signs);
        let operation = operation.header(header::ACCEPT, ndjson).header(STREAM, exact);
        let reading = Reading::SuccessStream(Box::new(|begun| {
            let until = begun.body.until();
            Ok((StreamResponse::of(begun), until))
        }));
        let call = Call::new(self.core(), operation, reading);
        match left {
            Some(left) => call.deadline(left),
            None => call,
        }
    }

    /// Writes all of `bytes` to a process and closes its input.
    fn feed(&self, id: String, mut bytes: Bytes) -> BoxFuture<'static, Result<(), Error>> {
        let processes = self.clone();
        async move {
            while !bytes.is_empty() {
                let some = bytes.split_to(bytes.len().min(INPUT));
                match processes.write_stdin(&id, some).await {
                    Ok(()) => {}
                    // It has ended, or wants to read no more. Whether that is a failure, its exit code says.
                    Err(error) if ends_input(&error) => return Ok(()),
                    Err(error) => return Err(error.about(&id)),
                }
            }
            match processes.close_stdin(&id).await {
                Err(error) if !ends_input(&error) => Err(error.about(&id)),
                _ => Ok(()),
            }
        }
        .boxed()
    }

    fn core(&self) -> Arc<Core> {
        self.0.core()
    }

    fn endpoint(&self, method: Method, path: Result<String, InvalidInput>) -> Operation {
        self.0.endpoint(method, path)
    }

    fn read<T: serde::de::DeserializeOwned + 'static>(&self, path: Result<String, InvalidInput>) -> Call<T> {
        Call::json(self.core(), self.endpoint(Method::GET, path))
    }
}

fn ends_input(error: &Error) -> bool {
    error.kind() == ErrorKind::Conflict
}

fn of(id: &str, rest: &str) -> Result<String, InvalidInput> {
    Ok(format!("{PATH}/{}{rest}", segment("process id", id)?))
}

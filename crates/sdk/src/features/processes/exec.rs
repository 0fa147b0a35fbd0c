use std::fmt;
use std::future::IntoFuture;
use std::iter;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use reveille_retry::Attempt;
use reveille_wire::header::{PROCESS, STREAM, STREAM_EXACT};
use reveille_wire::{ProcessRequest, ProcessResponse};

use super::{Output, PATH, ProcessStream, Processes};
use crate::answer::{Reading, StreamResponse};
use crate::call::{Call, CallFuture, OnAttempt, Operation, Patience};
use crate::core::runtime::{self, OnFound};
use crate::error::Error;

/// A command to be run in a sandbox, as [`std::process::Command`] is one to be run here. Nothing is sent until it is
/// awaited.
///
/// It ends in one of three ways: awaited, or [waited](Self::wait) for, it gives its whole [`Output`]; as a
/// [`stream`](Self::stream) its output as it comes; [`started`](Self::start) it runs in the background. All of them are
/// mutations: a command never runs twice.
///
/// ```
/// # use reveille_faults::{FaultServer, Step};
/// # let frames = "{\"type\":\"stdout\",\"data\":\"ok\\n\"}\n{\"type\":\"result\",\"data\":\"{\\\"status\\\":\\\"completed\\\"}\"}\n";
/// # let server = FaultServer::start(Step::ok(frames).header("content-type", "application/x-ndjson"))?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
/// let output = client.sandbox("box").processes().exec("make test").dir("/app").env("CI", "1").wait()?;
/// assert!(output.success());
/// assert_eq!(output.stdout, b"ok\n");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is sent until it is awaited, waited for, streamed or started"]
pub struct Exec {
    processes: Processes,
    request: ProcessRequest,
    stdin: Option<Bytes>,
    deadline: Option<Duration>,
    on_attempt: Option<OnAttempt>,
}

impl Exec {
    pub(super) fn new(processes: Processes, command: String) -> Self {
        let mut request = ProcessRequest::new(command);
        // Named here, it can be found again whatever becomes of the answer to its start.
        let letter = || fastrand::alphanumeric().to_ascii_lowercase();
        request.name = Some(format!("proc-{}", iter::repeat_with(letter).take(8).collect::<String>()));
        Self { processes, request, stdin: None, deadline: None, on_attempt: None }
    }

    /// The name that it is found by; `proc-` and eight random letters where none is given.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.request.name = Some(name.into());
        self
    }

    /// The directory that it runs in.
    pub fn dir(mut self, dir: impl Into<String>) -> Self {
        self.request.working_dir = Some(dir.into());
        self
    }

    /// A variable for it, over those that the sandbox has.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.request.env.insert(name.into(), value.into());
        self
    }

    /// What it reads from its standard input, to its end. Without it, and without
    /// [`stdin_open`](Self::stdin_open), it reads nothing.
    pub fn stdin(mut self, input: impl Into<Bytes>) -> Self {
        self.stdin = Some(input.into());
        self.stdin_open()
    }

    /// Leaves its standard input open for [`Processes::write_stdin`] and [`Processes::close_stdin`].
    pub fn stdin_open(mut self) -> Self {
        self.request.stdin = true;
        self
    }

    /// How long the sandbox bears it, in whole seconds, rounded up: one that [keeps it awake](Self::keep_alive) is
    /// killed then; of another one only the wait ends.
    pub fn timeout(mut self, most: Duration) -> Self {
        let seconds = most.as_secs() + u64::from(most.subsec_nanos() > 0);
        self.request.timeout = Some(i64::try_from(seconds).unwrap_or(i64::MAX));
        self
    }

    /// The sandbox does not sleep while it runs; without a [`timeout`](Self::timeout), for ten minutes at the most.
    pub fn keep_alive(mut self) -> Self {
        self.request.keep_alive = true;
        self
    }

    /// A start comes back only when something listens on this port; may be said of more than one.
    pub fn wait_for_port(mut self, port: u16) -> Self {
        self.request.wait_for_ports.push(port);
        self
    }

    /// Starts it again when it fails, so often at the most.
    pub fn restart_on_failure(mut self, most: u32) -> Self {
        self.request.restart_on_failure = true;
        self.request.max_restarts = Some(most.into());
        self
    }

    /// Ends the call after this long, its output included. The process runs on.
    pub fn deadline(mut self, most: Duration) -> Self {
        self.deadline = Some(most);
        self
    }

    /// Calls `hook` after each attempt to start it.
    pub fn on_attempt(mut self, hook: impl Fn(&Attempt) + Send + Sync + 'static) -> Self {
        self.on_attempt = Some(Arc::new(hook));
        self
    }

    /// The name that it will have.
    #[must_use]
    pub fn named(&self) -> &str {
        self.request.name.as_deref().unwrap_or_default()
    }

    /// Starts it in the background, and waits for no more than its [ports](Self::wait_for_port).
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Step};
    /// # let server = FaultServer::start(Step::ok(r#"{"pid":"7","name":"web","status":"running"}"#))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
    /// let processes = client.sandbox("box").processes();
    /// let web = processes.exec("python3 -m http.server 3000").name("web").wait_for_port(3000).start().wait()?;
    /// assert_eq!(web.pid, "7");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn start(self) -> Call<ProcessResponse> {
        let waits = !self.request.wait_for_ports.is_empty();
        let patience = if waits { Patience::Waiting } else { Patience::Usual };
        let call = Call::json(self.processes.core(), self.operation().patience(patience));
        self.tune(call)
    }

    /// Starts it and follows its output to its end.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Step};
    /// # let frames = "{\"type\":\"stdout\",\"data\":\"hi\\n\"}\n{\"type\":\"result\",\"data\":\"{}\"}\n";
    /// # let server = FaultServer::start(Step::ok(frames).header("content-type", "application/x-ndjson"))?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).no_probe().build()?;
    /// use reveille::OutputEvent;
    ///
    /// for event in client.sandbox("box").processes().exec("echo hi").stream().wait()? {
    ///     match event? {
    ///         OutputEvent::Stdout(bytes) => print!("{}", String::from_utf8_lossy(&bytes)),
    ///         OutputEvent::Ended(process) => println!("exit code {}", process.exit_code),
    ///         _ => {}
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stream(self) -> Call<ProcessStream> {
        let both = HeaderValue::from_static("text/event-stream, application/x-ndjson");
        let exact = HeaderValue::from_static(STREAM_EXACT);
        let operation = self.operation().patience(Patience::Signs);
        let operation = operation.header(header::ACCEPT, both).header(STREAM, exact);
        let (processes, name) = (self.processes.clone(), self.named().to_owned());
        let stdin = self.stdin.clone();
        let reading = Reading::SuccessStream(Box::new(move |begun| {
            let until = begun.body.until();
            let response = StreamResponse::of(begun);
            let pid = response.headers().get(PROCESS).and_then(|pid| pid.to_str().ok());
            let id = pid.unwrap_or(&name).to_owned();
            let input = stdin.map(|bytes| processes.feed(id.clone(), bytes));
            Ok(ProcessStream::begun(processes, (&id, &name), response, until, input))
        }));
        let call = Call::new(self.processes.core(), operation, reading);
        self.tune(call)
    }

    /// Runs it to its end on this thread.
    ///
    /// # Errors
    /// When it could not be started, or its output not be read to its end. That it failed is no error.
    #[cfg(feature = "blocking")]
    pub fn wait(self) -> Result<Output, Error> {
        runtime::wait_beside(self.run()).map_err(Error::local)?
    }

    async fn run(self) -> Result<Output, Error> {
        self.stream().await?.output().await
    }

    fn operation(&self) -> Operation {
        self.processes.endpoint(Method::POST, Ok(PATH.to_owned())).json(&self.request)
    }

    fn tune<T>(&self, mut call: Call<T>) -> Call<T> {
        if let Some(deadline) = self.deadline {
            call = call.deadline(deadline);
        }
        if let Some(hook) = self.on_attempt.clone() {
            call = call.on_attempt(move |attempt| hook(attempt));
        }
        call
    }
}

impl IntoFuture for Exec {
    type Output = Result<Output, Error>;
    type IntoFuture = CallFuture<Output>;

    fn into_future(self) -> CallFuture<Output> {
        Box::pin(OnFound::new(runtime::here_for_long, self.run()))
    }
}

impl fmt::Debug for Exec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the environment and the input, which may hold secrets.
        f.debug_struct("Exec").field("command", &self.request.command).finish_non_exhaustive()
    }
}

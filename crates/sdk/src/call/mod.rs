//! One call: what is to be sent, how it is tuned, and the one loop that sends it.

mod driver;
mod operation;

use std::fmt;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reveille_retry::{Attempt, History, RetryPolicy};
use serde::de::DeserializeOwned;

use crate::answer::{Begun, Reading};
use crate::core::Core;
use crate::core::runtime::{self, OnFound};
use crate::core::transport::OnInformational;
use crate::error::Error;
use driver::Driver;
use operation::Probe;
pub(crate) use operation::{Identity, OnAttempt, Operation, Patience, Readiness, Target, Tuning, segment};

/// What is made of the answer in the end.
type End<T, U> = fn(Reading<T>, Box<Begun>) -> Result<U, Error>;

/// The future of a call. It may be polled on any executor.
pub type CallFuture<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// A call that is ready to be made: nothing is sent until it is awaited, or waited for with
/// [`wait`](Self::wait).
///
/// ```
/// # let server = reveille_faults::FaultServer::start(reveille_faults::Step::ok(r#"{"status":"ok"}"#))?;
/// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
/// use std::time::Duration;
/// use reveille::RetryPolicy;
///
/// let health = client
///     .sandbox("box")
///     .system()
///     .health()
///     .retry(RetryPolicy::standby())
///     .deadline(Duration::from_secs(60))
///     .on_attempt(|attempt| println!("{}, then {:?} of waiting", attempt.seen, attempt.wait))
///     .wait()?;
/// assert_eq!(health.status, "ok");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct Call<T> {
    core: Arc<Core>,
    pub(crate) operation: Operation,
    tuning: Tuning,
    reading: Reading<T>,
}

impl<T> Call<T> {
    pub(crate) fn new(core: Arc<Core>, operation: Operation, reading: Reading<T>) -> Self {
        Self { core, operation, tuning: Tuning::default(), reading }
    }

    /// The same request, whose answer is taken in another way.
    pub(crate) fn read_as<U>(self, reading: Reading<U>) -> Call<U> {
        let Self { core, operation, tuning, .. } = self;
        Call { core, operation, tuning, reading }
    }

    /// Tries this call under a policy of its own; the client's stays what it was.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        self.tuning.policy = Some(Box::new(policy));
        self
    }

    /// Sends once, whatever comes.
    pub fn no_retry(self) -> Self {
        self.retry(RetryPolicy::never())
    }

    /// Ends the call after this long, whatever it is doing: an attempt in flight and a wait are cut, and so is
    /// the body of a stream.
    pub fn deadline(mut self, most: Duration) -> Self {
        self.tuning.deadline = Some(most);
        self
    }

    /// How long one attempt may take, its body included; of a stream, its head. Zero counts as a nanosecond.
    pub fn attempt_timeout(mut self, most: Duration) -> Self {
        self.tuning.attempt_timeout = Some(most.max(Duration::from_nanos(1)));
        self
    }

    /// How long it may take to connect, TLS included, in place of the client's bound. Zero counts as a nanosecond.
    pub fn connect_timeout(mut self, most: Duration) -> Self {
        self.tuning.bounds.connect = Some(most.max(Duration::from_nanos(1)));
        self
    }

    /// How long may be waited for a connection where there may not be more
    /// ([`max_connections`](crate::ConnectionLimits::max)), in place of the client's bound.
    pub fn pool_timeout(mut self, most: Duration) -> Self {
        self.tuning.bounds.pool = Some(most);
        self
    }

    /// How long an attempt may be silent, in both directions, in place of the client's bound. Zero counts as a
    /// nanosecond.
    pub fn read_timeout(mut self, most: Duration) -> Self {
        self.tuning.read_timeout = Some(most.max(Duration::from_nanos(1)));
        self
    }

    /// Sends nothing but this call, and lets it wait for nobody's word; see [readiness](crate#readiness).
    pub fn no_probe(mut self) -> Self {
        self.tuning.probe = Probe::Never;
        self
    }

    /// Calls `hook` after each attempt with what it saw, how long it took and how long will be waited.
    pub fn on_attempt(mut self, hook: impl Fn(&Attempt) + Send + Sync + 'static) -> Self {
        self.tuning.on_attempt = Some(Arc::new(hook));
        self
    }

    /// Calls `hook` with each informational answer that is for the caller.
    pub(crate) fn on_informational(mut self, hook: OnInformational) -> Self {
        self.tuning.on_informational = Some(hook);
        self
    }

    /// Makes the call where it is awaited, and `end` what the caller gets.
    fn run<U>(self, end: End<T, U>) -> impl Future<Output = Result<U, Error>> {
        let may_stream = self.reading.taking().may_stream();
        let place = if may_stream { runtime::here_for_long } else { runtime::here };
        OnFound::new(place, self.driven(end))
    }

    /// All that the call carries is in one place from here on, and is moved no more.
    fn driven<U>(self, end: End<T, U>) -> impl Future<Output = Result<U, Error>> {
        let Self { core, operation, tuning, reading } = self;
        let driver = Driver::new(core, operation, tuning, reading.taking());
        async move { end(reading, driver?.drive().await?) }
    }

    /// Makes the call, and waits for it on this thread.
    #[cfg(feature = "blocking")]
    fn run_waiting<U>(self, end: End<T, U>) -> Result<U, Error> {
        let may_stream = self.reading.taking().may_stream();
        let run = self.driven(end);
        let done = if may_stream { runtime::wait_beside(run) } else { runtime::wait_for(run) };
        done.map_err(Error::local)?
    }
}

impl<T: 'static> Call<T> {
    /// The call that also gives its history: every attempt, what it saw and how long was waited after it.
    ///
    /// ```
    /// # use reveille_faults::{FaultServer, Script, Step};
    /// # let script = Script::new().step(Step::status(503)).then(Step::ok(r#"{"mounts":[]}"#));
    /// # let server = FaultServer::start(script)?;
    /// # let client = reveille::Client::builder().api_key("k").workspace("w").run_url(server.url()).build()?;
    /// let (mounts, history) = client.sandbox("box").drives().list().with_history().wait()?;
    /// assert!(mounts.is_empty());
    /// assert_eq!(history.len(), 2);
    /// println!("{history}");                // 503, waited 13 ms for the probe, 200
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn with_history(self) -> WithHistory<T> {
        WithHistory(self)
    }

    /// Makes the call and waits for it on this thread. No runtime is needed, and one that runs here already
    /// does no harm; it only stands still meanwhile.
    ///
    /// # Errors
    /// See [`Error`].
    #[cfg(feature = "blocking")]
    pub fn wait(self) -> Result<T, Error> {
        self.run_waiting(Reading::make)
    }
}

impl<T: 'static> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = CallFuture<T>;

    fn into_future(self) -> CallFuture<T> {
        Box::pin(self.run(Reading::make))
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Call({} {})", self.operation.method, self.operation.target.shown())
    }
}

/// A call that gives its history with its result; made by [`Call::with_history`].
#[derive(Debug)]
#[must_use = "nothing is sent until the call is awaited, or waited for with `.wait()`"]
pub struct WithHistory<T>(Call<T>);

impl<T: 'static> WithHistory<T> {
    /// Makes the call and waits for it on this thread.
    ///
    /// # Errors
    /// See [`Error`].
    #[cfg(feature = "blocking")]
    pub fn wait(self) -> Result<(T, History), Error> {
        self.0.run_waiting(Reading::make_with_history)
    }
}

impl<T: 'static> IntoFuture for WithHistory<T> {
    type Output = Result<(T, History), Error>;
    type IntoFuture = CallFuture<(T, History)>;

    fn into_future(self) -> CallFuture<(T, History)> {
        Box::pin(self.0.run(Reading::make_with_history))
    }
}

impl<T: DeserializeOwned + 'static> Call<T> {
    /// The same call once more; it has no body.
    pub(crate) fn again(&self) -> Self {
        let operation = self.operation.again();
        Self { tuning: self.tuning.clone(), ..Self::new(Arc::clone(&self.core), operation, Reading::json()) }
    }

    /// A call whose answer is JSON.
    pub(crate) fn json(core: Arc<Core>, mut operation: Operation) -> Self {
        operation.accept_json();
        Self::new(core, operation, Reading::json())
    }
}

impl Call<()> {
    /// A call whose answer says no more than its status.
    pub(crate) fn empty(core: Arc<Core>, operation: Operation) -> Self {
        Self::new(core, operation, Reading::status())
    }
}

/// Gives a builder around a [`Call`] the setters and the ends of one. `$ready` makes the call of it.
macro_rules! like_a_call {
    ($builder:ty => $output:ty $(, for $one:ident: $($bounds:tt)+)?) => {
        impl$(<$one: $($bounds)+>)? $builder {
            /// Tries this call under a policy of its own; the client's stays what it was.
            pub fn retry(mut self, policy: $crate::RetryPolicy) -> Self {
                self.call = self.call.retry(policy);
                self
            }

            /// Sends once, whatever comes.
            pub fn no_retry(mut self) -> Self {
                self.call = self.call.no_retry();
                self
            }

            /// Ends the call after this long, whatever it is doing.
            pub fn deadline(mut self, most: std::time::Duration) -> Self {
                self.call = self.call.deadline(most);
                self
            }

            /// How long one attempt may take, its body included.
            pub fn attempt_timeout(mut self, most: std::time::Duration) -> Self {
                self.call = self.call.attempt_timeout(most);
                self
            }

            /// How long it may take to connect, TLS included, in place of the client's bound.
            pub fn connect_timeout(mut self, most: std::time::Duration) -> Self {
                self.call = self.call.connect_timeout(most);
                self
            }

            /// How long may be waited for a connection where there may not be more, in place of the client's bound.
            pub fn pool_timeout(mut self, most: std::time::Duration) -> Self {
                self.call = self.call.pool_timeout(most);
                self
            }

            /// How long an attempt may be silent, in both directions, in place of the client's bound.
            pub fn read_timeout(mut self, most: std::time::Duration) -> Self {
                self.call = self.call.read_timeout(most);
                self
            }

            /// Sends nothing but this call, and lets it wait for nobody's word.
            pub fn no_probe(mut self) -> Self {
                self.call = self.call.no_probe();
                self
            }

            /// Calls `hook` after each attempt with what it saw, how long it took and how long will be waited.
            pub fn on_attempt(mut self, hook: impl Fn(&$crate::Attempt) + Send + Sync + 'static) -> Self {
                self.call = self.call.on_attempt(hook);
                self
            }

            /// The call that also gives its history.
            pub fn with_history(self) -> $crate::WithHistory<$output> {
                self.into_call().with_history()
            }

            /// Makes the call and waits for it on this thread; see [`Call::wait`](crate::Call::wait).
            ///
            /// # Errors
            /// See [`Error`](crate::Error).
            #[cfg(feature = "blocking")]
            pub fn wait(self) -> Result<$output, $crate::Error> {
                self.into_call().wait()
            }
        }

        impl$(<$one: $($bounds)+>)? std::future::IntoFuture for $builder {
            type Output = Result<$output, $crate::Error>;
            type IntoFuture = $crate::CallFuture<$output>;

            fn into_future(self) -> Self::IntoFuture {
                self.into_call().into_future()
            }
        }
    };
}

pub(crate) use like_a_call;

#[cfg(test)]
mod tests {
    #[test]
    fn a_call_on_its_way_is_light_enough_to_be_made_within_another() {
        let client = crate::Client::builder().api_key("k").workspace("w").build().unwrap();
        let size = size_of_val(&client.sandbox("box").system().health().run(crate::answer::Reading::make));
        assert!(size < 1024, "{size} bytes");
    }
}

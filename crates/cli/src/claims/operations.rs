use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt;
use reveille::{Attempt, Error, History, OutputEvent, ProcessStream, Response, WithHistory};

use super::setup::{Looking, Setup};
use crate::witness;

/// What is done while the sandbox sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Get,
    Head,
    Options,
    Drives,
    Health,
    Post,
    Mount,
    Unmount,
    Upgrade,
    Exec,
}

impl Operation {
    pub(crate) const READS: [Self; 5] = [Self::Get, Self::Head, Self::Options, Self::Drives, Self::Health];
    pub(crate) const MUTATIONS: [Self; 4] = [Self::Post, Self::Mount, Self::Unmount, Self::Upgrade];

    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Get => "fetch GET",
            Self::Head => "fetch HEAD",
            Self::Options => "fetch OPTIONS",
            Self::Drives => "drive list",
            Self::Health => "health",
            Self::Post => "fetch POST",
            Self::Mount => "drive mount",
            Self::Unmount => "drive unmount",
            Self::Upgrade => "upgrade",
            Self::Exec => "exec",
        }
    }

    /// The method and the path that the gateway sees.
    pub(crate) fn request(self, port: u16) -> String {
        match self {
            Self::Get => format!("GET /port/{port}/visits"),
            Self::Head => format!("HEAD /port/{port}/visits"),
            Self::Options => format!("OPTIONS /port/{port}/visits"),
            Self::Post => format!("POST /port/{port}/visits"),
            Self::Drives => "GET /drives/mount".to_owned(),
            Self::Health => "GET /health".to_owned(),
            Self::Mount => "POST /drives/mount".to_owned(),
            Self::Unmount => "DELETE /drives/mount".to_owned(),
            Self::Upgrade => "POST /upgrade".to_owned(),
            Self::Exec => "POST /process".to_owned(),
        }
    }

    /// Whether the server inside the sandbox sees it, and not only the agent.
    pub(crate) fn reaches_the_server(self) -> bool {
        matches!(self, Self::Get | Self::Head | Self::Options | Self::Post)
    }

    pub(crate) fn needs_drives(self) -> bool {
        matches!(self, Self::Mount | Self::Unmount)
    }
}

/// How a call is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Async,
    Blocking,
}

impl Way {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Blocking => "blocking",
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) history: Option<History>,
    pub(crate) end: End,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It brought what it was asked for.
    Answered,
    /// It brought nothing, and this is what is said of it.
    Stopped(String),
}

/// The attempts of a call that goes on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attempts(Arc<Mutex<Vec<Attempt>>>);

impl Attempts {
    fn add(&self, attempt: &Attempt) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(*attempt);
    }

    pub(crate) fn so_far(&self) -> Vec<Attempt> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A call, before it is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Called<'a> {
    pub(crate) operation: Operation,
    pub(crate) way: Way,
    pub(crate) looking: Looking,
    /// What it is called to the server.
    pub(crate) id: &'a str,
}

/// Makes a call.
pub(crate) async fn make(setup: &Setup, call: Called<'_>, attempts: &Attempts) -> Outcome {
    let Called { operation, way, looking, id } = call;
    let sandbox = setup.sandbox(looking);
    let seen = attempts.clone();
    let hook = move |attempt: &Attempt| seen.add(attempt);
    let fetch = || sandbox.network().fetch(setup.port(), "/visits").header(witness::ID, id);
    match operation {
        Operation::Get => answer(finish(fetch().on_attempt(hook).with_history(), way).await),
        Operation::Head => answer(finish(fetch().head().on_attempt(hook).with_history(), way).await),
        Operation::Options => answer(finish(fetch().options().on_attempt(hook).with_history(), way).await),
        Operation::Post => answer(finish(fetch().post().on_attempt(hook).with_history(), way).await),
        Operation::Drives => {
            typed(finish(sandbox.drives().list().on_attempt(hook).with_history(), way).await)
        }
        Operation::Health => {
            typed(finish(sandbox.system().health().on_attempt(hook).with_history(), way).await)
        }
        Operation::Mount => {
            let call = sandbox.drives().mount("data", setup.mount_path()).on_attempt(hook);
            typed(finish(call.with_history(), way).await)
        }
        Operation::Unmount => {
            let call = sandbox.drives().unmount(setup.mount_path()).on_attempt(hook);
            typed(finish(call.with_history(), way).await)
        }
        Operation::Exec => {
            let call = sandbox.processes().exec("true").stream().on_attempt(hook);
            ran(finish(call.with_history(), way).await).await
        }
        Operation::Upgrade => {
            typed(finish(sandbox.system().upgrade().on_attempt(hook).with_history(), way).await)
        }
    }
}

async fn finish<T: Send + 'static>(call: WithHistory<T>, way: Way) -> Result<(T, History), Option<Error>> {
    match way {
        Way::Async => call.await.map_err(Some),
        Way::Blocking => match tokio::task::spawn_blocking(move || call.wait()).await {
            Ok(ended) => ended.map_err(Some),
            Err(_) => Err(None),
        },
    }
}

fn typed<T>(ended: Result<(T, History), Option<Error>>) -> Outcome {
    match ended {
        Ok((_, history)) => Outcome { history: Some(history), end: End::Answered },
        Err(Some(error)) => {
            Outcome { history: error.history().cloned(), end: End::Stopped(error.to_string()) }
        }
        Err(None) => Outcome { history: None, end: End::Stopped("the call broke off".to_owned()) },
    }
}

/// A command is answered once it has ended well.
async fn ran(ended: Result<(ProcessStream, History), Option<Error>>) -> Outcome {
    let (mut events, history) = match ended {
        Ok(begun) => begun,
        Err(error) => return typed::<()>(Err(error)),
    };
    while let Some(event) = events.next().await {
        match event {
            Ok(OutputEvent::Ended(_)) => {
                return Outcome { history: Some(history), end: End::Answered };
            }
            Ok(_) => {}
            Err(error) => return Outcome { history: Some(history), end: End::Stopped(error.to_string()) },
        }
    }
    Outcome { history: Some(history), end: End::Stopped("the command did not end".to_owned()) }
}

fn answer(ended: Result<(Response, History), Option<Error>>) -> Outcome {
    match ended {
        Ok((response, history)) if !response.status().is_success() => {
            Outcome { history: Some(history), end: End::Stopped(response.status().to_string()) }
        }
        other => typed(other),
    }
}

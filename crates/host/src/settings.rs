use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::auth;
use crate::clock::Clock;
use crate::control;
use crate::engine::{AgentCommand, Allowance, Lifetime, Network};
use crate::error::{Error, ErrorKind};

/// What a [`Host`](crate::Host) needs to know.
#[derive(Clone)]
#[non_exhaustive]
pub struct HostSettings {
    /// Where it listens. Port 0 takes a free one. 127.0.0.1:7878 unless told otherwise.
    pub listen: SocketAddr,
    /// Where it keeps records, the sandboxes' files and the drives.
    pub data: PathBuf,
    /// The API key that it wants. Without one it is the key that stands in `key` in the data directory, and one is
    /// made and left there where there is none: it stays over restarts.
    pub key: Option<String>,
    /// The workspace that clients find who name none.
    pub workspace: String,
    /// Further workspaces, each with sandboxes, drives, volumes, images, snapshots and keys of its own. One that has
    /// been once is there again, named or not.
    pub workspaces: Vec<String>,
    /// How long nothing may happen in a sandbox before it is put to standby. 15 s, as on the platform.
    pub standby_after: Duration,
    /// What becomes of requests while their sandbox wakes.
    pub while_waking: WhileWaking,
    /// Which of its two URLs a preview says that it has.
    pub preview_urls: PreviewUrls,
    /// How long waking takes at least, so that the resume window can be seen.
    pub resume_delay: Duration,
    /// What sandboxes reach of the outside whose record does not say.
    pub network: Network,
    /// How many processes a sandbox may have whose record does not say, threads among them. 2,048.
    pub processes: u32,
    /// The longest file that a sandbox may write whose record does not say, in MiB; none: as long as the disk has room.
    pub max_file: Option<u64>,
    /// What the files of a new sandbox may take on the disk, in MiB, whose record does not say; none: as much as there is
    /// room for.
    pub disk: Option<u64>,
    /// How much of the disk is kept free, in MiB: below that no sandbox is made, no image imported and no snapshot
    /// taken. 256.
    pub keep_free: u64,
    /// After how long asleep a sandbox gives back what it can of its memory: what it holds of files, and where there is
    /// swap, all. None: it keeps it, and wakes without reading anything back.
    pub give_back_after: Option<Duration>,
    /// How the agent of a sandbox is started.
    pub agent: AgentCommand,
    /// How long what runs in sandboxes lives, where nobody ends it.
    pub lifetime: Lifetime,
    /// The file in which the host's address and key are left for clients of the same user.
    pub announce: Option<PathBuf>,
    /// Where each request is told of in a line of JSON, when its answer has ended: a file, which may be moved away to
    /// get a new one, or `-` for stdout.
    pub access_log: Option<PathBuf>,
    /// What is bounded, and by how much.
    pub limits: Limits,
    /// What time it is, for whatever expires.
    pub clock: Clock,
}

/// What becomes of requests while their sandbox wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum WhileWaking {
    /// They wait and are then forwarded.
    #[default]
    Hold,
    /// They are refused, as the platform's gateway does it. The first of them starts the waking.
    Reject(Refuse),
    /// Their connection is reset without an answer. The first of them starts the waking.
    Reset,
}

/// Which of its two URLs a preview says that it has. It answers at both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum PreviewUrls {
    /// `http://127.0.0.1:7878/preview/{id}`, which every program finds.
    #[default]
    ByPath,
    /// `http://{id}.preview.localhost:7878`: for clients that take nothing but the host of a URL, as the platform's previews
    /// have no path. Browsers find such names by themselves, programs where the system does (`nss-myhostname`,
    /// `systemd-resolved`).
    ByName,
}

/// How a request is refused while its sandbox wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Refuse {
    /// 503 with `Retry-After`.
    #[default]
    Status503,
    /// The documented 404 with the code `WORKLOAD_UNAVAILABLE`.
    Status404,
    /// The same with the proof of the vendor's draft that the request was not dispatched.
    Status404NotDispatched,
}

/// What is bounded, and by how much.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Connections at a time. Beyond that those leave that have shown no key, and then those that are idle. 4,096,
    /// less where fewer files may be open.
    pub connections: usize,
    /// Requests that wait for one sandbox to wake. 1,024.
    pub held: usize,
    /// Requests that wait for all sandboxes together. 8,192.
    pub held_in_all: usize,
    /// What they may hold in memory, in bytes. 64 MiB. A request holds its head, and of its body what was read before
    /// anybody takes it.
    pub held_bytes: u64,
    /// How long a request waits for its sandbox to wake. 60 s, after which the platform's clients give up.
    pub hold: Duration,
    /// How long a connection may take for the head of a request, and be without one. 60 s.
    pub head: Duration,
    /// How long an open but silent stream keeps its sandbox awake. 15 min, as on the platform.
    pub silence: Duration,
    /// How long requests in flight may go on when the host stops; new ones are refused meanwhile. 10 s.
    pub drain: Duration,
    /// How long the engine may take to wake a sandbox or to put it to sleep. 120 s.
    pub engine: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            held: 1024,
            held_in_all: 8192,
            held_bytes: 64 * 1024 * 1024,
            hold: Duration::from_secs(60),
            head: Duration::from_secs(60),
            silence: Duration::from_secs(15 * 60),
            drain: Duration::from_secs(10),
            engine: Duration::from_secs(120),
        }
    }
}

impl HostSettings {
    /// Where a host listens unless told otherwise.
    pub const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 7878);

    /// The defaults, with agents started by `agent` and everything kept in `data`.
    #[must_use]
    pub fn new(agent: AgentCommand, data: impl Into<PathBuf>) -> Self {
        Self {
            listen: Self::LISTEN,
            data: data.into(),
            key: None,
            workspace: "local".to_owned(),
            workspaces: Vec::new(),
            standby_after: Duration::from_secs(15),
            while_waking: WhileWaking::default(),
            preview_urls: PreviewUrls::default(),
            resume_delay: Duration::ZERO,
            network: Network::default(),
            processes: Allowance::PROCESSES,
            max_file: None,
            disk: None,
            keep_free: 256,
            give_back_after: None,
            agent,
            lifetime: Lifetime::default(),
            announce: None,
            access_log: None,
            limits: Limits::default(),
            clock: Clock::default(),
        }
    }

    /// What a sandbox may use whose record does not say.
    pub(crate) fn allowance(&self) -> Allowance {
        let mut allowance = Allowance::default();
        (allowance.processes, allowance.file, allowance.disk) = (self.processes, self.max_file, self.disk);
        allowance
    }

    /// Refuses what cannot work.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let refused = |message: String| Err(Error::new(ErrorKind::Settings, message));
        for workspace in self.workspaces.iter().chain([&self.workspace]) {
            can_be_workspace(workspace).or_else(refused)?;
        }
        if !control::PROCESS_COUNTS.contains(&self.processes) {
            let (least, most) = (control::PROCESS_COUNTS.start(), control::PROCESS_COUNTS.end());
            return refused(format!("a sandbox can have from {least} to {most} processes"));
        }
        let least = control::SMALLEST_DISK;
        if self.disk.is_some_and(|size| size < least) {
            return refused(format!("the disk of a sandbox has {least} MiB at the least"));
        }
        if self.max_file == Some(0) {
            return refused("the longest file of a sandbox is at least 1 MiB".to_owned());
        }
        let Some(key) = &self.key else { return Ok(()) };
        if !auth::can_be_key(key) {
            return refused("the API key must be visible ASCII characters, at least one".to_owned());
        }
        Ok(())
    }
}

impl fmt::Debug for HostSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostSettings")
            .field("listen", &self.listen)
            .field("data", &self.data)
            .field("workspace", &self.workspace)
            .field("standby_after", &self.standby_after)
            .field("while_waking", &self.while_waking)
            .field("resume_delay", &self.resume_delay)
            .field("announce", &self.announce)
            .finish_non_exhaustive()
    }
}

/// Whether something can be the name of a workspace; else why not.
pub(crate) fn can_be_workspace(name: &str) -> Result<(), String> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(plain) {
        return Err(format!(
            "{name:?} cannot be a workspace: use letters, digits, hyphens, underscores and dots"
        ));
    }
    if matches!(name, "v0" | "preview") {
        return Err(format!("a workspace cannot be called {name}: that is a path of the host's own"));
    }
    Ok(())
}

//! Taking over a life that an earlier host has begun.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

use super::super::Namespaces;
use super::super::cgroup::Cgroup;
use super::super::launch::reopen;
use super::super::limits::Bound;
use super::super::log::Log;
use super::super::outlet::Outlet;
use super::super::process::Process;
use super::super::signals;
use super::{Attending, LIMIT, Life, Mark, thread_of_its_own};
use crate::egress::{Domains, Egress, WayOut};

/// How long the way out that an earlier host has opened may stay open after it.
const LEFT_OPEN: Duration = Duration::from_millis(500);

/// A life that an earlier host has begun, and that goes on.
#[derive(Debug)]
pub(in super::super) struct Found {
    pub(in super::super) agent: Process,
    pub(in super::super) namespaces: Namespaces,
    pub(in super::super) cgroup: Option<Cgroup>,
    pub(in super::super) bound: Bound,
    pub(in super::super) mark: Mark,
    pub(in super::super) log: PathBuf,
    pub(in super::super) outlet: PathBuf,
}

/// What a life was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Rest {
    Awake,
    Asleep,
}

impl Life {
    /// Takes over one that an earlier host has begun. It reaches nothing of the outside until it is said what.
    pub(in super::super) fn take_over(
        found: Found,
        egress: &Egress,
        after: impl FnOnce(&str) + Send + 'static,
    ) -> io::Result<(Arc<Self>, Rest)> {
        let Found { agent, namespaces, cgroup, bound, mark, log, outlet } = found;
        let handle = agent.handle()?.ok_or(Errno::SRCH)?;
        let (log, outlet) = (Log::open(log)?, Outlet::find(outlet)?);
        let life = Self {
            agent,
            way_out: Mutex::new(way_out_again(agent, egress)?),
            namespaces,
            cgroup,
            bound,
            stopped: Mutex::default(),
            end: Mutex::default(),
            ended: Condvar::new(),
            let_go: eventfd(0, EventfdFlags::CLOEXEC)?,
        };
        let rest = life.settle()?;
        let life = Arc::new(life);
        let kept = Arc::clone(&life);
        let attended = Attending { handle, log, outlet, mark };
        thread_of_its_own(move || attended.until_the_end(&kept, after))?;
        Ok((life, rest))
    }

    /// Ends a freezing that its host may not have come to the end of.
    fn settle(&self) -> io::Result<Rest> {
        let is_asleep = match &self.cgroup {
            Some(cgroup) => cgroup.is_to_be_frozen()?,
            None => self.agent.is_stopped()?,
        };
        match &self.cgroup {
            _ if !is_asleep => return Ok(Rest::Awake),
            Some(cgroup) => cgroup.freeze(LIMIT)?,
            None => *self.stopped() = Some(signals::take_over(self.agent, LIMIT)?),
        }
        Ok(Rest::Asleep)
    }
}

/// Opens the way out of a sandbox of an earlier host once more, where it has a network of its own.
fn way_out_again(agent: Process, egress: &Egress) -> io::Result<Option<WayOut>> {
    if !agent.has_own_network()? {
        return Ok(None);
    }
    let network = agent.network()?;
    let give_up = Instant::now() + LEFT_OPEN;
    let opened = loop {
        match reopen(&network, egress.doors_inside()) {
            // Whoever had it lets go of it at about this time.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < give_up => {
                thread::sleep(Duration::from_millis(5));
            }
            opened => break opened,
        }
    };
    match opened {
        Ok(listeners) => Ok(Some(egress.answer(listeners, Domains::none().into()))),
        Err(error) => {
            tracing::warn!(%error, "a sandbox that was taken over reaches nothing of the outside");
            Ok(None)
        }
    }
}

//! What the endpoints share.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use crate::arguments::Arguments;
use crate::boot::Boot;
use crate::domain::Domain;
use crate::drives::Drives;
use crate::network::Monitors;
use crate::process::Processes;
use crate::system::HealthReport;
use crate::terminal::Sessions;
use crate::upgrade::{Taken, Upgrades};

/// The agent itself. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    started: SystemTime,
    boot: Boot,
    health_report: HealthReport,
    processes: Processes,
    drives: Drives,
    terminals: Sessions,
    monitors: Monitors,
    upgrades: Upgrades,
}

impl Agent {
    /// An agent that begins with nothing.
    pub(crate) fn fresh(arguments: &Arguments, domain: Domain) -> Self {
        let (started, boot) = (SystemTime::now(), Boot::new());
        let inner = Inner {
            started,
            health_report: HealthReport::new(started, &boot),
            boot,
            processes: Processes::new(arguments.output_kept, domain, arguments.user.clone()),
            drives: Drives::new(arguments.drives.clone(), Vec::new()),
            terminals: Sessions::default(),
            monitors: Monitors::default(),
            upgrades: Upgrades::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// An agent that goes on where the program before it left off.
    pub(crate) fn resumed(arguments: &Arguments, domain: Domain, mut taken: Taken) -> io::Result<Self> {
        let started = taken.state.started();
        let processes = Processes::new(arguments.output_kept, domain, arguments.user.clone());
        let mut files = taken.files.into_iter();
        processes.restore(taken.state.processes, &mut taken.output, &mut files)?;
        let terminals = Sessions::default();
        terminals.restore(taken.state.terminals, &mut taken.output, files.collect(), &processes)?;
        let inner = Inner {
            started,
            health_report: HealthReport::new(started, &taken.state.boot),
            boot: taken.state.boot,
            processes,
            drives: Drives::new(arguments.drives.clone(), taken.state.mounts),
            terminals,
            monitors: Monitors::default(),
            upgrades: Upgrades::resumed(taken.state.upgrades),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The processes that were started through it.
    pub(crate) fn processes(&self) -> &Processes {
        &self.inner.processes
    }

    /// The drives that can be mounted.
    pub(crate) fn drives(&self) -> &Drives {
        &self.inner.drives
    }

    /// The terminals that were opened in it.
    pub(crate) fn terminals(&self) -> &Sessions {
        &self.inner.terminals
    }

    /// Who is told of ports that open.
    pub(crate) fn monitors(&self) -> &Monitors {
        &self.inner.monitors
    }

    /// Its upgrades.
    pub(crate) fn upgrades(&self) -> &Upgrades {
        &self.inner.upgrades
    }

    /// Which life of the sandbox this is.
    pub(crate) fn boot(&self) -> &Boot {
        &self.inner.boot
    }

    /// What it says of its health.
    pub(crate) fn health_report(&self) -> &HealthReport {
        &self.inner.health_report
    }

    /// When it started. An upgrade is no start.
    pub(crate) fn started(&self) -> SystemTime {
        self.inner.started
    }
}

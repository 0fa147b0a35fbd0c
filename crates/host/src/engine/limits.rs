//! What a sandbox may use of its machine, and what sees to it.

use std::fmt;

use serde::Serialize;

/// What a sandbox may use. What the machine cannot bound is said in its [`Isolation`](super::Isolation).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Allowance {
    /// Memory of all its processes together, with what they keep in memory as files, in MiB.
    pub memory: u64,
    /// Processes at a time, counted as the kernel does: each thread is one.
    pub processes: u32,
    /// Processors.
    pub cpus: Cpus,
    /// The longest file that it can write, in MiB; none: as long as the disk has room.
    pub file: Option<u64>,
    /// What its files may take on the disk, in MiB, all together; none: as much as the disk has room for. A sandbox that
    /// has kept files without this goes on without it, and none gets less than it had.
    pub disk: Option<u64>,
}

impl Allowance {
    /// The memory of a sandbox where nobody says it, in MiB, as on the platform.
    pub const MEMORY: u64 = 4096;
    /// The processes of a sandbox where nobody says it: room for a browser or a parallel build, and fifteen such
    /// sandboxes before the machine has given out its usual 32,768 numbers.
    pub const PROCESSES: u32 = 2048;

    /// So much memory in MiB, and the processors that come with it.
    #[must_use]
    pub fn of_memory(megabytes: u64) -> Self {
        let cpus = Cpus::of_memory(megabytes);
        Self { memory: megabytes, processes: Self::PROCESSES, cpus, file: None, disk: None }
    }
}

impl Default for Allowance {
    fn default() -> Self {
        Self::of_memory(Self::MEMORY)
    }
}

/// How many processors, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cpus(u32);

impl Cpus {
    /// The fewest: the kernel shares out a processor in slices of a millisecond in each tenth of a second.
    pub const FEWEST: Self = Self(10);
    /// The most that can be said.
    pub const MOST: Self = Self(1_000_000);

    /// So many thousandths of a processor; none where that is below [`Cpus::FEWEST`] or above [`Cpus::MOST`].
    #[must_use]
    pub fn thousandths(number: u32) -> Option<Self> {
        (Self::FEWEST.0..=Self::MOST.0).contains(&number).then_some(Self(number))
    }

    /// What comes with so many MiB of memory: one processor for 2,048, as on the platform (its clients' reference of
    /// `runtime.memory`).
    #[must_use]
    pub fn of_memory(megabytes: u64) -> Self {
        let number = megabytes.saturating_mul(1000) / 2048;
        Self(u32::try_from(number).unwrap_or(u32::MAX)).clamp(Self::FEWEST, Self::MOST)
    }

    /// In thousandths of a processor.
    #[must_use]
    pub fn as_thousandths(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Cpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", f64::from(self.0) / 1000.0)
    }
}

/// What sees to it that sandboxes use no more than they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Limiters {
    /// Of memory.
    pub memory: Limiter,
    /// Of processes.
    pub processes: Limiter,
    /// Of processors.
    pub cpu: Limiter,
    /// Of what is kept on the disk: by sandboxes whose record says a size, and in volumes that are made here.
    pub disk: Limiter,
}

/// What sees to one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Limiter {
    /// A cgroup (version 2): the whole of a sandbox together.
    Cgroup2,
    /// A cgroup (version 1): the whole of a sandbox together.
    Cgroup1,
    /// A limit of its processes: of their number for the user of the sandbox, of memory for each by itself.
    Rlimit,
    /// A file with a file system of its own.
    Image,
    /// Nothing.
    None,
}

impl Limiters {
    /// Nothing is bound.
    pub const NONE: Self =
        Self { memory: Limiter::None, processes: Limiter::None, cpu: Limiter::None, disk: Limiter::None };
}

impl fmt::Display for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Cgroup2 => "by cgroup 2",
            Self::Cgroup1 => "by cgroup 1",
            Self::Rlimit => "by rlimit",
            Self::Image => "by images",
            Self::None => "not bound",
        })
    }
}

impl fmt::Display for Limiters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "memory {}, processes {}, cpu {}, disk {}",
            self.memory, self.processes, self.cpu, self.disk
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_brings_processors_along_as_on_the_platform() {
        for (megabytes, said) in [(4096, "2"), (2048, "1"), (128, "0.062"), (0, "0.01"), (u64::MAX, "1000")] {
            assert_eq!(Cpus::of_memory(megabytes).to_string(), said, "{megabytes}");
        }
        assert_eq!(Cpus::thousandths(9), None);
        assert_eq!(Cpus::thousandths(1_000_001), None);
        assert_eq!(Cpus::thousandths(1500).map(|cpus| cpus.to_string()).as_deref(), Some("1.5"));
    }
}

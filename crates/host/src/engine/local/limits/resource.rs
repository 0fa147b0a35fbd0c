use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::thread::available_parallelism;

use serde::{Deserialize, Serialize};

use crate::engine::{Allowance, Cpus};

/// Takes what can be taken of the memory of a cgroup of version 2: what files hold, and where there is swap, the rest.
pub(super) fn reclaim_version_2(cgroup: &Path) -> io::Result<()> {
    let used = fs::read_to_string(cgroup.join("memory.current"))?;
    taken(write(cgroup, "memory.reclaim", used.trim()))
}

/// The same of one of version 1.
pub(super) fn reclaim_version_1(cgroup: &Path) -> io::Result<()> {
    taken(write(cgroup, "memory.force_empty", 0))
}

/// Less than all is as good.
fn taken(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ResourceBusy) => {
            Ok(())
        }
        other => other,
    }
}

/// What a processor is shared out in, in microseconds: the kernel's usual period.
const PERIOD: u64 = 100_000;

/// Something that sandboxes use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Resource {
    Memory,
    Processes,
    Cpu,
}

impl Resource {
    pub(super) const ALL: [Self; 3] = [Self::Memory, Self::Processes, Self::Cpu];

    /// What it is called among the controllers of cgroups, in both versions.
    pub(super) fn controller(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Processes => "pids",
            Self::Cpu => "cpu",
        }
    }

    /// Bounds it in a cgroup of version 2.
    pub(super) fn set_version_2(self, cgroup: &Path, allowance: &Allowance) -> io::Result<()> {
        match self {
            Self::Memory => write(cgroup, "memory.max", bytes(allowance)),
            Self::Processes => write(cgroup, "pids.max", allowance.processes),
            Self::Cpu => match quota(allowance.cpus, processors()) {
                Some(quota) => write(cgroup, "cpu.max", format_args!("{quota} {PERIOD}")),
                None => write(cgroup, "cpu.max", format_args!("max {PERIOD}")),
            },
        }
    }

    /// Bounds it in a cgroup of version 1.
    pub(super) fn set_version_1(self, cgroup: &Path, allowance: &Allowance) -> io::Result<()> {
        match self {
            Self::Memory => {
                let bytes = bytes(allowance);
                // The limit of memory and swap together may at no moment be below that of memory.
                with_swap(cgroup, "-1")?;
                write(cgroup, "memory.limit_in_bytes", bytes)?;
                with_swap(cgroup, bytes)
            }
            Self::Processes => write(cgroup, "pids.max", allowance.processes),
            Self::Cpu => {
                write(cgroup, "cpu.cfs_period_us", PERIOD)?;
                match quota(allowance.cpus, processors()) {
                    Some(quota) => write(cgroup, "cpu.cfs_quota_us", quota),
                    None => write(cgroup, "cpu.cfs_quota_us", "-1"),
                }
            }
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Processes => "processes",
            Self::Cpu => "processors",
        })
    }
}

fn bytes(allowance: &Allowance) -> u64 {
    allowance.memory.saturating_mul(1 << 20)
}

fn processors() -> u64 {
    available_parallelism().map_or(1, |number| number.get() as u64)
}

/// How many microseconds of each period; none where that is all that the machine has.
fn quota(cpus: Cpus, processors: u64) -> Option<u64> {
    let thousandths = u64::from(cpus.as_thousandths());
    (thousandths < processors * 1000).then_some(thousandths * PERIOD / 1000)
}

/// Kernels can be without accounting of swap.
fn with_swap(cgroup: &Path, value: impl fmt::Display) -> io::Result<()> {
    match write(cgroup, "memory.memsw.limit_in_bytes", value) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Writes to a file of a cgroup, which is there.
fn write(cgroup: &Path, file: &str, value: impl fmt::Display) -> io::Result<()> {
    use io::Write as _;
    let mut file = fs::File::options().write(true).open(cgroup.join(file))?;
    file.write_all(value.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_machine_has_altogether_is_not_shared_out() {
        let cpus = |thousandths| Cpus::thousandths(thousandths).unwrap();
        assert_eq!(quota(cpus(1500), 2), Some(150_000));
        assert_eq!(quota(cpus(10), 1), Some(1000));
        assert_eq!(quota(cpus(2000), 2), None);
    }

    /// Files in place of a cgroup's, as this machine need not have those of version 2.
    #[test]
    fn both_versions_are_told_what_they_understand() {
        let cgroup = tempfile::tempdir().unwrap();
        let place = cgroup.path();
        let mut allowance = Allowance::of_memory(512);
        allowance.cpus = Cpus::FEWEST;
        let files = ["memory.max", "pids.max", "cpu.max"];
        let files_1 = ["memory.limit_in_bytes", "cpu.cfs_period_us", "cpu.cfs_quota_us"];
        for file in files.iter().chain(&files_1) {
            fs::write(place.join(file), "").unwrap();
        }
        for resource in Resource::ALL {
            resource.set_version_2(place, &allowance).unwrap();
        }
        let said = |file: &str| fs::read_to_string(place.join(file)).unwrap();
        assert_eq!(files.map(said), ["536870912", "2048", "1000 100000"]);
        for resource in Resource::ALL {
            resource.set_version_1(place, &allowance).unwrap();
        }
        assert_eq!(files_1.map(said), ["536870912", "100000", "1000"]);
        assert!(!place.join("memory.memsw.limit_in_bytes").exists());
    }
}

//! What a sandbox may use, where its record says it.

use std::ops::RangeInclusive;

use reveille_wire::Sandbox;

use crate::engine::{Allowance, Cpus};

/// The labels for what the platform has no place for.
const CPUS: &str = "cpus";
const DISK: &str = "disk";
const MAX_FILE: &str = "max-file";
const PROCESSES: &str = "processes";

/// How many processes a sandbox can have: an agent has some threads itself, and a command begins with a shell; no
/// kernel has more numbers (`PID_MAX_LIMIT`).
pub(crate) const PROCESS_COUNTS: RangeInclusive<u32> = 32..=4 << 20;
/// The largest size that can be said of what is on a disk, in MiB: a tebibyte.
const LARGEST: u64 = 1 << 20;
/// The smallest disk, in MiB: what a file system with a journal needs, and some room.
pub(crate) const SMALLEST_DISK: u64 = 16;

/// What a record says of it; what it does not say is as in `usual`.
///
/// # Errors
/// A sentence, where it cannot be understood.
pub(in super::super) fn allowance(sandbox: &Sandbox, usual: Allowance) -> Result<Allowance, String> {
    let memory = sandbox.spec.runtime.as_ref().and_then(|runtime| runtime.memory);
    let mut allowance = Allowance::of_memory(memory.unwrap_or(usual.memory));
    (allowance.processes, allowance.file, allowance.disk) = (usual.processes, usual.file, usual.disk);
    let label = |name: &str| sandbox.metadata.labels.get(name);
    if let Some(said) = label(CPUS) {
        allowance.cpus = cpus(said).ok_or_else(|| {
            format!("the label {CPUS} is a number of processors like 2 or 0.5, not {said:?}")
        })?;
    }
    if let Some(said) = label(PROCESSES) {
        let number = digits(said).and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| PROCESS_COUNTS.contains(number));
        allowance.processes = number.ok_or_else(|| {
            let (least, most) = (PROCESS_COUNTS.start(), PROCESS_COUNTS.end());
            format!("the label {PROCESSES} is a number from {least} to {most}, not {said:?}")
        })?;
    }
    if let Some(said) = label(MAX_FILE) {
        let size = megabytes(said)
            .ok_or_else(|| format!("the label {MAX_FILE} is a size like 512m or 4g, not {said:?}"))?;
        allowance.file = Some(size);
    }
    if let Some(said) = label(DISK) {
        let size = megabytes(said).filter(|size| *size >= SMALLEST_DISK);
        let size = size.ok_or_else(|| {
            format!("the label {DISK} is a size from {SMALLEST_DISK}m on, like 512m or 4g, not {said:?}")
        })?;
        allowance.disk = Some(size);
    }
    Ok(allowance)
}

/// `2`, `0.5`: with three digits after the point at the most.
fn cpus(text: &str) -> Option<Cpus> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if part.len() > 3 {
        return None;
    }
    let thousandths = digits(whole)?.checked_mul(1000)?.checked_add(digits(&format!("{part:0<3}"))?)?;
    Cpus::thousandths(u32::try_from(thousandths).ok()?)
}

/// `512m`, `4g`, in MiB.
fn megabytes(text: &str) -> Option<u64> {
    let size = match (text.strip_suffix('m'), text.strip_suffix('g')) {
        (Some(number), _) => digits(number)?,
        (_, Some(number)) => digits(number)?.checked_mul(1024)?,
        _ => return None,
    };
    (1..=LARGEST).contains(&size).then_some(size)
}

fn digits(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use reveille_wire::SandboxRuntime;

    fn said(label: &str, value: &str) -> Result<Allowance, String> {
        let mut sandbox = Sandbox::default();
        sandbox.metadata.labels.insert(label.to_owned(), value.to_owned());
        allowance(&sandbox, Allowance::default())
    }

    #[test]
    fn what_a_record_does_not_say_is_as_usual() {
        let usual = Allowance { processes: 99, file: Some(7), disk: Some(64), ..Allowance::default() };
        assert_eq!(allowance(&Sandbox::default(), usual), Ok(usual));
        let mut sandbox = Sandbox::default();
        sandbox.spec.runtime.get_or_insert_with(SandboxRuntime::default).memory = Some(1024);
        let said = allowance(&sandbox, usual).unwrap();
        assert_eq!((said.memory, said.cpus, said.processes), (1024, Cpus::of_memory(1024), 99));
    }

    #[test]
    fn labels_say_what_the_platform_has_no_place_for() {
        let thousandths = |text| said(CPUS, text).map(|it| it.cpus.as_thousandths());
        for (text, is) in [("2", 2000), ("0.5", 500), ("1.25", 1250), ("0.01", 10), ("1000", 1_000_000)] {
            assert_eq!(thousandths(text), Ok(is), "{text}");
        }
        assert_eq!(said(PROCESSES, "512").unwrap().processes, 512);
        assert_eq!(said(MAX_FILE, "512m").unwrap().file, Some(512));
        assert_eq!(said(MAX_FILE, "4g").unwrap().file, Some(4096));
        assert_eq!(said(DISK, "2g").unwrap().disk, Some(2048));
        for wrong in ["", "15m", "0", "16", "-16m"] {
            assert!(said(DISK, wrong).unwrap_err().contains(DISK), "{wrong}");
        }
        for wrong in ["", "0", "-1", "+1", "1.2345", "0.001", "1001", "a", ".", "1e3", "99999999999999999999"]
        {
            assert!(said(CPUS, wrong).unwrap_err().contains(CPUS), "{wrong}");
        }
        for wrong in ["", "0", "31", "4194305", "-1", "1.5", "99999999999999999999"] {
            assert!(said(PROCESSES, wrong).unwrap_err().contains(PROCESSES), "{wrong}");
        }
        for wrong in ["", "0m", "m", "512", "-1m", "2t", "1048577m", "99999999999999999999g"] {
            assert!(said(MAX_FILE, wrong).unwrap_err().contains(MAX_FILE), "{wrong}");
        }
    }
}

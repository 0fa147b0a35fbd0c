//! Signals that the agent was started to ignore, as what `nohup` starts does, and what a script starts in the background.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Where the kernel tells of it (proc_pid_status(5)).
const STATUS: &str = "/proc/self/status";
/// The last of the standard signals (signal(7)).
const LAST: i32 = 31;

/// Goes on ignoring them, in a way that nobody inherits: what is ignored stays so in every program that is started, and
/// what is caught is as usual again. A hang-up of a terminal is to reach its shell however the host was started.
///
/// # Errors
/// When the kernel does not tell which they are.
pub(crate) fn keep_to_ourselves() -> io::Result<()> {
    let status = std::fs::read_to_string(STATUS)?;
    for number in ignored(&status).filter(|number| *number != nix::libc::SIGPIPE) {
        // Whoever is started finds SIGPIPE as usual in any case. What cannot be caught cannot be ignored either.
        if let Err(error) = signal(SignalKind::from_raw(number)) {
            tracing::debug!(number, %error, "what is started will ignore a signal");
        }
    }
    Ok(())
}

/// The numbers of those that are ignored.
fn ignored(status: &str) -> impl Iterator<Item = i32> + use<> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    (1..=LAST).filter(move |number| mask >> (number - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_mask_is_read_by_its_bits() {
        assert_eq!(ignored("Name:\tx\nSigIgn:\t0000000000001007\n").collect::<Vec<_>>(), [1, 2, 3, 13]);
        for none in ["", "SigIgn:\t0000000000000000", "SigIgn:\tffffffff00000000", "SigIgn:\tx"] {
            assert_eq!(ignored(none).count(), 0, "{none}");
        }
    }
}

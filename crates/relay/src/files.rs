//! How many files this process may have open.

/// How many of so many connections the system allows. The limit of files that may be open is raised for them where that
/// is allowed.
#[cfg(unix)]
pub(crate) fn connections(wanted: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // One to the client, one to the platform, one for a probe beside it, and room for everything else.
    let needed = (wanted as u64).saturating_mul(3).saturating_add(256);
    let soft = current.unwrap_or(u64::MAX);
    let raised = needed.min(maximum.unwrap_or(u64::MAX));
    let limit = Rlimit { current: Some(raised), maximum };
    let files = if raised > soft && setrlimit(Resource::Nofile, limit).is_ok() { raised } else { soft };
    let possible = usize::try_from(files.saturating_sub(128) / 3).unwrap_or(usize::MAX);
    wanted.min(possible).max(1)
}

/// The same where there is no such limit.
#[cfg(not(unix))]
pub(crate) fn connections(wanted: usize) -> usize {
    wanted.max(1)
}

//! What the host and the client tell of themselves, for whoever asks for it with `REVEILLE_LOG`.

use tracing_subscriber::EnvFilter;

/// Begins to write events to stderr: warnings, or what `REVEILLE_LOG` says (`debug`, `reveille=trace`).
pub(crate) fn begin() {
    let filter = EnvFilter::try_from_env("REVEILLE_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    // Whether there are colours is asked at each event: a host in the background has a file in place of its terminal.
    let begun = tracing_subscriber::fmt().with_env_filter(filter).with_writer(anstream::stderr).try_init();
    // Somebody else listens already.
    drop(begun);
}

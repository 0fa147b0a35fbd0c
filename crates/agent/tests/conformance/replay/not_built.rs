//! What the agent does not serve yet.

/// The cases that need an endpoint which is not built. One that begins to hold has to be taken off.
pub(crate) const NOT_BUILT: &[&str] = &[
    "codegen: without a key",
    "mcp: files",
    "mcp: initialize",
    "mcp: misuse",
    "mcp: processes",
    "mcp: tools",
    "network: monitor",
    "network: odd pids",
    "network: ports of a process",
    "network: tunnel configuration, refused",
    "process: wait for a port",
];

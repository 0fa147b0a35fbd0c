//! One record as JSON.

use std::io;
use std::path::Path;

use reveille_wire::{Sandbox, SandboxName};
use serde::{Deserialize, Serialize};

/// The version of the file's form. Raised when an older host could no longer read it.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Written<'a> {
    version: u32,
    sandbox: &'a Sandbox,
}

#[derive(Deserialize)]
struct Version {
    version: u32,
}

#[derive(Deserialize)]
struct Read {
    sandbox: Sandbox,
}

pub(super) fn write(sandbox: &Sandbox) -> io::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(&Written { version: VERSION, sandbox })?)
}

/// Reads a record, or says in one line why it cannot be read.
pub(super) fn read(path: &Path) -> Result<Sandbox, String> {
    let json = std::fs::read(path).map_err(|error| error.to_string())?;
    let Version { version } = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    if version != VERSION {
        return Err(format!("it is of version {version}, and this host reads version {VERSION}"));
    }
    let Read { sandbox } = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
    let name = SandboxName::new(sandbox.metadata.name.clone()).map_err(|error| error.to_string())?;
    if path.file_stem().is_none_or(|stem| stem != name.as_str()) {
        return Err(format!("it is the record of {name}"));
    }
    Ok(sandbox)
}

//! What an agent has to know to go on where another left off.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::time::{Duration, SystemTime};

use reveille_wire::DriveMount;
use serde::{Deserialize, Serialize};

use super::Told;
use crate::boot::Boot;
use crate::process::SavedProcess;
use crate::terminal::SavedSession;

/// The name of this form of hand-over. It changes whenever an older program could not read a newer one's.
pub(crate) const FORMAT: &str = "reveille hand-over 2";

/// What is handed over, but for output and open files, which go beside it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// When the agent started, in milliseconds since 1970.
    pub(crate) started: u64,
    pub(crate) boot: Boot,
    pub(crate) upgrades: Told,
    pub(crate) mounts: Vec<DriveMount>,
    pub(crate) processes: Vec<SavedProcess>,
    pub(crate) terminals: Vec<SavedSession>,
}

impl State {
    /// When the agent started.
    pub(crate) fn started(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_millis(self.started)
    }

    /// Writes it behind the output, with its own length at the very end.
    pub(crate) fn write(&self, to: &mut File) -> io::Result<()> {
        let json = serde_json::to_vec(self)?;
        to.write_all(&json)?;
        to.write_all(&(json.len() as u64).to_le_bytes())
    }

    /// Reads what [`State::write`] wrote, and leaves `from` at the start of the output.
    pub(crate) fn read(from: &mut File) -> io::Result<Self> {
        let mut length = [0; 8];
        from.seek(SeekFrom::End(-8))?;
        from.read_exact(&mut length)?;
        let length = u64::from_le_bytes(length);
        let back = i64::try_from(length).map_err(io::Error::other)?;
        from.seek(SeekFrom::End(-8 - back))?;
        let mut json = Vec::new();
        Read::by_ref(from).take(length).read_to_end(&mut json)?;
        from.rewind()?;
        Ok(serde_json::from_slice(&json)?)
    }
}

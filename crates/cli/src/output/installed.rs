use std::io;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{Format, Screen};

impl Screen {
    /// Files that were put where others look for them.
    pub(crate) fn installed(&self, written: &[PathBuf], zsh: &Path) -> io::Result<()> {
        if self.format == Format::Json {
            return self.json(&json!({"written": written}));
        }
        for path in written {
            self.line(format_args!("{}", path.display()))?;
        }
        self.note("a new shell knows it; zsh needs this in ~/.zshrc, before compinit:");
        self.note(format_args!("  fpath+=({})", zsh.display()));
        Ok(())
    }
}

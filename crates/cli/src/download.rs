use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::report::Failure;

/// A file that appears under its name only once it is whole. Dropped before, it leaves nothing behind.
#[derive(Debug)]
pub(crate) struct Download {
    path: PathBuf,
    place: Place,
    size: u64,
}

#[derive(Debug)]
enum Place {
    /// Beside the file that it will be.
    Beside(BufWriter<NamedTempFile>),
    /// A pipe, a terminal or a device, which cannot be replaced.
    There(BufWriter<File>),
}

impl Download {
    pub(crate) fn begin(path: &Path) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| Failure::io(path.display(), &error);
        let known = path.metadata().ok();
        if known.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            return Err(
                Failure::new(format!("{}: it is a directory", path.display())).next("name a file in it")
            );
        }
        if known.as_ref().is_some_and(|known| !known.is_file()) {
            let file = File::options().write(true).open(path).map_err(failed)?;
            return Ok(Self { path: path.to_owned(), place: Place::There(BufWriter::new(file)), size: 0 });
        }
        // What a link points to is replaced, not the link.
        let path = if known.is_some() { path.canonicalize().map_err(failed)? } else { path.to_owned() };
        let directory =
            path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut making = tempfile::Builder::new();
        making.prefix(".reveille-");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = known.map_or(0o666, |known| known.permissions().mode());
            making.permissions(std::fs::Permissions::from_mode(mode));
        }
        let file = making.tempfile_in(directory).map_err(failed)?;
        Ok(Self { path, place: Place::Beside(BufWriter::new(file)), size: 0 })
    }

    pub(crate) fn write(&mut self, piece: &[u8]) -> Result<(), Failure> {
        self.size += piece.len() as u64;
        let written = match &mut self.place {
            Place::Beside(file) => file.write_all(piece),
            Place::There(file) => file.write_all(piece),
        };
        written.map_err(|error| Failure::io(self.path.display(), &error))
    }

    /// Puts the file under its name, and says how large it is.
    pub(crate) fn finish(self) -> Result<u64, Failure> {
        let Self { path, place, size } = self;
        let failed = |error: std::io::Error| Failure::io(path.display(), &error);
        match place {
            Place::There(mut file) => file.flush().map_err(failed)?,
            Place::Beside(file) => {
                let file = file.into_inner().map_err(|error| failed(error.into_error()))?;
                file.persist(&path).map_err(|error| failed(error.error))?;
            }
        }
        Ok(size)
    }
}

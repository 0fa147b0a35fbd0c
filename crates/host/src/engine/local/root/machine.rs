//! What a root has of the machine.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{StatVfsMountFlags, statvfs};
use rustix::mount::MountFlags;

use super::secrets::{self, Secret};
use super::{Act, Ingredients, Layers, Make, make_directory, make_link};

/// The directories of the machine that hold programs and what they need.
const PROGRAMS: [&str; 9] = ["usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32", "opt", "nix"];
const ETC: &str = "etc";

/// What there is on this machine. Looked at once, when an engine starts.
#[derive(Debug)]
pub(in super::super) struct Machine {
    parts: Vec<Part>,
    secrets: Vec<Secret>,
}

#[derive(Debug)]
struct Part {
    name: &'static str,
    kind: PartKind,
}

#[derive(Debug)]
enum PartKind {
    Directory,
    Link(PathBuf),
}

impl Machine {
    /// Looks at this machine.
    ///
    /// # Errors
    /// When `/etc` cannot be read.
    pub(in super::super) fn look() -> io::Result<Self> {
        let parts = PROGRAMS.into_iter().chain([ETC]).filter_map(|name| {
            let path = Path::new("/").join(name);
            let found = fs::symlink_metadata(&path).ok()?;
            let kind = if found.is_symlink() {
                PartKind::Link(fs::read_link(&path).ok()?)
            } else if found.is_dir() {
                PartKind::Directory
            } else {
                return None;
            };
            Some(Part { name, kind })
        });
        Ok(Self { parts: parts.collect(), secrets: secrets::find(Path::new("/etc"))? })
    }
}

/// Lays the machine's part of a root.
pub(super) fn lay(make: &mut Make, of: &Ingredients<'_>) -> io::Result<()> {
    for part in &of.machine.parts {
        let at = make.own.join(part.name);
        match &part.kind {
            PartKind::Link(to) => make_link(&to.to_string_lossy(), &at)?,
            PartKind::Directory => {
                make_directory(&at, 0o755)?;
                lay_directory(make, of, part.name, &at)?;
            }
        }
    }
    Ok(())
}

fn lay_directory(make: &mut Make, of: &Ingredients<'_>, name: &str, at: &Path) -> io::Result<()> {
    let lower = Path::new("/").join(name);
    match of.layers {
        Layers::Writable => {
            let layer = of.directory.join("layers").join(name);
            let (upper, work) = (layer.join("upper"), layer.join("work"));
            fs::create_dir_all(&work)?;
            make_directory(&upper, 0o755)?;
            if name == ETC {
                secrets::hide(&of.machine.secrets, &upper)?;
                say_who_it_is(&upper, of.hostname)?;
            }
            make.acts.push(Act::overlay(&lower, &upper, &work, at)?);
        }
        // A read-only bind could hide nothing, so what everybody may read is copied.
        Layers::ReadOnly if name == ETC => {
            secrets::copy_the_rest(&lower, at, &of.machine.secrets)?;
            say_who_it_is(at, of.hostname)?;
        }
        Layers::ReadOnly => {
            make.acts.push(Act::bind(&lower, at)?);
            make.acts.push(Act::read_only(at, flags_of(&lower)?)?);
        }
    }
    Ok(())
}

/// The files by which a machine knows its own name and those of others. What a sandbox has changed stays.
pub(super) fn say_who_it_is(etc: &Path, hostname: Option<&str>) -> io::Result<()> {
    let Some(hostname) = hostname else { return Ok(()) };
    let hosts =
        format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t{hostname}\n");
    let resolve = fs::read("/etc/resolv.conf").unwrap_or_default();
    for (name, text) in [
        ("hosts", hosts.as_bytes()),
        ("hostname", format!("{hostname}\n").as_bytes()),
        ("resolv.conf", &resolve),
    ] {
        let file = etc.join(name);
        if fs::symlink_metadata(&file).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            fs::write(file, text)?;
        }
    }
    Ok(())
}

/// The flags of a mount that an unprivileged namespace may not take away, and that have to be said again when the
/// mount is changed.
pub(super) fn flags_of(path: &Path) -> io::Result<MountFlags> {
    let has = statvfs(path)?.f_flag;
    let kept = [
        (StatVfsMountFlags::NOSUID, MountFlags::NOSUID),
        (StatVfsMountFlags::NODEV, MountFlags::NODEV),
        (StatVfsMountFlags::NOEXEC, MountFlags::NOEXEC),
        (StatVfsMountFlags::NOATIME, MountFlags::NOATIME),
        (StatVfsMountFlags::NODIRATIME, MountFlags::NODIRATIME),
        (StatVfsMountFlags::RELATIME, MountFlags::RELATIME),
    ];
    let flags = kept.into_iter().filter(|(flag, _)| has.contains(*flag)).map(|(_, flag)| flag);
    Ok(flags.fold(MountFlags::empty(), |all, flag| all | flag))
}

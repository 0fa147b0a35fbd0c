//! Mounts inside a sandbox.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::ExitCode;

use libtest_mimic::Failed;

use reveille_host::engine::{Access, Attached, Attachment, Engine as _, Limiter};
use reveille_wire::{DriveName, MountPath};

use super::Statement;
use super::ground::{Ground, Rung, fresh_name};

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("a mount is seen inside only, and survives its sandbox", mount_is_private),
    ("what has a pid namespace sees only itself", own_pids),
    ("a volume that is a disk is refused where it cannot be mounted, with the reason", disk_without_a_root),
    ("files have the owners inside that they have outside", owners),
];

const MOUNTED: &str = "
drives=/run/reveille/drives
[ -d $drives ] || drives=../../drives
mkdir -p $drives/data here
\"$0\" bind $drives/data here && echo in the drive > here/file
if [ -e here/file ]; then echo mounted > result; else echo not mounted > result; fi
";

fn mount_is_private(rung: &Rung) -> Result<(), Failed> {
    if !rung.namespaces.can_mount() {
        return Ok(());
    }
    let ground = Ground::new(rung, MOUNTED);
    let name = fresh_name("mounts");
    ground.create(&name);
    assert_eq!(ground.written(&name, "result"), "mounted\n");
    assert!(!ground.file(&name, "here/file").exists());
    let drive = fs::canonicalize(ground.file(&name, "../../drives/data/file"))?;
    ground.sleep(&name);
    ground.delete(&name);
    assert_eq!(fs::read_to_string(drive)?, "in the drive\n");
    Ok(())
}

/// Binds one directory to another, as an agent does.
pub(crate) fn bind(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(drive), Some(place)) = (arguments.next(), arguments.next()) else { return ExitCode::FAILURE };
    match rustix::mount::mount_bind(drive, place) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn own_pids(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "echo $$ > pid; ls -d /proc/[0-9]* | wc -l > seen\n");
    let name = fresh_name("pids");
    ground.create(&name);
    let (pid, seen) = (ground.written(&name, "pid"), ground.written(&name, "seen"));
    if rung.namespaces.has_pid() {
        assert_eq!(pid, "1\n");
        assert!(seen.trim().parse::<u32>()? < 5, "{seen}");
    }
    Ok(())
}

fn disk_without_a_root(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    if ground.engine.isolation().limits.disk == Limiter::Image {
        return Ok(());
    }
    let volume = DriveName::new("v")?;
    // Where no disks are made, it is a directory.
    ground.wait(ground.engine.size_volume(&volume, 64))?;
    let place = ground.directory.join("engine/volumes/v");
    assert!(place.is_dir());
    fs::remove_dir(&place)?;
    fs::write(&place, "")?;
    let (path, access) = (MountPath::new("/data")?, Access::ReadWrite);
    let attachment = Attachment { path, what: Attached::Volume { name: volume, access } };
    let plan = ground.plan(&fresh_name("attached")).with_attachments([attachment]);
    let refused = ground.wait(ground.engine.create(plan, ground.next())).unwrap_err().to_string();
    assert!(refused.contains("the volume v: ") && refused.contains("only root"), "{refused}");
    Ok(())
}

fn owners(rung: &Rung) -> Result<(), Failed> {
    let script = "touch file; chown 1234:1234 file 2>/dev/null; stat -c %u file > owner; id -u > me\n";
    let ground = Ground::new(rung, script);
    let name = fresh_name("owners");
    ground.create(&name);
    let me = rustix::process::geteuid();
    assert_eq!(ground.written(&name, "me").trim(), me.as_raw().to_string());
    let inside: u32 = ground.written(&name, "owner").trim().parse()?;
    assert_eq!(inside, if me.is_root() { 1234 } else { me.as_raw() });
    assert_eq!(fs::metadata(ground.file(&name, "file"))?.uid(), inside);
    ground.delete(&name);
    Ok(())
}

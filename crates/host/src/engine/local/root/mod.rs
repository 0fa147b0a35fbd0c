//! A sandbox's own root: the programs of the machine below a layer of its own, and nothing else of the machine.
//!
//! The host prepares it: directories on the disk, and a list of mounts. The child of a launch carries the list out in
//! its own mount namespace, by system calls only, and makes it its root.
//!
//! ```text
//! /usr /bin /lib* /opt /etc    the machine's, below a layer that is the sandbox's own and stays with its files
//! /blaxel                      its files: where its agent begins, and where relative paths lead
//! /root /home /var /mnt /srv   its own, on the disk
//! /tmp /dev /proc /sys /run    its own, fresh with each start but for /tmp
//! ```
//!
//! Of `/etc` only what everybody on the machine may read is there.

mod act;
mod image;
mod machine;
mod secrets;

use std::ffi::CString;
use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, unmount};

use super::volumes::Volume;
use act::Act;
pub(super) use machine::Machine;

/// Where a sandbox's files are, inside: the directory that the platform's own images begin in.
pub(super) const FILES: &str = "/blaxel";
/// The directory of the agent's program, inside.
const PROGRAMS: &str = "run/reveille/bin";
/// Where the drives are that can be mounted, inside.
pub(super) const DRIVES: &str = "/run/reveille/drives";
/// Where the volumes are that are attached, inside.
pub(super) const VOLUMES: &str = "/run/reveille/volumes";

/// Where the libraries are that the agent's program is linked to, inside a root that is made of an image.
pub(super) const LIBRARIES: &str = "/run/reveille/lib";

/// Where the certificates are that programs are to trust, inside.
pub(super) const CERTIFICATES: &str = "/run/reveille/certificates";

/// What cannot be read, or only be read, in a sandbox's `/proc`: the machine's own, and not the sandbox's.
const PROC_READ_ONLY: [&str; 5] = ["sys", "irq", "bus", "fs", "sysrq-trigger"];
const PROC_HIDDEN: [&str; 13] = [
    "iomem",
    "kcore",
    "keys",
    "kmsg",
    "kpagecgroup",
    "kpagecount",
    "kpageflags",
    "latency_stats",
    "mtrr",
    "sched_debug",
    "slabinfo",
    "timer_list",
    "vmallocinfo",
];
/// Directories whose contents are hidden: of the machine's devices and firmware, some of which root could change.
const PROC_EMPTY: [&str; 4] = ["acpi", "asound", "driver", "scsi"];
const SYS_EMPTY: [&str; 3] = ["devices/virtual/dmi", "devices/virtual/powercap", "firmware"];

/// How what belongs to the machine can be changed inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layers {
    /// It can, in a layer that is the sandbox's own.
    Writable,
    /// It cannot: the machine has no overlays for this user, or not on this file system.
    ReadOnly,
}

/// A root that is ready to be entered.
#[derive(Debug)]
pub(super) struct Root {
    place: CString,
    acts: Vec<Act>,
}

/// What a root is made of.
#[derive(Debug)]
pub(super) struct Ingredients<'a> {
    /// The sandbox's directory. What its root keeps is in `root` and `layers` below it.
    pub(super) directory: &'a Path,
    pub(super) machine: &'a Machine,
    pub(super) layers: Layers,
    /// An image in place of the machine's programs.
    pub(super) image: Option<Image<'a>>,
    /// A directory that holds the agent's program, or the program alone.
    pub(super) programs: &'a Path,
    pub(super) drives: &'a Path,
    /// The volumes that are attached; no others are to be seen.
    pub(super) volumes: &'a [Volume],
    /// Certificates that programs are to trust.
    pub(super) certificates: Option<&'a Path>,
    /// None where it is not known yet.
    pub(super) hostname: Option<&'a str>,
    /// How much memory the sandbox may use, in MiB; what it keeps there as files is part of it.
    pub(super) memory: u64,
}

/// An image that a root is made of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Image<'a> {
    /// Its files.
    pub(super) root: &'a Path,
    /// What the agent's program is linked to, which the image need not have.
    pub(super) libraries: Option<&'a Path>,
    /// Where commands begin, where the image says so.
    pub(super) directory: Option<&'a str>,
}

impl Root {
    /// Prepares a root. What an earlier life of the sandbox has left in it stays.
    ///
    /// # Errors
    /// When a directory cannot be made.
    pub(super) fn prepare(of: &Ingredients<'_>) -> io::Result<Self> {
        let place = of.directory.join("root");
        make_directory(&place, 0o755)?;
        let mut make = match &of.image {
            None => {
                let mut make = Make::new(&place, &place, Act::bind(&place, &place)?);
                machine::lay(&mut make, of)?;
                make.own_directories()?;
                make
            }
            Some(image) => image::lay(&place, of, image)?,
        };
        let files = of.directory.join("files");
        match &of.image {
            None => make.bind(&files, &FILES[1..])?,
            Some(image) => image::lay_files(&mut make, &files, of, image)?,
        }
        make.proc()?;
        make.boot(of.directory)?;
        make.sys()?;
        make.devices(of.memory)?;
        make.run(of)?;
        Ok(Self { place: c_path(&place)?, acts: make.acts })
    }

    /// Enters it: builds it, and leaves everything else behind. System calls only.
    pub(super) fn enter(&self) -> Result<(), (usize, Errno)> {
        for (number, act) in self.acts.iter().enumerate() {
            act.carry_out().map_err(|errno| (number, errno))?;
        }
        let last = |errno| (self.acts.len(), errno);
        rustix::process::chdir(self.place.as_c_str()).map_err(last)?;
        // The old root comes to lie over the new one, and is taken away from there (pivot_root(2)).
        rustix::process::pivot_root(c".", c".").map_err(last)?;
        unmount(c".", UnmountFlags::DETACH).map_err(last)?;
        rustix::process::chdir(c"/").map_err(last)
    }

    /// What an act is called, for people.
    pub(super) fn name(&self, number: usize) -> String {
        self.acts.get(number).map_or_else(|| "entering its root".to_owned(), ToString::to_string)
    }
}

/// A root in the making.
struct Make {
    /// Where it comes to be.
    place: PathBuf,
    /// Where what it keeps of its own is, on the disk: what is made there is at the place once it is a root.
    own: PathBuf,
    acts: Vec<Act>,
}

impl Make {
    fn new(place: &Path, own: &Path, first: Act) -> Self {
        Self { place: place.to_owned(), own: own.to_owned(), acts: vec![first] }
    }

    fn at(&self, inside: &str) -> PathBuf {
        self.place.join(inside)
    }

    /// A directory that is there before anything is mounted.
    fn directory(&self, inside: &str, mode: u32) -> io::Result<PathBuf> {
        make_directory(&self.own.join(inside), mode)?;
        Ok(self.at(inside))
    }

    fn bind(&mut self, from: &Path, to: &str) -> io::Result<()> {
        let to = self.directory(to, 0o755)?;
        self.acts.push(Act::bind(from, &to)?);
        Ok(())
    }

    fn own_directories(&self) -> io::Result<()> {
        for (name, mode) in [
            ("root", 0o700),
            ("home", 0o755),
            ("home/sandbox", 0o755),
            ("mnt", 0o755),
            ("media", 0o755),
            ("srv", 0o755),
            ("tmp", 0o1777),
            ("var", 0o755),
            ("var/tmp", 0o1777),
            ("var/log", 0o755),
            ("var/cache", 0o755),
            ("var/lib", 0o755),
            ("var/spool", 0o755),
            ("run", 0o755),
        ] {
            self.directory(name, mode)?;
        }
        make_link("/run", &self.own.join("var/run"))?;
        make_link("/run/lock", &self.own.join("var/lock"))
    }

    fn proc(&mut self) -> io::Result<()> {
        let at = self.directory("proc", 0o555)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        self.acts.push(Act::fresh("proc", &at, flags, "")?);
        for name in PROC_READ_ONLY {
            let at = at.join(name);
            if Path::new("/proc").join(name).exists() {
                self.acts.push(Act::bind(&at, &at)?);
                self.acts.push(Act::read_only(&at, flags)?);
            }
        }
        for name in PROC_HIDDEN {
            if Path::new("/proc").join(name).exists() {
                self.acts.push(Act::bind(Path::new("/dev/null"), &at.join(name))?);
            }
        }
        self.empty("proc", &PROC_EMPTY)
    }

    /// Says which start this is by a number of its own: the machine's is the same in all sandboxes, over all of their
    /// starts, and the platform's clients tell by it whether a sandbox was made anew.
    fn boot(&mut self, directory: &Path) -> io::Result<()> {
        let random = Path::new("/proc/sys/kernel/random");
        if !random.join("boot_id").exists() {
            return Ok(());
        }
        let number = directory.join("boot-id");
        fs::write(&number, fs::read(random.join("uuid"))?)?;
        fs::set_permissions(&number, Permissions::from_mode(0o644))?;
        let at = self.at("proc/sys/kernel/random/boot_id");
        self.acts.push(Act::bind(&number, &at)?);
        self.acts.push(Act::read_only(&at, machine::flags_of(&number)?)?);
        Ok(())
    }

    /// Mounts nothing over what is there.
    fn empty(&mut self, below: &str, names: &[&str]) -> io::Result<()> {
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
        for name in names {
            if Path::new("/").join(below).join(name).is_dir() {
                let at = self.at(below).join(name);
                self.acts.push(Act::fresh("tmpfs", &at, flags, "mode=555,size=4k")?.if_it_can());
            }
        }
        Ok(())
    }

    fn sys(&mut self) -> io::Result<()> {
        let at = self.directory("sys", 0o555)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC | MountFlags::RDONLY;
        // Programs live without it, and some machines do not give it.
        self.acts.push(Act::fresh("sysfs", &at, flags, "")?.if_it_can());
        self.empty("sys", &SYS_EMPTY)
    }

    fn devices(&mut self, memory: u64) -> io::Result<()> {
        let at = self.directory("dev", 0o755)?;
        let flags = MountFlags::NOSUID | MountFlags::NOEXEC;
        self.acts.push(Act::fresh("tmpfs", &at, flags, "mode=755,size=64k")?);
        for name in ["null", "zero", "full", "random", "urandom", "tty"] {
            self.acts.push(Act::file(&at.join(name))?);
            self.acts.push(Act::bind(&Path::new("/dev").join(name), &at.join(name))?);
        }
        for name in ["pts", "shm"] {
            self.acts.push(Act::directory(&at.join(name), 0o755)?);
        }
        self.acts.push(Act::fresh("devpts", &at.join("pts"), flags, "newinstance,ptmxmode=0666,mode=620")?);
        let shared = flags | MountFlags::NODEV;
        // Half of it, as Linux gives to such a place of all memory.
        let options = format!("mode=1777,size={}m", memory / 2);
        self.acts.push(Act::fresh("tmpfs", &at.join("shm"), shared, &options)?);
        for (name, to) in [
            ("ptmx", "pts/ptmx"),
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
        ] {
            self.acts.push(Act::link(to, &at.join(name))?);
        }
        Ok(())
    }

    /// A directory that all sandboxes read and none changes.
    fn shared(&mut self, from: &Path, to: &str) -> io::Result<()> {
        let at = self.at(&to[1..]);
        self.acts.push(Act::directory(&at, 0o755)?);
        self.acts.push(Act::bind(from, &at)?);
        self.acts.push(Act::read_only(&at, machine::flags_of(from)?)?);
        Ok(())
    }

    fn run(&mut self, of: &Ingredients<'_>) -> io::Result<()> {
        let at = self.at("run");
        let flags = MountFlags::NOSUID | MountFlags::NODEV;
        self.acts.push(Act::fresh("tmpfs", &at, flags, &format!("mode=755,size={}m", of.memory / 8))?);
        self.acts.push(Act::directory(&at.join("lock"), 0o1777)?);
        // A place of its own: no directory on the way to what is mounted in it can be moved away.
        let ours = at.join("reveille");
        self.acts.push(Act::directory(&ours, 0o755)?);
        self.acts.push(Act::fresh("tmpfs", &ours, flags, "mode=755,size=64k")?);
        let programs = self.at(PROGRAMS);
        self.acts.push(Act::directory(&programs, 0o755)?);
        let at = match of.programs.file_name() {
            Some(name) if of.programs.is_file() => {
                let at = programs.join(name);
                self.acts.push(Act::file(&at)?);
                at
            }
            _ => programs,
        };
        self.acts.push(Act::bind(of.programs, &at)?);
        self.acts.push(Act::read_only(&at, machine::flags_of(of.programs)?)?);
        let drives = self.at(&DRIVES[1..]);
        self.acts.push(Act::directory(&drives, 0o700)?);
        fs::create_dir_all(of.drives)?;
        self.acts.push(Act::bind(of.drives, &drives)?);
        if let Some(libraries) = of.image.as_ref().and_then(|image| image.libraries) {
            self.shared(libraries, LIBRARIES)?;
        }
        if let Some(certificates) = of.certificates {
            self.shared(certificates, CERTIFICATES)?;
        }
        let volumes = self.at(&VOLUMES[1..]);
        self.acts.push(Act::directory(&volumes, 0o700)?);
        for volume in of.volumes {
            fs::create_dir_all(&volume.place)?;
            let at = volumes.join(volume.name.as_str());
            self.acts.push(Act::directory(&at, 0o700)?);
            self.acts.push(Act::bind(&volume.place, &at)?);
        }
        self.acts.push(Act::read_only(&ours, flags)?);
        Ok(())
    }
}

/// The home of who runs inside.
pub(super) fn home() -> &'static str {
    if rustix::process::geteuid().is_root() { "/root" } else { "/home/sandbox" }
}

/// The directory of the agent's program, inside.
pub(super) fn programs() -> PathBuf {
    Path::new("/").join(PROGRAMS)
}

/// Where the agent's program is, inside.
pub(super) fn program(file: &std::ffi::OsStr) -> PathBuf {
    programs().join(file)
}

/// Makes a directory that is not there. One that is stays as it is, also where a link leads to it: the host follows
/// none inside a root.
fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(mode).create(path) {
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if fs::symlink_metadata(path)?.is_dir() {
                return Ok(());
            }
            let what = format!("{} is no directory any more", path.display());
            Err(io::Error::new(io::ErrorKind::NotADirectory, what))
        }
        Err(error) => Err(error),
    }
}

fn make_link(to: &str, path: &Path) -> io::Result<()> {
    match symlink(to, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(io::Error::from)
}

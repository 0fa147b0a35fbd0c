//! Where a statement is tried: one rung of the ladder, an engine on it, and sandboxes of shell scripts.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use reveille_host::engine::{
    Address, AgentCommand, Condition, Engine, EngineError, EngineErrorKind, Freezer, Generation, Issuer,
    Lifetime, LocalEngine, LocalEngineSettings, Memory as _, Namespaces, Plan,
};
use reveille_host::{ErrorKind, Notebook};
use reveille_wire::SandboxName;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// One rung of the ladder.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rung {
    pub(crate) namespaces: Namespaces,
    pub(crate) freezer: Freezer,
}

impl Rung {
    const NAMESPACES: [Namespaces; 6] = [
        Namespaces::All,
        Namespaces::UserMountPid,
        Namespaces::UserMount,
        Namespaces::MountPid,
        Namespaces::Mount,
        Namespaces::None,
    ];

    fn all() -> impl Iterator<Item = Self> {
        Self::NAMESPACES.into_iter().flat_map(|namespaces| {
            [Freezer::Cgroup, Freezer::Signals].map(|freezer| Self { namespaces, freezer })
        })
    }

    /// The rung that is displayed so.
    pub(crate) fn called(name: &str) -> Option<Self> {
        Self::all().find(|rung| rung.to_string() == name)
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?}", self.namespaces, self.freezer)
    }
}

/// The rungs that this machine has for this user. The others are named.
pub(crate) fn rungs() -> Vec<Rung> {
    let mut found = Vec::new();
    let directory = Directory::new().unwrap();
    for rung in Rung::all() {
        match Ground::engine_in(&directory.path().join("engine"), &rung, Vec::new(), |_| {}) {
            Ok(_) => found.push(rung),
            Err(error) => {
                assert_eq!(error.kind(), EngineErrorKind::Unsupported, "{error}");
                eprintln!("skipped: {rung}: {error}");
            }
        }
    }
    found
}

/// A directory that goes with all that is in it. Overlays have directories that nobody may enter but root.
pub(crate) struct Directory(TempDir);

impl Directory {
    pub(crate) fn new() -> io::Result<Self> {
        tempfile::tempdir().map(Self)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        open(self.0.path());
    }
}

/// Lets whoever owns a directory enter it and all below it.
fn open(directory: &Path) {
    // What cannot be opened is not removed, and no test fails for it.
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open(&entry.path());
        }
    }
}

/// An engine with its directory.
pub(crate) struct Ground {
    pub(crate) engine: Arc<LocalEngine>,
    pub(crate) directory: PathBuf,
    pub(crate) own: Option<Directory>,
    runtime: Runtime,
    commands: AtomicU64,
}

impl Ground {
    /// An engine whose sandboxes run a script beside their agent.
    pub(crate) fn new(rung: &Rung, script: &str) -> Self {
        let own = Directory::new().unwrap();
        let ground = Self::at(own.path().to_owned(), rung, script);
        Self { own: Some(own), ..ground }
    }

    /// An engine whose sandboxes run an agent and nothing before it.
    pub(crate) fn of_agents(rung: &Rung) -> Self {
        let own = Directory::new().unwrap();
        let alone = |settings: &mut LocalEngineSettings| settings.agent.arguments = vec!["agent".into()];
        let ground = Self::with(own.path().to_owned(), rung, "", alone);
        Self { own: Some(own), ..ground }
    }

    /// The same in a directory that outlives it.
    pub(crate) fn at(directory: PathBuf, rung: &Rung, script: &str) -> Self {
        Self::living(Lifetime::OfTheHost, directory, rung, script)
    }

    /// The same with sandboxes that live so long.
    pub(crate) fn living(lifetime: Lifetime, directory: PathBuf, rung: &Rung, script: &str) -> Self {
        Self::with(directory, rung, script, |settings| settings.lifetime = lifetime)
    }

    /// The same with sandboxes that live beyond it, and of which only these can be asked for.
    pub(crate) fn knowing(names: &[&SandboxName], directory: &Path, rung: &Rung, script: &str) -> Self {
        Self::with(directory.to_owned(), rung, script, |settings| {
            settings.lifetime = Lifetime::BeyondTheHost;
            settings.known = Some(names.iter().copied().cloned().collect());
        })
    }

    fn with(
        directory: PathBuf,
        rung: &Rung,
        script: &str,
        change: impl FnOnce(&mut LocalEngineSettings),
    ) -> Self {
        let engine = Self::engine_in(&directory.join("engine"), rung, agent_with(script), change).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { engine, directory, own: None, runtime, commands: AtomicU64::new(0) }
    }

    fn engine_in(
        directory: &Path,
        rung: &Rung,
        agent: Vec<String>,
        change: impl FnOnce(&mut LocalEngineSettings),
    ) -> Result<Arc<LocalEngine>, EngineError> {
        let memory = Arc::new(notebook(directory));
        let arguments = agent.into_iter().map(Into::into).collect();
        let agent = AgentCommand { program: std::env::current_exe().unwrap(), arguments };
        let mut settings = LocalEngineSettings::new(agent, directory.to_owned());
        if let Some(parent) = directory.parent() {
            settings.sandboxes = parent.to_owned();
            settings.drives = parent.join("drives");
        }
        settings.namespaces = Some(rung.namespaces);
        settings.freezer = Some(rung.freezer);
        change(&mut settings);
        LocalEngine::start(settings, memory)
    }

    pub(crate) fn wait<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.block_on(what)
    }

    pub(crate) fn plan(&self, name: &SandboxName) -> Plan {
        Plan::new(name.clone()).with_environment([("GREETING".to_owned(), "hello".to_owned())])
    }

    /// The generation of the next command.
    pub(crate) fn next(&self) -> Generation {
        Generation::new(self.commands.fetch_add(1, Ordering::SeqCst) + 1, Issuer::new(1))
    }

    pub(crate) fn create(&self, name: &SandboxName) -> PathBuf {
        self.create_as(self.plan(name))
    }

    pub(crate) fn create_as(&self, plan: Plan) -> PathBuf {
        let address = self.wait(self.engine.create(plan, self.next())).unwrap();
        let Address::Unix(path) = address else { panic!("{address:?} is no unix socket") };
        path
    }

    pub(crate) fn sleep(&self, name: &SandboxName) {
        self.wait(self.engine.sleep(name, self.next())).unwrap();
    }

    pub(crate) fn wake(&self, name: &SandboxName) {
        self.wait(self.engine.wake(name, self.next())).unwrap();
    }

    pub(crate) fn delete(&self, name: &SandboxName) {
        self.wait(self.engine.delete(name, self.next())).unwrap();
    }

    pub(crate) fn condition(&self, name: &SandboxName) -> Condition {
        self.wait(self.engine.condition(name)).unwrap().condition
    }

    /// The directory of a sandbox.
    pub(crate) fn place(&self, name: &SandboxName) -> PathBuf {
        self.directory.join(name.as_str())
    }

    /// A file of a sandbox.
    pub(crate) fn file(&self, name: &SandboxName, file: &str) -> PathBuf {
        self.place(name).join("files").join(file)
    }

    /// What a script has written into a file, once there is something.
    pub(crate) fn written(&self, name: &SandboxName, file: &str) -> String {
        let path = self.file(name, file);
        let mut text = String::new();
        eventually(&format!("{} is written", path.display()), || {
            text = fs::read_to_string(&path).unwrap_or_default();
            text.ends_with('\n')
        });
        text
    }

    /// The size of a file that a script keeps adding to.
    pub(crate) fn size(&self, name: &SandboxName, file: &str) -> u64 {
        fs::metadata(self.file(name, file)).map_or(0, |found| found.len())
    }
}

/// The notebook of an engine's directory, once whoever had it has let go of it: on their way to their programs, children
/// of this process have copies of its lock.
pub(crate) fn notebook(directory: &Path) -> Notebook {
    let mut found = None;
    eventually("nobody has the notebook", || {
        found = match Notebook::open(directory) {
            Err(error) if error.kind() == ErrorKind::InUse => None,
            opened => Some(opened.unwrap()),
        };
        found.is_some()
    });
    found.unwrap()
}

/// A name that no other statement uses, so that its processes can be told apart.
pub(crate) fn fresh_name(what: &str) -> SandboxName {
    SandboxName::new(format!("{what}-{:08x}", fastrand::u32(..))).unwrap()
}

/// The arguments of this executable with which it first starts a script's jobs and then is an agent.
fn agent_with(script: &str) -> Vec<String> {
    vec!["script".to_owned(), script.to_owned()]
}

/// Starts a script's jobs, and becomes an agent. They come from the same process as the agent.
pub(crate) fn script(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut script = arguments.next().unwrap();
    script.push("\nexec \"$0\" agent \"$@\"");
    let me = std::env::current_exe().unwrap();
    let error = Command::new("/bin/sh").arg("-c").arg(script).arg(me).args(arguments).exec();
    eprintln!("{error}");
    ExitCode::FAILURE
}

/// Waits until something is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < give_up, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The processes of a sandbox, by the variable that the engine marks them with.
pub(crate) fn processes(name: &SandboxName) -> Vec<i32> {
    let mark = format!("REVEILLE_SANDBOX_ID={name}-");
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let mut found: Vec<i32> = pids
        .filter(|pid| {
            let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|entry| entry.starts_with(mark.as_bytes()))
        })
        .collect();
    found.sort_unstable();
    found
}

/// The cgroups of a sandbox, in every hierarchy that can be seen.
pub(crate) fn cgroups(name: &SandboxName) -> Vec<PathBuf> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let mounted = fields.filter(|fields| matches!(fields[2], "cgroup" | "cgroup2"));
    let mut left: Vec<PathBuf> = mounted.map(|fields| fields[1].into()).collect();
    let mut found = Vec::new();
    while let Some(directory) = left.pop() {
        // Others come and go.
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            if entry.file_name().to_string_lossy().starts_with(&format!("{name}-")) {
                found.push(entry.path());
            }
            left.push(entry.path());
        }
    }
    found
}

/// The cgroups that the host before says it made.
pub(crate) fn outside(directory: &Path) -> Vec<PathBuf> {
    let notes = notebook(&directory.join("engine")).notes();
    let Some((_, said)) = notes.into_iter().find(|(key, _)| key == "outside") else { return Vec::new() };
    let said: serde_json::Value = serde_json::from_slice(&said).unwrap_or_default();
    let limits = said["limits"].as_array().into_iter().flatten();
    limits.chain([&said["cgroups"]]).filter_map(|place| Some(place.as_str()?.into())).collect()
}

/// A field of `/proc/PID/stat`, counted as in proc_pid_stat(5).
pub(crate) fn stat(pid: i32, field: usize) -> io::Result<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, tail) = text.rsplit_once(')').ok_or(io::ErrorKind::InvalidData)?;
    Ok(tail.split_ascii_whitespace().nth(field - 3).ok_or(io::ErrorKind::InvalidData)?.to_owned())
}

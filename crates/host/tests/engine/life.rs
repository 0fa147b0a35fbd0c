//! Beginning and ending.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use libtest_mimic::Failed;
use reveille_host::engine::{
    AgentCommand, Condition, Engine, EngineErrorKind, Generation, Issuer, LocalEngine, LocalEngineSettings,
    Namespaces,
};
use reveille_host::{ErrorKind, Notebook};
use rustix::process::geteuid;

use super::Statement;
use super::ground::{Directory, Ground, Rung, cgroups, eventually, fresh_name, notebook, processes};

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("deleting ends everything and removes its files, asleep or awake", deleting),
    ("an agent that ends is reported, and takes everything with it", agent_ends),
    ("an ended sandbox is made again with its files", made_again),
    ("each start has a number of its own, and not the machine's", own_boot_id),
    ("a shutdown ends everything and keeps the files", shutdown_keeps_files),
    ("an engine that is dropped leaves nothing running", dropped),
    ("nothing of the host's environment gets in", clean_environment),
    ("an agent that cannot start says why", cannot_start),
    ("a directory serves one engine at a time", one_engine),
    ("nothing can be done with a sandbox that is not there", absent),
    ("a command that comes late does nothing", late),
    ("no create outlives a delete that was commanded after it", create_outlives_no_delete),
    ("a delete removes files that nobody knows of", unknown_files),
    (
        "on a full disk a create works or leaves nothing, a delete works, and so does the next start",
        full_disk,
    ),
    ("what an agent's log is replaced by keeps nobody waiting", replaced_log),
];

const BUSY: &str = "
sleep 1000 &
setsid sleep 1003 &
( while :; do ( sleep 0 & ); done ) &
ln -s / root
echo >> started
";

fn deleting(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, &format!("mkdir -p closed/below; chmod 000 closed{BUSY}"));
    for asleep in [false, true] {
        let name = fresh_name("deleted");
        let socket = ground.create(&name);
        ground.written(&name, "started");
        if asleep {
            ground.sleep(&name);
        }
        ground.delete(&name);
        assert!(processes(&name).is_empty());
        assert!(cgroups(&name).is_empty());
        assert!(!ground.place(&name).exists() && !socket.exists());
        assert_eq!(ground.condition(&name), Condition::Absent);
    }
    Ok(())
}

fn agent_ends(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "sleep 1000 &\n( sleep 1001 & )\n");
    let mut changes = ground.engine.changes();
    for asleep in [false, true] {
        let name = fresh_name("ends");
        ground.create(&name);
        let agent = agent_of(&processes(&name));
        if asleep {
            ground.sleep(&name);
        }
        kill(agent);
        let change = ground.wait(changes.recv())?;
        let reason = "its agent was ended by signal 9".to_owned();
        assert_eq!((&change.name, &change.known.condition), (&name, &Condition::Ended(reason)));
        assert_eq!(ground.condition(&name), change.known.condition);
        assert!(processes(&name).is_empty());
        let error = ground.wait(ground.engine.wake(&name, ground.next())).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::Ended, "{error}");
    }
    Ok(())
}

fn agent_of(pids: &[i32]) -> i32 {
    let is_agent = |pid: &&i32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        line.split(|byte| *byte == 0).any(|word| word == b"--listen") && !line.starts_with(b"/bin/sh")
    };
    *pids.iter().find(is_agent).expect("no agent among the processes")
}

fn kill(pid: i32) {
    let pid = nix::unistd::Pid::from_raw(pid);
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
}

fn made_again(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "echo begun >> begun\n");
    let name = fresh_name("again");
    ground.create(&name);
    let error = ground.wait(ground.engine.create(ground.plan(&name), ground.next())).unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Exists, "{error}");
    kill(agent_of(&processes(&name)));
    eventually("its end is seen", || matches!(ground.condition(&name), Condition::Ended(_)));
    ground.create(&name);
    assert_eq!(ground.written(&name, "begun"), "begun\nbegun\n");
    ground.sleep(&name);
    ground.wake(&name);
    Ok(())
}

fn own_boot_id(rung: &Rung) -> Result<(), Failed> {
    if !rung.namespaces.is_apart() {
        return Ok(());
    }
    let id = "/proc/sys/kernel/random/boot_id";
    let ground =
        Ground::new(rung, &format!("( echo changed > {id} ) 2>/dev/null\ncat {id} > new\nmv new number\n"));
    let name = fresh_name("boot");
    ground.create(&name);
    let first = ground.written(&name, "number");
    kill(agent_of(&processes(&name)));
    eventually("its end is seen", || matches!(ground.condition(&name), Condition::Ended(_)));
    fs::remove_file(ground.file(&name, "number"))?;
    ground.create(&name);
    let second = ground.written(&name, "number");
    let machine = fs::read_to_string(id)?;
    assert!([&first, &second].iter().all(|number| number.len() == machine.len()), "{first}{second}");
    assert!(first != second && first != machine && second != machine, "{first}{second}{machine}");
    Ok(())
}

fn shutdown_keeps_files(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, BUSY);
    let (awake, asleep) = (fresh_name("awake"), fresh_name("asleep"));
    ground.create(&awake);
    ground.create(&asleep);
    ground.written(&asleep, "started");
    ground.sleep(&asleep);
    ground.wait(ground.engine.shutdown());
    for name in [&awake, &asleep] {
        assert!(processes(name).is_empty());
        assert!(ground.file(name, "root").is_symlink());
    }
    assert!(!ground.directory.join("engine/sockets").exists());
    let error = ground.wait(ground.engine.create(ground.plan(&awake), ground.next())).unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::ShutDown, "{error}");
    Ok(())
}

fn dropped(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, BUSY);
    let name = fresh_name("dropped");
    let socket = ground.create(&name);
    drop(ground);
    assert!(processes(&name).is_empty());
    assert!(!socket.exists());
    Ok(())
}

fn clean_environment(rung: &Rung) -> Result<(), Failed> {
    assert!(std::env::vars_os().count() > 7, "the host's own environment has nothing to hide");
    let ground = Ground::new(rung, "env -u _ -u PWD -u OLDPWD -u SHLVL > environment\n");
    let name = fresh_name("clean");
    ground.create(&name);
    let text = ground.written(&name, "environment");
    let mut names: Vec<_> =
        text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    // What tells of the way out of a network of its own is the engine's, and not its environment's.
    let of_the_way_out =
        |name: &str| name.to_ascii_uppercase().ends_with("_PROXY") || name == "NODE_EXTRA_CA_CERTS";
    names.retain(|name| !of_the_way_out(name));
    names.sort_unstable();
    assert_eq!(names, ["GREETING", "HOME", "LANG", "PATH", "REVEILLE_SANDBOX_ID", "SHELL", "WORKDIR"]);
    let home = match rung.namespaces {
        Namespaces::All if geteuid().is_root() => "HOME=/root\n".to_owned(),
        Namespaces::All => "HOME=/home/sandbox\n".to_owned(),
        _ => format!("HOME={}\n", ground.file(&name, "").display()).replace("/\n", "\n"),
    };
    assert!(text.contains(&home) && text.contains("GREETING=hello\n"), "{text}");
    Ok(())
}

fn cannot_start(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "echo no bed to sleep in >&2; exit 3\n");
    let name = fresh_name("fails");
    let error = ground.wait(ground.engine.create(ground.plan(&name), ground.next())).unwrap_err().to_string();
    assert!(error.contains("exited with status 3") && error.contains("no bed to sleep in"), "{error}");
    assert!(matches!(ground.condition(&name), Condition::Ended(_)));

    let agent = AgentCommand { program: "/nowhere/agent".into(), arguments: Vec::new() };
    let directory = Directory::new()?;
    let mut settings = LocalEngineSettings::new(agent, directory.path().join("engine"));
    settings.namespaces = Some(rung.namespaces);
    settings.freezer = Some(rung.freezer);
    let memory = Arc::new(Notebook::open(directory.path())?);
    let engine = LocalEngine::start(settings, memory)?;
    let error = ground.wait(engine.create(ground.plan(&name), ground.next())).unwrap_err().to_string();
    assert!(error.contains("running its program"), "{error}");
    ground.wait(engine.delete(&name, ground.next()))?;
    Ok(())
}

fn one_engine(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    let agent = AgentCommand { program: "/bin/true".into(), arguments: Vec::new() };
    let directory = ground.directory.join("engine");
    let error = Notebook::open(&directory).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InUse, "{error}");
    let Ground { engine, own: _own, .. } = ground;
    drop(engine);
    let memory = Arc::new(notebook(&directory));
    LocalEngine::start(LocalEngineSettings::new(agent, directory), memory)?;
    Ok(())
}

fn absent(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    let name = fresh_name("absent");
    assert_eq!(ground.condition(&name), Condition::Absent);
    let kinds = [
        ground.wait(ground.engine.sleep(&name, ground.next())).unwrap_err().kind(),
        ground.wait(ground.engine.wake(&name, ground.next())).unwrap_err().kind(),
    ];
    assert_eq!(kinds, [EngineErrorKind::Absent; 2]);
    ground.delete(&name);
    Ok(())
}

fn late(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    let name = fresh_name("late");
    let early = ground.next();
    ground.create(&name);
    let overtaken = |result: Result<(), EngineErrorKind>| assert_eq!(result, Err(EngineErrorKind::Overtaken));
    overtaken(ground.wait(ground.engine.sleep(&name, early)).map_err(|error| error.kind()));
    assert!(matches!(ground.condition(&name), Condition::Awake(_)));
    ground.sleep(&name);
    overtaken(ground.wait(ground.engine.wake(&name, early)).map(drop).map_err(|error| error.kind()));
    overtaken(ground.wait(ground.engine.delete(&name, early)).map_err(|error| error.kind()));
    assert_eq!(ground.condition(&name), Condition::Asleep);
    ground.delete(&name);
    let create = ground.engine.create(ground.plan(&name), early);
    overtaken(ground.wait(create).map(drop).map_err(|error| error.kind()));
    assert_eq!(ground.condition(&name), Condition::Absent);
    assert!(!ground.place(&name).exists());
    ground.create(&name);
    Ok(())
}

fn create_outlives_no_delete(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "sleep 0.05");
    for _ in 0..10 {
        let name = fresh_name("raced");
        let (create, delete) = (ground.next(), ground.next());
        let create = ground.engine.create(ground.plan(&name), create);
        let delete = ground.engine.delete(&name, delete);
        let (created, deleted) = ground.wait(async { tokio::join!(create, delete) });
        deleted?;
        // Whichever came first.
        drop(created);
        assert_eq!(ground.condition(&name), Condition::Absent);
        assert!(processes(&name).is_empty() && !ground.place(&name).exists());
    }
    Ok(())
}

fn unknown_files(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    let name = fresh_name("unknown");
    fs::create_dir_all(ground.file(&name, "secrets"))?;
    ground.delete(&name);
    assert!(!ground.place(&name).exists(), "the next sandbox of that name would read them");
    Ok(())
}

fn full_disk(rung: &Rung) -> Result<(), Failed> {
    let disk = Directory::new()?;
    let flags = rustix::mount::MountFlags::empty();
    // Room for the agent's program, of which there is a copy where sandboxes have roots of their own.
    let size = fs::metadata(std::env::current_exe()?)?.len() + (4 << 20);
    let size = std::ffi::CString::new(format!("size={size}"))?;
    if let Err(error) = rustix::mount::mount("tmpfs", disk.path(), "tmpfs", flags, size.as_c_str()) {
        eprintln!("skipped: no small disk can be mounted: {error}");
        return Ok(());
    }
    let tried = std::panic::catch_unwind(|| on_full_disk(rung, disk.path()));
    rustix::mount::unmount(disk.path(), rustix::mount::UnmountFlags::DETACH)?;
    tried.map_err(|_| "it did not work on a full disk")?
}

fn on_full_disk(rung: &Rung, disk: &Path) -> Result<(), Failed> {
    let (old, new) = (fresh_name("old"), fresh_name("new"));
    {
        let ground = Ground::at(disk.to_owned(), rung, "");
        ground.create(&old);
        fill(&ground.file(&old, "large"))?;
        // What it needs may have had its place already.
        let made = ground.wait(ground.engine.create(ground.plan(&new), ground.next()));
        assert_eq!(made.is_ok(), matches!(ground.condition(&new), Condition::Awake(_)), "{made:?}");
        ground.delete(&new);
        assert!(processes(&new).is_empty() && !ground.place(&new).exists());
        ground.sleep(&old);
        ground.wake(&old);
    }
    let arguments = Vec::new();
    let agent = AgentCommand { program: "/bin/false".into(), arguments };
    let mut settings = LocalEngineSettings::new(agent, disk.join("engine"));
    settings.namespaces = Some(rung.namespaces);
    settings.sandboxes = disk.to_owned();
    let memory = Arc::new(notebook(&disk.join("engine")));
    let engine = LocalEngine::start(settings, memory)?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    runtime.block_on(engine.delete(&old, Generation::new(1, Issuer::new(1))))?;
    drop(engine);
    assert!(!disk.join(old.as_str()).exists());
    let ground = Ground::at(disk.to_owned(), rung, "");
    ground.create(&new);
    Ok(())
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> Result<(), Failed> {
    let mut file = fs::File::create(path)?;
    let chunk = vec![1; 1 << 20];
    while let Ok(written) = file.write(&chunk) {
        assert_ne!(written, 0);
    }
    Ok(())
}

fn replaced_log(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    let name = fresh_name("piped");
    ground.create(&name);
    let log = ground.directory.join(format!("engine/logs/{name}.log"));
    fs::remove_file(&log)?;
    nix::unistd::mkfifo(&log, nix::sys::stat::Mode::S_IRWXU)?;
    assert!(matches!(ground.condition(&name), Condition::Awake(_)));
    kill(agent_of(&processes(&name)));
    eventually("its end is seen", || matches!(ground.condition(&name), Condition::Ended(_)));
    let error = ground.wait(ground.engine.create(ground.plan(&name), ground.next())).unwrap_err().to_string();
    assert!(error.contains("is no file") || error.contains("No such device"), "{error}");
    ground.delete(&name);
    ground.create(&name);
    Ok(())
}

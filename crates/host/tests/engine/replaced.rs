//! Sandboxes that live beyond their host, and the hosts after it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use libtest_mimic::Failed;
use reveille_host::engine::{Condition, Engine as _, EngineErrorKind, Lifetime, Memory as _};
use reveille_wire::SandboxName;

use super::Statement;
use super::ground::{
    Directory, Ground, Rung, cgroups, eventually, fresh_name, notebook, outside, processes, stat,
};

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("what a host lets go of goes on with the next, awake or asleep", let_go),
    ("what a host leaves that is killed goes on with the next", killed),
    ("hosts that are killed while they take over lose nothing", killed_while_taking_over),
    ("what has ended without a host is known to have ended", ended_meanwhile),
    ("a host whose sandboxes end with it lets go of none, and ends those of another", end_with_it),
];

/// Writes on for as long as it runs, from a process of its own.
const WORK: &str = "
( while :; do echo on >> work; sleep 0.01; done ) &
echo begun >> begun
";

/// Leaves none of the processes of these behind, however a statement ends.
struct Swept<'a>(&'a [&'a SandboxName]);

impl Drop for Swept<'_> {
    fn drop(&mut self) {
        for pid in self.0.iter().flat_map(|name| processes(name)) {
            nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).ok();
        }
    }
}

fn next(directory: &Path, rung: &Rung) -> Ground {
    Ground::living(Lifetime::BeyondTheHost, directory.to_owned(), rung, WORK)
}

/// Where the agent of a sandbox answers, awake.
fn answers(ground: &Ground, name: &SandboxName) {
    let Condition::Awake(reveille_host::engine::Address::Unix(path)) = ground.condition(name) else {
        panic!("{:?}", ground.condition(name));
    };
    UnixStream::connect(path).unwrap();
}

fn works_on(ground: &Ground, name: &SandboxName) {
    let before = ground.size(name, "work");
    eventually("it works on", || ground.size(name, "work") > before);
}

/// Whether none of a sandbox's processes can run.
fn is_still(name: &SandboxName) -> bool {
    let ticks = || -> Vec<String> {
        processes(name).into_iter().map(|pid| stat(pid, 14).unwrap_or_default()).collect()
    };
    let before = ticks();
    std::thread::sleep(Duration::from_millis(60));
    before == ticks()
}

fn let_go(rung: &Rung) -> Result<(), Failed> {
    let directory = Directory::new()?;
    let (awake, asleep) = (fresh_name("awake"), fresh_name("asleep"));
    let both = [&awake, &asleep];
    let _swept = Swept(&both);
    let ground = next(directory.path(), rung);
    ground.create(&awake);
    ground.create(&asleep);
    ground.written(&asleep, "begun");
    ground.sleep(&asleep);
    let all = [processes(&awake), processes(&asleep)];
    let mut made = Vec::new();
    let mut ground = ground;
    for _ in 0..3 {
        ground.wait(ground.engine.detach())?;
        let refused = ground.wait(ground.engine.wake(&asleep, ground.next())).unwrap_err();
        assert_eq!(refused.kind(), EngineErrorKind::ShutDown, "whoever has let go commands no more");
        drop(ground);
        made.extend(outside(directory.path()));
        ground = next(directory.path(), rung);
        answers(&ground, &awake);
        works_on(&ground, &awake);
        assert_eq!(ground.condition(&asleep), Condition::Asleep);
        assert!(is_still(&asleep));
        for (was, name) in all.iter().zip([&awake, &asleep]) {
            // What its script starts anew and again is not there for long.
            let now = processes(name);
            assert!(was.iter().filter(|pid| now.contains(pid)).count() >= 2, "{was:?} {now:?}");
        }
    }
    ground.wake(&asleep);
    works_on(&ground, &asleep);
    ground.sleep(&asleep);
    assert!(is_still(&asleep));
    assert_eq!(ground.written(&asleep, "begun"), "begun\n", "nothing was started again");

    ground.delete(&asleep);
    assert_eq!(processes(&asleep), [0; 0]);
    ground.delete(&awake);
    assert_eq!(processes(&awake), [0; 0]);
    ground.create(&awake);
    ground.wait(ground.engine.shutdown());
    drop(ground);
    assert_eq!(processes(&awake), [0; 0]);
    let left: Vec<_> = made.iter().filter(|cgroup| cgroup.exists()).collect();
    assert!(left.is_empty(), "cgroups are left: {left:?}");
    assert!(!directory.path().join("engine/sockets").exists(), "sockets are left");
    let notebook = notebook(&directory.path().join("engine"));
    assert_eq!(notebook.notes(), []);
    Ok(())
}

/// The cgroup that the host before says it has made.
/// A host in a process of its own, with the names of its sandboxes: it makes those that are not there.
fn host_of_its_own(directory: &Path, rung: &Rung, names: &[&SandboxName]) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("replaced-host").arg(directory).arg(rung.to_string());
    command.args(names.iter().map(|name| name.as_str())).stdout(Stdio::piped()).spawn().unwrap()
}

/// What that host is: the first of its sandboxes stays awake, the others sleep.
pub(crate) fn host(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<_> = arguments.filter_map(|word| word.into_string().ok()).collect();
    let [directory, rung, names @ ..] = words.as_slice() else { return ExitCode::FAILURE };
    let Some(rung) = Rung::called(rung) else { return ExitCode::FAILURE };
    let ground = next(directory.as_ref(), &rung);
    for (number, name) in names.iter().enumerate() {
        let name = SandboxName::new(name.as_str()).unwrap();
        if ground.condition(&name) == Condition::Absent {
            ground.create(&name);
        }
        if number > 0 {
            ground.written(&name, "begun");
            ground.sleep(&name);
        }
    }
    println!("all are there");
    loop {
        std::thread::park();
    }
}

fn is_ready(host: &mut Child) -> Result<(), Failed> {
    let mut line = String::new();
    BufReader::new(host.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    assert_eq!(line, "all are there\n");
    Ok(())
}

fn kill(mut host: Child) -> Result<(), Failed> {
    host.kill()?;
    host.wait()?;
    Ok(())
}

fn killed(rung: &Rung) -> Result<(), Failed> {
    let directory = Directory::new()?;
    let (awake, asleep) = (fresh_name("awake"), fresh_name("asleep"));
    let both = [&awake, &asleep];
    let _swept = Swept(&both);
    let mut host = host_of_its_own(directory.path(), rung, &[&awake, &asleep]);
    is_ready(&mut host)?;
    kill(host)?;
    let ground = next(directory.path(), rung);
    answers(&ground, &awake);
    works_on(&ground, &awake);
    assert_eq!(ground.condition(&asleep), Condition::Asleep);
    assert!(is_still(&asleep));
    ground.wake(&asleep);
    works_on(&ground, &asleep);
    assert_eq!(ground.written(&asleep, "begun"), "begun\n", "nothing was started again");
    for name in [&awake, &asleep] {
        ground.delete(name);
        assert_eq!(processes(name), [0; 0]);
        assert!(cgroups(name).is_empty());
    }
    ground.wait(ground.engine.shutdown());
    Ok(())
}

fn killed_while_taking_over(rung: &Rung) -> Result<(), Failed> {
    let directory = Directory::new()?;
    let names = [fresh_name("awake"), fresh_name("asleep"), fresh_name("also-asleep")];
    let all: Vec<&SandboxName> = names.iter().collect();
    let _swept = Swept(&all);
    let mut host = host_of_its_own(directory.path(), rung, &all);
    is_ready(&mut host)?;
    kill(host)?;
    let mut made = Vec::new();
    for milliseconds in (0..20).map(|round| round * 2) {
        made.extend(outside(directory.path()));
        let host = host_of_its_own(directory.path(), rung, &all);
        std::thread::sleep(Duration::from_millis(milliseconds));
        kill(host)?;
    }
    made.extend(outside(directory.path()));
    let ground = next(directory.path(), rung);
    answers(&ground, &names[0]);
    for name in &names {
        if ground.condition(name) == Condition::Asleep {
            ground.wake(name);
        }
        works_on(&ground, name);
        assert_eq!(ground.written(name, "begun"), "begun\n", "it is the one of before");
    }
    ground.wait(ground.engine.shutdown());
    drop(ground);
    assert!(names.iter().all(|name| processes(name).is_empty()));
    let left: Vec<_> = made.iter().filter(|cgroup| cgroup.exists()).collect();
    assert!(left.is_empty(), "cgroups are left: {left:?}");
    Ok(())
}

fn ended_meanwhile(rung: &Rung) -> Result<(), Failed> {
    let directory = Directory::new()?;
    let (killed, unknown) = (fresh_name("killed"), fresh_name("unknown"));
    let both = [&killed, &unknown];
    let _swept = Swept(&both);
    let ground = next(directory.path(), rung);
    ground.create(&killed);
    ground.create(&unknown);
    ground.wait(ground.engine.detach())?;
    drop(ground);
    for pid in processes(&killed) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).ok();
    }
    // This process is what has started them.
    eventually("they end", || processes(&killed).is_empty());
    let ground = Ground::knowing(&[&killed], directory.path(), rung, WORK);
    assert!(matches!(ground.condition(&killed), Condition::Ended(_)), "{:?}", ground.condition(&killed));
    assert_eq!(processes(&unknown), [0; 0], "what nobody can ask for is ended");
    assert!(ground.place(&unknown).exists(), "its files stay");
    ground.create(&killed);
    works_on(&ground, &killed);
    ground.wait(ground.engine.shutdown());
    assert_eq!(processes(&killed), [0; 0]);
    Ok(())
}

fn end_with_it(rung: &Rung) -> Result<(), Failed> {
    let directory = Directory::new()?;
    let name = fresh_name("box");
    let this = [&name];
    let _swept = Swept(&this);
    let ground = next(directory.path(), rung);
    ground.create(&name);
    ground.wait(ground.engine.detach())?;
    drop(ground);
    let ground = Ground::at(directory.path().to_owned(), rung, WORK);
    assert_eq!(processes(&name), [0; 0]);
    ground.create(&name);
    let refused = ground.wait(ground.engine.detach()).unwrap_err();
    assert_eq!(refused.kind(), EngineErrorKind::Unsupported);
    answers(&ground, &name);
    Ok(())
}

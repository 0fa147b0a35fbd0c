//! A host that is killed, and the one after it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::Failed;
use reveille_host::engine::{Condition, Memory as _};
use reveille_wire::SandboxName;
use serde_json::json;

use super::Statement;
use super::ground::{Directory, Ground, Rung, cgroups, eventually, fresh_name, notebook, outside, processes};

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("what a killed host has left is ended by the next, and its files are kept", killed),
    ("a host that is killed while it starts leaves nothing", killed_at_the_start),
    ("what a host of before has left, which wrote it into files, is ended too", left_in_files),
];

const LEFT: &str = "
echo kept >> kept
sleep 1000 &
( sleep 1001 & )
";

fn killed(rung: &Rung) -> Result<(), Failed> {
    let directory = Directory::new()?;
    let (awake, asleep) = (fresh_name("awake"), fresh_name("asleep"));
    let mut host = Command::new(std::env::current_exe()?)
        .arg("host")
        .arg(directory.path())
        .args([&rung.to_string(), awake.as_str(), asleep.as_str()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(host.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    assert!(processes(&awake).len() >= 3 && processes(&asleep).len() >= 3);
    host.kill()?;
    host.wait()?;
    if rung.namespaces.has_pid() {
        eventually("a pid namespace ends with its host", || processes(&awake).is_empty());
        eventually("a sleeping one too", || processes(&asleep).is_empty());
    }

    let ground = Ground::at(directory.path().to_owned(), rung, LEFT);
    assert_eq!((processes(&awake), processes(&asleep)), (vec![], vec![]));
    assert_eq!((cgroups(&awake), cgroups(&asleep)), (vec![], vec![]));
    assert_eq!(std::fs::read_dir(directory.path().join("engine/sockets"))?.count(), 0);
    assert!(matches!(ground.condition(&awake), Condition::Ended(_)));
    ground.create(&awake);
    assert_eq!(ground.written(&awake, "kept"), "kept\nkept\n");
    ground.delete(&asleep);
    assert!(!ground.place(&asleep).exists());
    Ok(())
}

/// A host with two sandboxes, one of them asleep, that waits to be killed.
pub(crate) fn host(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<_> = arguments.filter_map(|word| word.into_string().ok()).collect();
    let [directory, rung, awake, asleep] = words.as_slice() else { return ExitCode::FAILURE };
    let Some(rung) = Rung::called(rung) else { return ExitCode::FAILURE };
    let ground = Ground::at(directory.into(), &rung, LEFT);
    let [awake, asleep] = [awake, asleep].map(|name| SandboxName::new(name.as_str()).unwrap());
    ground.create(&awake);
    ground.create(&asleep);
    ground.written(&asleep, "kept");
    ground.sleep(&asleep);
    println!("both are there");
    loop {
        std::thread::park();
    }
}

/// Kills a host some time into its start, again and again, and looks at what the next one finds.
fn killed_at_the_start(rung: &Rung) -> Result<(), Failed> {
    let directory = Directory::new()?;
    // At an address that nothing else here has: nobody takes its port meanwhile.
    let listener = std::net::TcpListener::bind("127.7.7.7:0")?;
    let address = listener.local_addr()?;
    drop(listener);
    let mut made = Vec::new();
    for microseconds in (0..40).map(|round| round * 700) {
        let mut host = Command::new(std::env::current_exe()?)
            .arg("starting-host")
            .arg(directory.path())
            .args([&rung.to_string(), &address.to_string()])
            .stdout(Stdio::null())
            .spawn()?;
        std::thread::sleep(std::time::Duration::from_micros(microseconds));
        host.kill()?;
        host.wait()?;
        made.extend(outside(directory.path()));
        eventually("nothing holds its port", || std::net::TcpListener::bind(address).is_ok());
    }
    let ground = Ground::at(directory.path().to_owned(), rung, "");
    ground.wait(reveille_host::engine::Engine::shutdown(&*ground.engine));
    drop(ground);
    let left: Vec<_> = made.iter().filter(|cgroup| cgroup.exists()).collect();
    assert!(left.is_empty(), "cgroups are left: {left:?}");
    assert!(!directory.path().join("engine/sockets").exists(), "sockets are left");
    assert_eq!(notebook(&directory.path().join("engine")).notes(), []);
    Ok(())
}

/// One sandbox that ran, one that did not, and files that cannot be understood.
fn left_in_files(rung: &Rung) -> Result<(), Failed> {
    let directory = Directory::new()?;
    let (ran, ended) = (fresh_name("ran"), fresh_name("ended"));
    let mark = format!("{ran}-0000000000000001");
    let mut left = Command::new("/bin/sleep").arg("1000").env("REVEILLE_SANDBOX_ID", &mark).spawn()?;
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    let world = format!("{} {}", boot.trim(), std::fs::read_link("/proc/self/ns/pid")?.display());
    // The agent itself has ended: no process has the number 0.
    let agent = json!({"pid": 0, "started": 1});
    let trace = json!({"world": world, "agent": agent, "cgroup": null, "mark": mark});
    let files = directory.path().join("engine/sandboxes");
    std::fs::create_dir_all(&files)?;
    let write = |name: &str, text: String| std::fs::write(files.join(name), text);
    write(&format!("{ran}.json"), json!({"name": ran, "trace": trace}).to_string())?;
    write(&format!("{ended}.json"), json!({"name": ended, "directory": "/d", "trace": null}).to_string())?;
    write("half.new", "{".to_owned())?;
    write("cut.json", "{".to_owned())?;
    std::fs::write(directory.path().join("engine/host.json"), r#"{"sockets":"/s","cgroups":null}"#)?;

    for _ in 0..2 {
        let ground = Ground::at(directory.path().to_owned(), rung, "");
        assert_eq!(processes(&ran), [0; 0]);
        assert!(!directory.path().join("engine/host.json").exists());
        let names: Vec<_> = std::fs::read_dir(&files)?.map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, ["cut.json"], "what cannot be understood is left as it is");
        drop(ground);
    }
    assert!(!left.wait()?.success());
    Ok(())
}

/// A host that holds a port and starts an engine.
pub(crate) fn starting_host(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let words: Vec<_> = arguments.filter_map(|word| word.into_string().ok()).collect();
    let [directory, rung, address] = words.as_slice() else { return ExitCode::FAILURE };
    let Some(rung) = Rung::called(rung) else { return ExitCode::FAILURE };
    let Ok(_listener) = std::net::TcpListener::bind(address) else { return ExitCode::FAILURE };
    let _ground = Ground::at(directory.into(), &rung, "");
    loop {
        std::thread::park();
    }
}

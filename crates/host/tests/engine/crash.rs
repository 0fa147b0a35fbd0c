//! A host that is killed, and the one after it.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::Failed;
use reveille_host::engine::Condition;
use reveille_wire::SandboxName;

use super::Statement;
use super::ground::{Ground, Rung, eventually, fresh_name, processes};

pub(crate) const STATEMENTS: &[(&str, Statement)] =
    &[("what a killed host has left is ended by the next, and its files are kept", killed)];

const LEFT: &str = "
echo kept >> kept
sleep 1000 &
( sleep 1001 & )
";

fn killed(rung: &Rung) -> Result<(), Failed> {
    let directory = tempfile::tempdir()?;
    let (awake, asleep) = (fresh_name("awake"), fresh_name("asleep"));
    let mut host = Command::new(std::env::current_exe()?)
        .arg("host")
        .arg(directory.path())
        .args([&rung.to_string(), awake.as_str(), asleep.as_str()])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(host.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let sockets = std::path::PathBuf::from(line.trim());
    assert!(sockets.exists() && processes(&awake).len() >= 3 && processes(&asleep).len() >= 3);
    host.kill()?;
    host.wait()?;
    if rung.namespaces.has_pid() {
        eventually("a pid namespace ends with its host", || processes(&awake).is_empty());
        eventually("a sleeping one too", || processes(&asleep).is_empty());
    }

    let ground = Ground::at(directory.path().to_owned(), rung, LEFT);
    assert_eq!((processes(&awake), processes(&asleep)), (vec![], vec![]));
    assert!(!sockets.exists());
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
    let socket = ground.create(&awake);
    ground.create(&asleep);
    ground.written(&asleep, "kept");
    ground.sleep(&asleep);
    println!("{}", socket.parent().unwrap_or(&socket).display());
    loop {
        std::thread::park();
    }
}

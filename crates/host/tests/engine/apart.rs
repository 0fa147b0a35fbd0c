//! What a sandbox with a root and a network of its own can see and do, and what it cannot.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::Failed;
use reveille_host::engine::{Condition, Engine};
use rustix::process::geteuid;

use super::Statement;
use super::ground::{Directory, Ground, Rung, eventually, fresh_name, processes};

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("the machine's secrets and files are not seen", nothing_of_the_machine),
    ("what is changed inside is the sandbox's own, and outlives its agent", own_changes),
    ("the same port in two sandboxes leads to each one's own server", own_ports),
    ("every port can be listened on, whoever the host runs as", low_port),
    ("the host's loopback is not reached", no_loopback_of_the_host),
    ("nothing can be mounted, and no namespace brings that back", no_mounts),
    ("the kernel's settings cannot be changed", no_settings),
    ("no process outside is seen", no_processes),
    ("programs inside are told of the way out", way_out),
];

/// A script that writes a line for each of these questions: whether the command succeeds.
fn asked(questions: &[(&str, &str)]) -> String {
    let lines = questions.iter().map(|(name, command)| {
        format!("if ( {command} ) >/dev/null 2>&1; then echo {name} yes; else echo {name} no; fi\n")
    });
    format!("( {} ) > answers.new\nmv answers.new answers\n", lines.collect::<String>())
}

pub(crate) fn answers(rung: &Rung, questions: &[(&str, &str)]) -> Option<String> {
    if !rung.namespaces.is_apart() {
        return None;
    }
    let ground = Ground::new(rung, &asked(questions));
    let name = fresh_name("apart");
    ground.create(&name);
    Some(ground.written(&name, "answers"))
}

fn all_no(rung: &Rung, questions: &[(&str, &str)]) -> Result<(), Failed> {
    let Some(answers) = answers(rung, questions) else { return Ok(()) };
    let expected: String = questions.iter().map(|(name, _)| format!("{name} no\n")).collect();
    assert_eq!(answers, expected);
    Ok(())
}

fn nothing_of_the_machine(rung: &Rung) -> Result<(), Failed> {
    let outside = Directory::new()?;
    fs::write(outside.path().join("secret"), "secret")?;
    let secret = format!("cat {}/secret", outside.path().display());
    all_no(
        rung,
        &[
            ("shadow", "grep -q . /etc/shadow"),
            ("temporary", &secret),
            ("home", "ls -A /root | grep -q ."),
            ("here", &format!("ls {}", env!("CARGO_MANIFEST_DIR"))),
            ("disks", "ls /dev | grep -E '^(sd|vd|nvme|mem|kmsg)'"),
            ("kernel", "grep -q . /proc/kcore"),
        ],
    )
}

fn own_changes(rung: &Rung) -> Result<(), Failed> {
    if !rung.namespaces.is_apart() {
        return Ok(());
    }
    let places = ["/usr/local/own", "/etc/own", "/own", "/root/own", "/home/sandbox/own", "/tmp/own"];
    let writes: String = places.iter().map(|place| format!("echo own >> {place}\n")).collect();
    let reads: String = places.iter().map(|place| format!("wc -l < {place} || echo none\n")).collect();
    let ground = Ground::new(rung, &format!("( {writes} ) 2> complaints\n( {reads} ) > seen\n"));
    let name = fresh_name("changes");
    ground.create(&name);
    let first = ground.written(&name, "seen");
    let agent = processes(&name).into_iter().min().ok_or("no agent")?;
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(agent).ok_or("no agent")?,
        rustix::process::Signal::KILL,
    )?;
    eventually("the agent has ended", || matches!(ground.condition(&name), Condition::Ended(_)));
    fs::remove_file(ground.file(&name, "seen"))?;
    ground.create(&name);
    let again = ground.written(&name, "seen");
    if geteuid().is_root() {
        assert_eq!(
            first,
            "1\n".repeat(places.len()),
            "{:?}",
            fs::read_to_string(ground.file(&name, "complaints"))
        );
        assert_eq!(again, "2\n".repeat(places.len()));
    } else {
        // What belongs to root outside belongs to nobody inside.
        assert!(again.ends_with("2\n2\n"), "{again}");
    }
    assert!(places.iter().all(|place| !Path::new(place).exists()));
    Ok(())
}

fn own_ports(rung: &Rung) -> Result<(), Failed> {
    if !rung.namespaces.is_apart() {
        return Ok(());
    }
    // A port of each one's own network: nothing else on the machine can have it.
    let ground = Ground::new(rung, "\"$0\" answer 3000 \"$(hostname)\" & \"$0\" ask 3000 > heard\n");
    let names = [fresh_name("one"), fresh_name("two")];
    for name in &names {
        ground.create(name);
    }
    for name in &names {
        assert_eq!(ground.written(name, "heard"), format!("{name}\n"));
    }
    Ok(())
}

fn low_port(rung: &Rung) -> Result<(), Failed> {
    if !rung.namespaces.is_apart() {
        return Ok(());
    }
    let ground = Ground::new(rung, "\"$0\" answer 80 here & \"$0\" ask 80 > heard\n");
    let name = fresh_name("low");
    ground.create(&name);
    assert_eq!(ground.written(&name, "heard"), "here\n");
    Ok(())
}

/// Answers connections to a port of loopback with a word.
pub(crate) fn answer(port: &str, word: &str) -> ExitCode {
    let Ok(listener) = TcpListener::bind(format!("127.0.0.1:{port}")) else { return ExitCode::FAILURE };
    for stream in listener.incoming().flatten() {
        let mut stream = stream;
        // Whoever does not listen does not hear.
        let _gone = writeln!(stream, "{word}");
    }
    ExitCode::SUCCESS
}

/// Prints what a port of loopback answers, as soon as it does.
pub(crate) fn ask(port: &str) -> ExitCode {
    let mut heard = String::new();
    eventually("somebody answers", || {
        let stream = TcpStream::connect(format!("127.0.0.1:{port}"));
        stream.and_then(|mut stream| stream.read_to_string(&mut heard)).is_ok()
    });
    print!("{heard}");
    ExitCode::SUCCESS
}

fn no_loopback_of_the_host(rung: &Rung) -> Result<(), Failed> {
    if !rung.namespaces.is_apart() {
        return Ok(());
    }
    let of_the_host = TcpListener::bind("127.0.0.1:0")?;
    let port = of_the_host.local_addr()?.port();
    let ground = Ground::new(rung, &format!("\"$0\" connects {port} > result\n"));
    let name = fresh_name("loopback");
    ground.create(&name);
    assert_eq!(ground.written(&name, "result"), "refused\n");
    Ok(())
}

/// Says whether a port of loopback takes a connection.
pub(crate) fn connects(port: &str) -> ExitCode {
    let connected = TcpStream::connect(format!("127.0.0.1:{port}"));
    println!("{}", if connected.is_ok() { "connected" } else { "refused" });
    ExitCode::SUCCESS
}

fn no_mounts(rung: &Rung) -> Result<(), Failed> {
    // The script comes from the agent's own process, which may mount drives; its children may not.
    all_no(
        rung,
        &[
            ("namespace", "unshare -U true"),
            ("user", "unshare -Urm true"),
            ("cgroup", "echo $$ > /sys/fs/cgroup/cgroup.procs"),
            ("cgroups", "mkdir /sys/fs/cgroup/mine"),
            ("device", "mknod /tmp/disk b 254 0 && head -c 1 /tmp/disk"),
        ],
    )
}

fn no_settings(rung: &Rung) -> Result<(), Failed> {
    all_no(
        rung,
        &[
            ("sysctl", "cat /proc/sys/vm/swappiness > /proc/sys/vm/swappiness"),
            ("trigger", "echo h > /proc/sysrq-trigger"),
            ("clock", "date -s @0"),
            ("module", "modprobe dummy"),
            ("reboot", "reboot -f"),
        ],
    )
}

fn no_processes(rung: &Rung) -> Result<(), Failed> {
    let me = std::process::id();
    all_no(
        rung,
        &[
            ("seen", &format!("grep -qs engine /proc/{me}/comm")),
            ("many", "test $(ls -d /proc/[0-9]* | wc -l) -gt 8"),
        ],
    )
}

fn way_out(rung: &Rung) -> Result<(), Failed> {
    if !rung.namespaces.is_apart() {
        return Ok(());
    }
    let ground = Ground::new(rung, "\"$0\" connects ${HTTPS_PROXY##*:} > result\n");
    let name = fresh_name("out");
    ground.create(&name);
    assert_eq!(ground.written(&name, "result"), "connected\n");
    ground.wait(ground.engine.shutdown());
    Ok(())
}

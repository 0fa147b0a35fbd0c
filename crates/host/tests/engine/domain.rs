//! What the programs of a sandbox, all but its agent, are kept from by their Landlock domain, and what they go on doing.

use std::io::{Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use landlock::{
    ABI, Access as _, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr as _, RulesetCreatedAttr as _,
    RulesetError, Scope,
};
use libtest_mimic::Failed;
use reveille_host::engine::{Address, Condition, Engine as _, Landlock, Lifetime, Network, Plan};
use reveille_wire::SandboxName;
use serde_json::{Value, json};

use super::Statement;
use super::ground::{Directory, Ground, Rung, eventually, fresh_name};

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("programs do not end their agent, whatever they send to whichever of its threads", agent_goes_on),
    ("programs neither signal their agent nor look into it, over upgrades and hosts", agent_left_alone),
    ("abstract sockets of the machine are not reached, and the sandbox's own are", abstract_sockets),
    ("programs make no device nodes", no_devices),
    ("what programs do every day goes on in their domain", ordinary_work),
    ("programs go on that put themselves into a domain", nested),
];

/// A sandbox whose agent is asked to run commands.
struct Asked<'a> {
    ground: &'a Ground,
    name: SandboxName,
    socket: PathBuf,
}

impl<'a> Asked<'a> {
    fn new(ground: &'a Ground, network: Option<Network>) -> Self {
        let name = fresh_name("domain");
        let plan = ground.plan(&name);
        let plan = network.into_iter().fold(plan, Plan::with_network);
        Self { ground, socket: ground.create_as(plan), name }
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let body = body.to_string();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: agent\r\nconnection: close\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// Whether a command ends well, and what it wrote.
    fn runs(&self, command: &str) -> (bool, String) {
        let ended = self.ask("POST", "/process", &json!({"command": command, "waitForCompletion": true}));
        let said = ["stdout", "stderr"].map(|stream| ended[stream].as_str().unwrap_or_default().to_owned());
        (ended["exitCode"] == 0, said.concat())
    }

    fn all_run<'b>(&self, commands: impl IntoIterator<Item = &'b str>) {
        for command in commands {
            let (well, said) = self.runs(command);
            assert!(well, "{command}: {said}");
        }
    }

    fn none_runs<'b>(&self, commands: impl IntoIterator<Item = &'b str>) {
        for command in commands {
            let (well, said) = self.runs(command);
            assert!(!well, "{command}: {said}");
        }
    }

    fn upgrade(&self) {
        self.ask("POST", "/upgrade", &json!({}));
        eventually("the agent is upgraded", || {
            let health = self.ask("GET", "/health", &json!({}));
            assert_ne!(health["lastUpgrade"]["status"], "failed", "{health}");
            health["upgradeCount"] == 1
        });
    }
}

/// Whether programs are in one of these domains; said where not.
fn has(ground: &Ground, wanted: &[Landlock]) -> bool {
    let isolation = ground.engine.isolation();
    let has = wanted.contains(&isolation.landlock);
    if !has {
        eprintln!("SKIPPED: {isolation}");
    }
    has
}

const SCOPED: &[Landlock] = &[Landlock::Scoped];
const ANY: &[Landlock] = &[Landlock::Scoped, Landlock::Unscoped];

/// With what a program would end, stop or wake its agent, as a signal of its own or of one of its threads.
const SIGNALS: &[&str] = &[
    "kill -0 1",
    "kill -TERM 1",
    "kill -XFSZ 1",
    "kill -CONT 1",
    // tgkill of its first thread, and pidfd_send_signal, on x86-64.
    "perl -e 'exit(syscall(234, 1, 1, 15) < 0)'",
    "perl -e 'exit(syscall(424, syscall(434, 1, 0), 15, 0, 0) < 0)'",
];

/// Every signal to every thread of the agent, and some with a sender that is made up (rt_sigqueueinfo, which takes the
/// code of no other call). Left out are SIGBUS, SIGCHLD, SIGSEGV and SIGXFSZ, which say nothing to it: many at once of those
/// that a program waits for are more than the kernel lays on a thread's stack for signals, and that ends any program.
const ALL_SIGNALS: &str = r#"perl -e '
    for my $signal (grep { $_ != 7 && $_ != 11 && $_ != 17 && $_ != 25 } 1 .. 64) {
        for my $task (map { m{/([0-9]+)$} ? $1 : () } glob "/proc/1/task/*") {
            kill $signal, $task;
            syscall(234, 1, $task, $signal);
            for my $code (0, -1, -6) {
                my $made_up = pack("iiix4ii", $signal, 0, $code, 0, 0) . "\0" x 104;
                syscall(129, $task, $signal, $made_up);
            }
        }
    }' "#;

fn agent_goes_on(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    if !rung.namespaces.has_pid() {
        return Ok(());
    }
    let asked = Asked::new(&ground, None);
    let boot = || asked.ask("GET", "/health", &json!({}))["boot"].as_str().map(str::to_owned);
    let before = boot();
    assert!(before.is_some());
    asked.all_run([ALL_SIGNALS]);
    assert!(asked.runs("kill -TERM 1; kill 1; kill -KILL 1; kill -STOP 1; true").0);
    assert_eq!(boot(), before);
    // Its host is still listened to.
    asked.ground.wait(ground.engine.shutdown());
    assert!(UnixStream::connect(&asked.socket).is_err());
    Ok(())
}

const LOOKS: &[&str] = &[
    "cat /proc/1/environ",
    "head -c 1 /proc/1/mem",
    "grep -q . /proc/1/maps",
    "readlink /proc/1/exe",
    "readlink /proc/1/fd/0",
    "ls /proc/1/root/",
    // PTRACE_SEIZE, PTRACE_ATTACH and pidfd_getfd, on x86-64.
    "perl -e 'exit(syscall(101, 0x4206, 1, 0, 0) < 0)'",
    "perl -e 'exit(syscall(101, 16, 1, 0, 0) < 0)'",
    "perl -e 'exit(syscall(438, syscall(434, 1, 0), 0, 0) < 0)'",
    "mkdir -p /tmp/m && mount -t tmpfs tmpfs /tmp/m",
];

fn agent_left_alone(rung: &Rung) -> Result<(), Failed> {
    let own = Directory::new()?;
    let next = || Ground::living(Lifetime::BeyondTheHost, own.path().to_owned(), rung, "");
    let ground = next();
    if !has(&ground, ANY) {
        return Ok(());
    }
    let refused = |asked: &Asked<'_>| {
        asked.none_runs(LOOKS.iter().copied());
        if has(asked.ground, SCOPED) {
            asked.none_runs(SIGNALS.iter().copied());
        }
    };
    let asked = Asked::new(&ground, None);
    // Among themselves nothing changes: what was started at another time is signalled and looked into.
    asked.ask("POST", "/process", &json!({"command": "exec sleep 4321", "name": "sleeper"}));
    asked.all_run([
        "kill -0 $(pgrep -f '[s]leep 4321') && tr '\\0' '\\n' < /proc/$(pgrep -f '[s]leep 4321')/environ | grep -q PATH",
        "kill -STOP $(pgrep -f '[s]leep 4321') && kill -CONT $(pgrep -f '[s]leep 4321')",
    ]);
    refused(&asked);
    asked.upgrade();
    refused(&asked);
    // What the agent does to what it started before, it still does.
    let stopped = asked.ask("DELETE", "/process/sleeper", &json!({}));
    assert!(stopped["message"].is_string(), "{stopped}");
    eventually("it has ended", || asked.ask("GET", "/process/sleeper", &json!({}))["status"] != "running");
    let name = asked.name.clone();
    ground.wait(ground.engine.detach())?;
    drop(ground);
    let ground = next();
    let Condition::Awake(Address::Unix(socket)) = ground.condition(&name) else { panic!("it is not awake") };
    let asked = Asked { ground: &ground, name, socket };
    refused(&asked);
    asked.ground.delete(&asked.name);
    Ok(())
}

/// Listens on, and connects to, an abstract socket.
const LISTEN: &str = "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); bind(S, pack_sockaddr_un(\"\\0NAME\")) or die; \
                      listen(S, 1); sleep 4321'";
const CONNECT: &str = "perl -MSocket -e 'socket(S, AF_UNIX, SOCK_STREAM, 0); \
                       exit(!connect(S, pack_sockaddr_un(\"\\0NAME\")))'";

fn abstract_sockets(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    if !has(&ground, SCOPED) {
        return Ok(());
    }
    let name = format!("reveille-{:016x}", fastrand::u64(..));
    let _listener = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name)?)?;
    // With the machine's network a sandbox has its abstract sockets, too.
    let asked = Asked::new(&ground, Some(Network::Machine));
    let connect = CONNECT.replace("NAME", &name);
    asked.all_run([&*format!("grep -q @{name} /proc/net/unix")]);
    asked.none_runs([&*connect]);
    asked.ask("POST", "/process", &json!({"command": LISTEN.replace("NAME", &format!("{name}-own"))}));
    let connect = CONNECT.replace("NAME", &format!("{name}-own"));
    eventually("their own is reached", || asked.runs(&connect).0);
    Ok(())
}

fn no_devices(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    if !has(&ground, ANY) {
        return Ok(());
    }
    let asked = Asked::new(&ground, None);
    asked.none_runs([
        "mknod /tmp/null c 1 3",
        "mknod /tmp/disk b 7 0",
        // What overlays mark removed files with; it needs no right, and no more is made of it.
        "mknod /tmp/removed c 0 0",
    ]);
    asked.all_run(["mkfifo /tmp/pipe && mknod /tmp/other p"]);
    Ok(())
}

/// Each is tried where the machine has its program. All of them leave nothing behind.
const EVERY_DAY: &[(&str, &str)] = &[
    ("ln", "mkdir a b && echo x > a/x && ln a/x b/y && cmp a/x b/y && ln -s ../a/x b/z && cat b/z"),
    ("mv", "mkdir a b && echo x > a/x && mv a/x b/ && mv b c && mv c a/ && cat a/c/x"),
    ("mv", "mkdir /tmp/there.$$ && echo x > x && mv x /tmp/there.$$/ && rm -r /tmp/there.$$"),
    (
        "perl",
        "echo a > a && echo b > b && mkdir d && perl -e 'exit(syscall(316, -100, \"a\", -100, \"b\", 2) < 0)' && grep -q a b",
    ),
    ("truncate", "truncate -s 1M long && truncate -s 10 long && test $(stat -c %s long) = 10 && : > long"),
    ("chmod", "touch f && chmod 640 f && touch -d @0 f && test $(stat -c %Y.%a f) = 0.640"),
    (
        "tar",
        "mkdir a && echo x > a/x && ln a/x a/y && mkfifo a/p && tar cf a.tar a && mkdir b && tar xf a.tar -C b && cmp a/x b/a/y",
    ),
    (
        "git",
        "export HOME=$PWD && git init -q one && cd one && echo x > x && git add x && git -c user.name=a -c user.email=a@b commit -qm x && cd .. && git clone -q one two && git -C two gc -q && cmp one/x two/x",
    ),
    ("gcc", "echo 'int main(void){return 7;}' > a.c && gcc -o a a.c && { ./a || test $? = 7; }"),
    (
        "python3",
        "python3 -m venv --without-pip v && v/bin/python -c 'import socket, os; socket.socket(socket.AF_UNIX).bind(\"s\"); os.mkfifo(\"f\")'",
    ),
    (
        "python3",
        "python3 -c 'import multiprocessing as m\nwith m.Pool(2) as p: assert p.map(abs, [-1, -2]) == [1, 2]'",
    ),
    ("script", "script -qec 'stty -a && test -t 0 && : > /dev/tty' /dev/null | grep -q rows"),
    (
        "node",
        "node -e 'require(\"child_process\").execFileSync(\"true\"); require(\"fs\").renameSync(process.argv[1], \"b\")' \"$(touch a; echo a)\"",
    ),
    (
        "npm",
        "mkdir p q && echo '{\"name\":\"p\",\"version\":\"1.0.0\"}' > p/package.json && echo '{}' > q/package.json && cd q && HOME=$PWD npm install --silent --offline --no-audit --no-fund ../p && test -e node_modules/p/package.json",
    ),
    (
        "dpkg-deb",
        "mkdir -p d/DEBIAN d/opt/d && echo x > d/opt/d/x && printf 'Package: d\\nVersion: 1\\nArchitecture: all\\nMaintainer: a <a@b>\\nDescription: d\\n' > d/DEBIAN/control && dpkg-deb -b d d.deb && dpkg-deb -x d.deb out && cmp out/opt/d/x d/opt/d/x",
    ),
    ("strace", "strace -o t true && grep -q exit t"),
    ("flock", "flock l true"),
    ("dd", "dd if=/dev/zero of=z bs=1k count=4 && dd if=/dev/urandom of=/dev/null bs=1k count=4"),
    (
        "sh",
        "echo x > /dev/shm/x.$$ && rm /dev/shm/x.$$ && echo x | tee /dev/stderr > /dev/null && cat <(echo x) 2>/dev/null; exec 3<>f && rm f && echo x > /proc/self/fd/3",
    ),
];

fn ordinary_work(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    let asked = Asked::new(&ground, None);
    for (program, command) in EVERY_DAY {
        if !asked.runs(&format!("command -v {program}")).0 {
            eprintln!("SKIPPED: there is no {program}");
            continue;
        }
        asked.all_run([&*format!("set -e; cd $(mktemp -d); {command}\nrm -rf \"$PWD\"")]);
    }
    Ok(())
}

fn nested(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    if !has(&ground, ANY) {
        return Ok(());
    }
    let me = std::env::current_exe()?;
    let me = me.file_name().unwrap().display();
    let asked = Asked::new(&ground, None);
    asked.all_run([&*format!("mkdir -p /tmp/in /tmp/out; {me} confined /tmp/in /tmp/out")]);
    Ok(())
}

/// Puts itself into a domain in which only one directory can be written to, and says whether that is so.
pub(crate) fn confined(inside: &str, outside: &str) -> ExitCode {
    let open = |path: &str| PathFd::new(path).unwrap();
    let enter = || -> Result<_, RulesetError> {
        Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V7))?
            .scope(Scope::from_all(ABI::V7))?
            .create()?
            .add_rule(PathBeneath::new(open("/"), AccessFs::from_read(ABI::V7)))?
            .add_rule(PathBeneath::new(open(inside), AccessFs::from_all(ABI::V7)))?
            .restrict_self()
    };
    if let Err(error) = enter() {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let written = |directory| std::fs::write(Path::new(directory).join("file"), "");
    match (written(inside), written(outside)) {
        (Ok(()), Err(_)) => ExitCode::SUCCESS,
        other => {
            eprintln!("{other:?}");
            ExitCode::FAILURE
        }
    }
}

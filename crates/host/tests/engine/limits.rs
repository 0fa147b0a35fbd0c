//! What a sandbox may use, and what becomes of one that wants more.

use std::fs;
use std::process::{Child, Command, ExitCode, Stdio};

use libtest_mimic::Failed;
use reveille_host::engine::{Allowance, Condition, Engine, Limiter, Limiters, Plan};
use reveille_wire::SandboxName;

use super::Statement;
use super::ground::{Ground, Rung, fresh_name};

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("who wants more memory than a sandbox may use is ended, and nobody else", memory),
    ("a sandbox starts no more processes than it may have, and goes on", processes),
    ("a file does not grow beyond what its sandbox may write", longest_file),
    ("what a sandbox may use is changed while it runs, if it does not use more", changed),
];

/// What binds sandboxes here.
fn limiters(ground: &Ground) -> Limiters {
    ground.engine.isolation().limits
}

fn with(ground: &Ground, name: &SandboxName, allow: impl FnOnce(&mut Allowance)) -> Plan {
    let mut allowance = Allowance::default();
    allow(&mut allowance);
    ground.plan(name).with_allowance(allowance)
}

fn memory(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "( \"$0\" eat 400 > eaten; echo $? > status ) &\n");
    if limiters(&ground).memory == Limiter::None {
        return skipped("nothing binds memory");
    }
    let (bound, other) = (fresh_name("bound"), fresh_name("other"));
    ground.create_as(with(&ground, &bound, |allowance| allowance.memory = 192));
    ground.create(&other);
    assert_ne!(ground.written(&bound, "status"), "0\n");
    let eaten = fs::read_to_string(ground.file(&bound, "eaten"))?.lines().count();
    assert!((32..=192).contains(&eaten), "{eaten} MiB were had");
    assert_eq!(ground.written(&other, "status"), "0\n");
    assert!(matches!(ground.condition(&bound), Condition::Awake(_)));
    Ok(())
}

/// Uses so many MiB, one after the other, and says each.
pub(crate) fn eat(megabytes: &str) -> ExitCode {
    let mut eaten = Vec::new();
    for number in 1..=megabytes.parse().unwrap_or(0) {
        eaten.push(vec![1_u8; 1 << 20]);
        println!("{number}");
    }
    ExitCode::SUCCESS
}

fn processes(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "\"$0\" multiply 100 > had\n");
    if limiters(&ground).processes == Limiter::None {
        return skipped("nothing binds processes");
    }
    let (bound, other) = (fresh_name("bound"), fresh_name("other"));
    ground.create_as(with(&ground, &bound, |allowance| allowance.processes = 48));
    ground.create(&other);
    let had: usize = ground.written(&bound, "had").trim().parse()?;
    assert!((8..48).contains(&had), "{had} were started");
    assert_eq!(ground.written(&other, "had"), "100\n");
    assert!(matches!(ground.condition(&bound), Condition::Awake(_)));
    Ok(())
}

/// Starts so many processes, as far as it can, says how many that were, and ends them.
pub(crate) fn multiply(number: &str) -> ExitCode {
    let sleep = || Command::new("/bin/sleep").arg("1000").stdout(Stdio::null()).spawn();
    let mut all: Vec<Child> = Vec::new();
    while all.len() < number.parse().unwrap_or(0) {
        match sleep() {
            Ok(child) => all.push(child),
            Err(_) => break,
        }
    }
    for child in &mut all {
        // It sleeps, and has not been waited for.
        let _ended = child.kill().and_then(|()| child.wait());
    }
    println!("{}", all.len());
    ExitCode::SUCCESS
}

fn longest_file(rung: &Rung) -> Result<(), Failed> {
    let script = "( trap '' XFSZ; head -c 3000000 /dev/zero > long ) 2> complaint\necho $? > status\n";
    let ground = Ground::new(rung, script);
    let name = fresh_name("file");
    ground.create_as(with(&ground, &name, |allowance| allowance.file = Some(1)));
    assert_ne!(ground.written(&name, "status"), "0\n");
    assert_eq!(ground.size(&name, "long"), 1 << 20);
    Ok(())
}

fn changed(rung: &Rung) -> Result<(), Failed> {
    let script = "mkfifo ask\n( for round in 1 2 3; do \"$0\" eat $(head -n 1 ask) > eaten; echo $? > status; done ) &\n";
    let ground = Ground::new(rung, script);
    if !matches!(limiters(&ground).memory, Limiter::Cgroup1 | Limiter::Cgroup2) {
        return skipped("no cgroup binds memory");
    }
    let name = fresh_name("changed");
    let plan = with(&ground, &name, |allowance| allowance.memory = 128);
    let mut allowance = plan.allowance;
    ground.create_as(plan);
    let status = |megabytes: u64| {
        fs::write(ground.file(&name, "ask"), format!("{megabytes}\n")).unwrap();
        let status = ground.written(&name, "status");
        fs::remove_file(ground.file(&name, "status")).unwrap();
        status
    };
    assert_ne!(status(200), "0\n");
    allowance.memory = 512;
    ground.wait(ground.engine.change_allowance(&name, allowance))?;
    assert_eq!(status(200), "0\n");
    // What is asleep is bound anew, too.
    ground.sleep(&name);
    allowance.memory = 256;
    ground.wait(ground.engine.change_allowance(&name, allowance))?;
    ground.wake(&name);
    assert_ne!(status(300), "0\n");
    let nobody = fresh_name("nobody");
    ground.wait(ground.engine.change_allowance(&nobody, allowance))?;
    Ok(())
}

fn skipped(why: &str) -> Result<(), Failed> {
    eprintln!("SKIPPED: {why}");
    Ok(())
}

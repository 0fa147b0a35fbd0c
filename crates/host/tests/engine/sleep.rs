//! Sleeping and waking.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use libtest_mimic::Failed;
use reveille_host::engine::Condition;

use super::Statement;
use super::ground::{Ground, Rung, eventually, fresh_name, processes, stat};

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("a sleeping tree uses no processor, and goes on where it was", uses_no_processor),
    ("a tree that keeps forking falls asleep whole", forking_falls_asleep),
    ("a request to a sleeping sandbox waits and is answered after it wakes", request_waits),
    ("what its user had stopped stays stopped", stopped_stays_stopped),
    ("sleeping and waking twice is once", twice_is_once),
];

/// Long enough that a single running process would show in clock ticks of 10 ms.
const LOOK: Duration = Duration::from_millis(150);

const COUNTING: &str = "
exec 7>open-file
( i=0; while :; do i=$((i+1)); echo $i >> count; done ) &
( while :; do :; done ) &
( while :; do :; done ) &
";

fn uses_no_processor(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, COUNTING);
    let name = fresh_name("quiet");
    ground.create(&name);
    ground.written(&name, "count");
    let all = processes(&name);
    assert!(all.len() >= 4, "{all:?}");
    ground.sleep(&name);
    let spent = processor_time(&all);
    let size = ground.size(&name, "count");
    std::thread::sleep(LOOK);
    assert_eq!(processor_time(&all), spent);
    assert_eq!(ground.size(&name, "count"), size);
    assert_eq!(processes(&name), all);
    ground.wake(&name);
    eventually("it counts on", || ground.size(&name, "count") > size);
    let counted = std::fs::read_to_string(ground.file(&name, "count"))?;
    let counts = counted.lines().filter_map(|line| line.parse::<u64>().ok()).take(1000);
    assert!(counts.zip(1..).all(|(count, expected)| count == expected), "its memory was not kept");
    assert_eq!(processes(&name), all);
    Ok(())
}

fn processor_time(pids: &[i32]) -> u64 {
    let ticks = |pid, field| stat(pid, field).unwrap().parse::<u64>().unwrap();
    pids.iter().map(|pid| ticks(*pid, 14) + ticks(*pid, 15)).sum()
}

const FORKING: &str = "
fork_on() { while :; do ( ( sleep 0; echo >> forks ) & ) ; done; }
fork_on & fork_on & fork_on &
";

fn forking_falls_asleep(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, FORKING);
    let name = fresh_name("forking");
    ground.create(&name);
    for _ in 0..3 {
        let before = ground.size(&name, "forks");
        eventually("it forks", || ground.size(&name, "forks") > before + 5);
        ground.sleep(&name);
        let (all, size) = (processes(&name), ground.size(&name, "forks"));
        std::thread::sleep(LOOK);
        assert_eq!((processes(&name), ground.size(&name, "forks")), (all, size));
        ground.wake(&name);
    }
    ground.delete(&name);
    assert!(processes(&name).is_empty());
    Ok(())
}

fn request_waits(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    let name = fresh_name("waits");
    let socket = ground.create(&name);
    ground.sleep(&name);
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: agent\r\nconnection: close\r\n\r\n")?;
    stream.set_read_timeout(Some(LOOK))?;
    let early = stream.read(&mut [0; 1]);
    assert!(early.is_err(), "a sleeping agent answered: {early:?}");
    stream.set_read_timeout(None)?;
    ground.wake(&name);
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    Ok(())
}

const STOPPED: &str = "
sleep 1000 & kill -STOP $!
sleep 1001 &
echo >> started
";

fn stopped_stays_stopped(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, STOPPED);
    let name = fresh_name("stopped");
    ground.create(&name);
    ground.written(&name, "started");
    let stopped = || processes(&name).into_iter().filter(|pid| stat(*pid, 3).is_ok_and(|state| state == "T"));
    eventually("one is stopped", || stopped().count() == 1);
    let before: Vec<_> = stopped().collect();
    ground.sleep(&name);
    ground.wake(&name);
    eventually("the others go on", || stopped().count() == 1);
    assert_eq!(stopped().collect::<Vec<_>>(), before);
    Ok(())
}

fn twice_is_once(rung: &Rung) -> Result<(), Failed> {
    let ground = Ground::new(rung, "");
    let name = fresh_name("twice");
    ground.create(&name);
    let awake = ground.condition(&name);
    assert!(matches!(awake, Condition::Awake(_)), "{awake:?}");
    ground.wake(&name);
    ground.sleep(&name);
    ground.sleep(&name);
    assert_eq!(ground.condition(&name), Condition::Asleep);
    ground.wake(&name);
    assert_eq!(ground.condition(&name), awake);
    Ok(())
}

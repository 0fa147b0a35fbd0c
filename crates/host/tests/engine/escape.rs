//! What a program tries that wants out of its sandbox: here with the rights of the agent itself, which is more than any
//! program in it has.

use libtest_mimic::Failed;

use super::Statement;
use super::apart::answers;
use super::ground::Rung;

pub(crate) const STATEMENTS: &[(&str, Statement)] = &[
    ("the right to mount uncovers nothing of the machine", nothing_uncovered),
    ("system calls about the machine are refused, whatever they are called with", no_calls),
];

/// What is tried, with what must work for the trial to say anything.
fn refused(rung: &Rung, control: &str, attempts: &[(String, String)]) -> Result<(), Failed> {
    let mut questions = vec![("control", control)];
    questions.extend(attempts.iter().map(|(name, command)| (&**name, &**command)));
    let Some(answers) = answers(rung, &questions) else {
        eprintln!("SKIPPED: sandboxes see the machine on this rung");
        return Ok(());
    };
    if !answers.starts_with("control yes\n") {
        eprintln!("SKIPPED: {control:?} does not work here, so nothing else says anything");
        return Ok(());
    }
    let done: Vec<_> = answers.lines().skip(1).filter(|line| line.ends_with(" yes")).collect();
    assert!(done.is_empty(), "not refused: {done:?}");
    assert_eq!(answers.lines().count(), questions.len());
    Ok(())
}

fn nothing_uncovered(rung: &Rung) -> Result<(), Failed> {
    // What is there is written, so that nothing changes where it works.
    let write = |at: &str| format!("cat {at}/vm/swappiness > {at}/vm/swappiness");
    let attempts = [
        ("taken-away", format!("umount /proc/sys; {}", write("/proc/sys"))),
        ("detached", format!("umount -l /proc/sys; {}", write("/proc/sys"))),
        ("remounted", format!("mount -o remount,bind,rw /proc/sys; {}", write("/proc/sys"))),
        ("fresh", format!("mkdir -p /tmp/p && mount -t proc proc /tmp/p; {}", write("/tmp/p/sys"))),
        ("bound", format!("mkdir -p /tmp/b && mount --bind /proc /tmp/b; {}", write("/tmp/b/sys"))),
        ("sys", "mount -o remount,bind,rw /sys".to_owned()),
        ("sysfs", "mkdir -p /tmp/s && mount -t sysfs sysfs /tmp/s".to_owned()),
        ("cgroup-2", "mkdir -p /tmp/c && mount -t cgroup2 cgroup2 /tmp/c".to_owned()),
        ("cgroup-1", "mkdir -p /tmp/d && mount -t cgroup -o memory memory /tmp/d".to_owned()),
        ("disk", "mkdir -p /tmp/e && mknod /tmp/loop b 7 0 && mount /tmp/loop /tmp/e".to_owned()),
        ("namespace", "unshare -m true && unshare -U true".to_owned()),
        ("program", "umount /run/reveille/bin".to_owned()),
        ("changed-program", "touch /run/reveille/bin/mine".to_owned()),
        ("other-programs", "mv /run/reveille /run/other".to_owned()),
        ("more-programs", "mkdir /run/reveille/more".to_owned()),
    ];
    let attempts = attempts.map(|(name, command)| (name.to_owned(), command));
    refused(rung, "mkdir -p /tmp/t && mount -t tmpfs tmpfs /tmp/t", &attempts)
}

/// The numbers of system calls on x86-64, and what they would be asked for.
const CALLS: &[(&str, &str)] = &[
    ("acct", "163, 0"),
    ("add_key", "248, 0, 0, 0, 0, 0"),
    ("bpf", "321, 0, 0, 0"),
    ("delete_module", "176, 0, 0"),
    ("finit_module", "313, -1, 0, 0"),
    ("init_module", "175, 0, 0, 0"),
    ("io_uring_setup", "425, 1, 0"),
    ("ioperm", "173, 0, 1, 1"),
    ("iopl", "172, 3"),
    ("kexec_load", "246, 0, 0, 0, 0"),
    ("keyctl", "250, 0, 0, 0"),
    ("open_by_handle_at", "304, -1, 0, 0"),
    ("perf_event_open", "298, 0, 0, -1, -1, 0"),
    ("quotactl", "179, 0, 0, 0, 0"),
    ("quotactl_fd", "443, 0, 0, 0, 0"),
    ("reboot", "169, 0, 0, 0, 0"),
    ("request_key", "249, 0, 0, 0, 0"),
    ("settimeofday", "164, 0, 0"),
    ("swapon", "167, 0, 0"),
    ("syslog", "103, 3, 0, 0"),
    ("userfaultfd", "323, 0"),
    ("unshare-user", "272, 0x10000000"),
    ("clone-user", "56, 0x10000000 | 17, 0, 0, 0, 0"),
    ("clone3", "435, 0, 0"),
    ("setns", "308, 0, 0"),
    ("push-input", "16, 0, 0x5412, 0"),
    ("push-input-high", "16, 0, 0x100005412, 0"),
    ("bpf-by-another-number", "0x40000000 | 321, 0, 0, 0"),
];

fn no_calls(rung: &Rung) -> Result<(), Failed> {
    if !cfg!(target_arch = "x86_64") {
        eprintln!("SKIPPED: the numbers of system calls are those of x86-64");
        return Ok(());
    }
    // Refused is what does not even look at its arguments: EPERM, or ENOSYS.
    let attempts = CALLS.iter().map(|(name, arguments)| {
        let command =
            format!("perl -e 'my $r = syscall({arguments}); exit($r < 0 && ($! == 1 || $! == 38))'");
        ((*name).to_owned(), command)
    });
    // getpid, with which nothing is wrong.
    let control = "perl -e 'exit(syscall(39) < 0)'";
    refused(rung, control, &attempts.collect::<Vec<_>>())
}

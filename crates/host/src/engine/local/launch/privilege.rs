//! What a sandbox may not do, whoever it is inside.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use nix::libc;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, capabilities, configure_capability_in_ambient_set,
    remove_capability_from_bounding_set, set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

/// What root may do in a sandbox, over what is the sandbox's own: as much as in a container of the usual kind.
const OF_ROOT: [CapabilitySet; 11] = [
    CapabilitySet::CHOWN,
    CapabilitySet::DAC_OVERRIDE,
    CapabilitySet::FOWNER,
    CapabilitySet::FSETID,
    CapabilitySet::KILL,
    CapabilitySet::SETGID,
    CapabilitySet::SETUID,
    CapabilitySet::SETPCAP,
    CapabilitySet::SYS_CHROOT,
    CapabilitySet::AUDIT_WRITE,
    CapabilitySet::SETFCAP,
];

/// Lets an agent of an ordinary user mount drives.
pub(super) fn keep_right_to_mount() -> Result<(), Errno> {
    let mut sets = capabilities(None)?;
    sets.inheritable |= CapabilitySet::SYS_ADMIN;
    set_capabilities(None, sets)?;
    configure_capability_in_ambient_set(CapabilitySet::SYS_ADMIN, true)
}

/// Who a sandbox runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum User {
    Root,
    Ordinary,
}

/// Gives up for good what no program of a sandbox needs. What is left are ambient capabilities, which the agent
/// hands on but for the right to mount: being root gives none. System calls only.
pub(super) fn give_up_privileges(user: User) -> Result<(), Errno> {
    let of_root = OF_ROOT.iter().fold(CapabilitySet::empty(), |all, one| all | *one);
    let of_programs = if user == User::Root { of_root } else { CapabilitySet::empty() };
    let kept = of_programs | CapabilitySet::SYS_ADMIN;
    set_capabilities_secure_bits(CapabilitiesSecureBits::NO_ROOT | CapabilitiesSecureBits::NO_ROOT_LOCKED)?;
    let mut sets = capabilities(None)?;
    // Before the bounding set shrinks: what is not in it cannot become inheritable any more.
    sets.inheritable = kept & sets.permitted;
    set_capabilities(None, sets)?;
    for capability in CapabilitySet::all().iter().filter(|one| !of_programs.contains(*one)) {
        match remove_capability_from_bounding_set(capability) {
            // One that this kernel does not know.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(errno),
        }
    }
    for capability in sets.inheritable.iter() {
        configure_capability_in_ambient_set(capability, true)?;
    }
    sets.permitted &= kept;
    sets.effective &= kept;
    set_capabilities(None, sets)?;
    set_no_new_privs(true)
}

/// The filter of all sandboxes, compiled when it is needed first. Never by a child, which must not allocate.
static FILTER: LazyLock<Option<Filter>> = LazyLock::new(Filter::new);

/// System calls that a sandbox may not make.
#[derive(Debug)]
pub(super) struct Filter {
    programs: [BpfProgram; 3],
}

impl Filter {
    /// The filter for this machine; none where it is of a kind that filters cannot be made for.
    pub(super) fn of_this_machine() -> Option<&'static Self> {
        FILTER.as_ref()
    }

    fn new() -> Option<Self> {
        let refused = refused().into_iter().map(|call| (call, Vec::new()));
        let mut rules: BTreeMap<i64, Vec<SeccompRule>> = refused.collect();
        // A user namespace of its own would bring back every capability over what is in it.
        for (call, argument) in [(libc::SYS_clone, 0), (libc::SYS_unshare, 0)] {
            rules.insert(call, vec![with_flag(argument, libc::CLONE_NEWUSER.cast_unsigned().into())?]);
        }
        // What somebody pushes into a terminal is taken for typed by whoever reads it next.
        rules.insert(libc::SYS_ioctl, vec![command(libc::TIOCSTI)?]);
        // The flags of clone3 are in memory, where no filter looks. C libraries fall back to clone.
        let unknown = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        Some(Self {
            programs: [
                by_other_numbers(),
                compile(rules, libc::EPERM.cast_unsigned())?,
                compile(unknown, libc::ENOSYS.cast_unsigned())?,
            ],
        })
    }

    /// Applies it to this process and all that come from it. System calls only.
    pub(super) fn apply(&self) -> Result<(), Errno> {
        self.programs.iter().try_for_each(|program| {
            seccompiler::apply_filter(program).map_err(|error| match error {
                seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => {
                    Errno::from_io_error(&error).unwrap_or(Errno::INVAL)
                }
                _ => Errno::INVAL,
            })
        })
    }
}

fn compile(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: u32) -> Option<BpfProgram> {
    let architecture = std::env::consts::ARCH.try_into().ok()?;
    let (otherwise, refused) = (SeccompAction::Allow, SeccompAction::Errno(errno));
    SeccompFilter::new(rules, otherwise, refused, architecture).ok()?.try_into().ok()
}

/// Refuses system calls by the second set of numbers that x86-64 has for them, which no rule here knows (`x32`). Kernels
/// without it have no calls there anyway, on any kind of machine.
fn by_other_numbers() -> BpfProgram {
    const FIRST: u32 = 0x4000_0000;
    // The number is the first field of `seccomp_data`.
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let compare = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
    let end = (libc::BPF_RET | libc::BPF_K) as u16;
    let instruction = |code, jt, jf, k| seccompiler::sock_filter { code, jt, jf, k };
    vec![
        instruction(load, 0, 0, 0),
        instruction(compare, 0, 1, FIRST),
        instruction(end, 0, 0, libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        instruction(end, 0, 0, libc::SECCOMP_RET_ALLOW),
    ]
}

/// Where a call is for this command. The kernel looks at 32 bits of it, and so does this.
fn command(command: u64) -> Option<SeccompRule> {
    let condition = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, command).ok()?;
    SeccompRule::new(vec![condition]).ok()
}

fn with_flag(argument: u8, flag: u64) -> Option<SeccompRule> {
    let condition =
        SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag).ok()?;
    SeccompRule::new(vec![condition]).ok()
}

/// The number of `quotactl_fd`, which is the same on every kind of machine.
const QUOTACTL_FD: i64 = 443;

/// Calls that are about the whole machine, or have been ways out of containers more than once.
fn refused() -> Vec<i64> {
    vec![
        libc::SYS_acct,
        libc::SYS_add_key,
        libc::SYS_adjtimex,
        libc::SYS_bpf,
        libc::SYS_clock_adjtime,
        libc::SYS_clock_settime,
        libc::SYS_delete_module,
        libc::SYS_finit_module,
        libc::SYS_init_module,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_io_uring_setup,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_ioperm,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_iopl,
        libc::SYS_kexec_file_load,
        libc::SYS_kexec_load,
        libc::SYS_keyctl,
        libc::SYS_lookup_dcookie,
        libc::SYS_nfsservctl,
        libc::SYS_open_by_handle_at,
        libc::SYS_perf_event_open,
        libc::SYS_quotactl,
        QUOTACTL_FD,
        libc::SYS_reboot,
        libc::SYS_request_key,
        libc::SYS_setns,
        libc::SYS_settimeofday,
        libc::SYS_swapoff,
        libc::SYS_swapon,
        libc::SYS_syslog,
        libc::SYS_userfaultfd,
        libc::SYS_vhangup,
    ]
}

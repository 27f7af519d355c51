//! The system calls that may be made, by seccomp: those that the work makes, and no other.
//!
//! Found by strace over every command and test, and by what the C library falls back to.
//! A call that is not listed fails with `EPERM`: a library that tries a newer one goes on with what
//! it did before, and a capture does not end for it.
//! Calls that only an intruder makes end the process at once.
//! `docs/decisions/0004` has the choice.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use super::Work;

/// Files, memory, threads, time: what every work needs.
const EVERY: &[c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_close,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchmod,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_getcwd,
    libc::SYS_getdents64,
    libc::SYS_geteuid,
    libc::SYS_getpid,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_lseek,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_mkdirat,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_ppoll,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_read,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_statx,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_unlinkat,
    libc::SYS_write,
    libc::SYS_writev,
];

/// What the same are called where there are older calls, too.
#[cfg(target_arch = "x86_64")]
const OLDER: &[c_long] = &[
    libc::SYS_access,
    libc::SYS_arch_prctl,
    libc::SYS_dup2,
    libc::SYS_epoll_wait,
    libc::SYS_getdents,
    libc::SYS_lstat,
    libc::SYS_mkdir,
    libc::SYS_open,
    libc::SYS_poll,
    libc::SYS_readlink,
    libc::SYS_rename,
    libc::SYS_rmdir,
    libc::SYS_stat,
    libc::SYS_time,
    libc::SYS_unlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[c_long] = &[];

/// What a capture needs besides: its sockets, and the control thread's waiting for signals.
const CAPTURE: &[c_long] = &[
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_getsockopt,
    libc::SYS_pipe2,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
];

/// What the thread that tells how a capture stands needs besides: to wait, accept and answer. It makes
/// no socket, and has nothing to do with the kernel's maps.
const WATCH: &[c_long] = &[
    libc::SYS_accept4,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
];

/// What only an intruder would try.
const NEVER: &[c_long] = &[
    libc::SYS_add_key,
    libc::SYS_chroot,
    libc::SYS_delete_module,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_finit_module,
    libc::SYS_init_module,
    libc::SYS_io_uring_setup,
    libc::SYS_kexec_load,
    libc::SYS_keyctl,
    libc::SYS_mount,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_pivot_root,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_ptrace,
    libc::SYS_reboot,
    libc::SYS_request_key,
    libc::SYS_setns,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_userfaultfd,
];

/// Commands of bpf(2) on maps, programs and links that are open. None makes a map or a program, or
/// opens somebody else's.
const BPF: [u64; 9] = [
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    10, // BPF_PROG_TEST_RUN
    15, // BPF_OBJ_GET_INFO_BY_FD
    24, // BPF_MAP_LOOKUP_BATCH
    28, // BPF_LINK_CREATE: the program again, where it was taken off
    34, // BPF_LINK_DETACH
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Lets this thread make the calls of `work` alone.
pub(super) fn restrict(work: Work) -> Result<String, String> {
    let failed = |cause: &dyn std::fmt::Display| format!("seccomp: {cause}");
    let rules = allowed(work).map_err(|cause| failed(&cause))?;
    let count = rules.len();
    let never = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    // The filter that kills comes first: the other lets no further one be set.
    let filters = [
        program(never, SeccompAction::KillProcess, SeccompAction::Allow),
        program(rules, SeccompAction::Allow, SeccompAction::Errno(libc::EPERM.unsigned_abs())),
    ];
    for filter in filters {
        let filter = filter.map_err(|cause| failed(&cause))?;
        apply_filter(&filter).map_err(|cause| failed(&cause))?;
    }
    Ok(format!("{count} allowed (seccomp)"))
}

fn program(
    rules: Rules,
    matching: SeccompAction,
    other: SeccompAction,
) -> Result<BpfProgram, seccompiler::BackendError> {
    let architecture = std::env::consts::ARCH.try_into()?;
    SeccompFilter::new(rules, other, matching, architecture)?.try_into()
}

/// Each call, with the arguments that it may have; without any, whatever it has.
fn allowed(work: Work) -> Result<Rules, seccompiler::BackendError> {
    let mut calls: Rules = EVERY.iter().chain(OLDER).map(|call| (*call, Vec::new())).collect();
    let executable = u64::from(libc::PROT_EXEC.unsigned_abs());
    let own = u64::from(std::process::id());
    let is = SeccompCmpOp::Eq;
    for (call, rules) in [
        // Memory is never made executable.
        (libc::SYS_mmap, vec![rule(2, SeccompCmpOp::MaskedEq(executable), 0)?]),
        (libc::SYS_mprotect, vec![rule(2, SeccompCmpOp::MaskedEq(executable), 0)?]),
        // A thread is named.
        (libc::SYS_prctl, vec![rule(0, is.clone(), libc::PR_SET_NAME.unsigned_abs().into())?]),
        // Limits are asked for, and not set.
        (libc::SYS_prlimit64, vec![condition(2, SeccompCmpArgLen::Qword, is.clone(), 0)?]),
        // abort(3).
        (libc::SYS_tgkill, vec![rule(0, is.clone(), own)?]),
    ] {
        calls.insert(call, rules);
    }
    if work == Work::Files {
        // A file that is whole is given its name.
        calls.insert(libc::SYS_linkat, Vec::new());
    }
    if work == Work::Watch {
        calls.extend(WATCH.iter().map(|call| (*call, Vec::new())));
    }
    if work == Work::Capture {
        calls.extend(CAPTURE.iter().map(|call| (*call, Vec::new())));
        let commands = BPF.iter().map(|command| rule(0, is.clone(), *command));
        calls.insert(libc::SYS_bpf, commands.collect::<Result<_, _>>()?);
        // What the kernel says of an interface; and the pair by which signals reach their thread.
        let netlink = rule(0, is.clone(), libc::AF_NETLINK.unsigned_abs().into())?;
        calls.insert(libc::SYS_socket, vec![netlink]);
        let pair = rule(0, is, libc::AF_UNIX.unsigned_abs().into())?;
        calls.insert(libc::SYS_socketpair, vec![pair]);
    }
    Ok(calls)
}

/// Argument `number`, an `int`, compared with `value`.
fn rule(
    number: u8,
    compare: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::BackendError> {
    condition(number, SeccompCmpArgLen::Dword, compare, value)
}

fn condition(
    number: u8,
    length: SeccompCmpArgLen,
    compare: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(number, length, compare, value)?])
}

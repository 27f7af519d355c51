//! Memory that leaves the process by no back door: no core dump, and no page in swap.

use rustix::io::Errno;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getrlimit, set_dumpable_behavior,
    setrlimit,
};

/// What holds of this process's memory, or why it does not.
pub(super) struct Memory {
    pub(super) core_dumps: Result<String, String>,
    pub(super) locked: Result<String, String>,
}

/// Keeps keys and identities in memory: the kernel writes no core of this process, gives its memory
/// to no other user's debugger, and swaps no page of it out, where it may lock so much.
///
/// To be called first, ahead of every other thread and of every secret.
pub fn protect_memory() {
    let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    let _ = lock();
}

/// Locks what there is and what will be, each page as it is first used.
///
/// With a limit, an allocation beyond it would fail some time later: so it is all or nothing.
fn lock() -> Result<(), String> {
    let unlimited = Rlimit { current: None, maximum: None };
    let is_unlimited = || getrlimit(Resource::Memlock).current.is_none();
    if !is_unlimited() && setrlimit(Resource::Memlock, unlimited).is_err() {
        return Err("the memory that may be locked is limited: set LimitMEMLOCK=infinity, or \
                    ulimit -l unlimited"
            .to_owned());
    }
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    mlockall(flags).map_err(|cause| match cause {
        Errno::PERM | Errno::NOMEM => "locking memory needs CAP_IPC_LOCK".to_owned(),
        cause => format!("mlockall: {cause}"),
    })
}

pub(super) fn state() -> Memory {
    let core_dumps = match dumpable_behavior() {
        Ok(DumpableBehavior::NotDumpable) if getrlimit(Resource::Core).current == Some(0) => {
            Ok("off".to_owned())
        }
        _ => Err("cores may be dumped".to_owned()),
    };
    // Doing it again changes nothing, and tells whether it is done.
    Memory { core_dumps, locked: lock().map(|()| "locked".to_owned()) }
}

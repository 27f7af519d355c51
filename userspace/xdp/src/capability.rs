//! Which privileges a live capture needs, and which of them the process lacks.

use rustix::thread::{CapabilitySet, capabilities};

/// The capabilities this process lacks for a live capture, by their names; empty when it has all.
///
/// `CAP_NET_ADMIN` attaches the program, `CAP_NET_RAW` opens the sockets, `CAP_BPF` loads the
/// program and its maps, and `CAP_PERFMON` lets it compare packet addresses.
/// `CAP_SYS_ADMIN` stands for the last two, as the kernel has it (capabilities(7)).
/// `CAP_IPC_LOCK` is needed only where the locked memory limit is less than the sockets' memory.
#[must_use]
pub fn missing_capabilities() -> Vec<&'static str> {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let has = |wanted| held.intersects(wanted);
    [
        ("CAP_NET_ADMIN", has(CapabilitySet::NET_ADMIN)),
        ("CAP_NET_RAW", has(CapabilitySet::NET_RAW)),
        ("CAP_BPF", has(CapabilitySet::BPF | CapabilitySet::SYS_ADMIN)),
        ("CAP_PERFMON", has(CapabilitySet::PERFMON | CapabilitySet::SYS_ADMIN)),
    ]
    .into_iter()
    .filter_map(|(name, held)| (!held).then_some(name))
    .collect()
}

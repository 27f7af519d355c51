//! Capabilities given up for good, and none to be had by executing anything.

use std::path::Path;

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::thread::{
    CapabilitiesSecureBits, CapabilitySet, CapabilitySets, capabilities,
    clear_ambient_capability_set, no_new_privs, remove_capability_from_bounding_set,
    set_capabilities, set_capabilities_secure_bits, set_no_new_privs,
};

use super::Places;

/// Gives up every capability; keeps the one that passes over file modes where a place cannot be
/// reached without it, as when root writes into an operator's directory.
///
/// Maps and programs that are open need none: the kernel asks for capabilities where BPF objects are
/// made, and by then all are (measured: entries are written, and a program that was taken off is
/// attached again, with none).
pub(super) fn drop(places: &Places) -> Result<String, String> {
    let failed = |cause| format!("{cause}");
    let held = capabilities(None).map_err(failed)?.permitted;
    // What root executes would be given them again. It takes a capability to say so, and more than
    // `NO_NEW_PRIVS` is said only by who has it.
    let _ = set_capabilities_secure_bits(
        CapabilitiesSecureBits::NO_ROOT
            | CapabilitiesSecureBits::NO_ROOT_LOCKED
            | CapabilitiesSecureBits::NO_SETUID_FIXUP
            | CapabilitiesSecureBits::NO_SETUID_FIXUP_LOCKED
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE
            | CapabilitiesSecureBits::NO_CAP_AMBIENT_RAISE_LOCKED,
    );
    let _ = clear_ambient_capability_set();
    for capability in CapabilitySet::all().iter() {
        let _ = remove_capability_from_bounding_set(capability);
    }
    let none = CapabilitySet::empty();
    set(CapabilitySets { effective: none, permitted: held, inheritable: none }).map_err(failed)?;
    let cannot = |path: &Path, access| accessat(CWD, path, access, AtFlags::EACCESS).is_err();
    let read = places.read.iter().any(|path| cannot(path, Access::READ_OK));
    let mut write = places.write.iter().chain(&places.name);
    let write = write.any(|path| cannot(path, Access::READ_OK | Access::WRITE_OK));
    let needed = match (read, write) {
        (_, true) => CapabilitySet::DAC_OVERRIDE,
        (true, false) => CapabilitySet::DAC_READ_SEARCH,
        (false, false) => none,
    };
    let kept = needed & held;
    set(CapabilitySets { effective: kept, permitted: kept, inheritable: none }).map_err(failed)?;
    Ok(if kept.is_empty() {
        "none".to_owned()
    } else if write {
        "CAP_DAC_OVERRIDE, as a directory to be written belongs to another user".to_owned()
    } else {
        "CAP_DAC_READ_SEARCH, as a file to be read belongs to another user".to_owned()
    })
}

fn set(sets: CapabilitySets) -> rustix::io::Result<()> {
    set_capabilities(None, sets)
}

/// Executing a file gives no privilege from here on.
pub(super) fn no_new() -> Result<String, String> {
    set_no_new_privs(true).map_err(|cause| cause.to_string())?;
    match no_new_privs() {
        Ok(true) => Ok("set".to_owned()),
        _ => Err("the kernel does not keep it".to_owned()),
    }
}

//! The files that may be opened, by Landlock: those of the work, and nothing else of the system.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath,
    PathFd, Ruleset, RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
    RulesetStatus, Scope,
};

use super::Places;

/// What the program and its libraries read by themselves: the boot's id, who logged in, users' names,
/// and the number of processors, of which each has its own counters.
const OWN: [&str; 4] = [
    "/proc/sys/kernel/random/boot_id",
    "/proc/self/loginuid",
    "/etc/passwd",
    "/sys/devices/system/cpu",
];

/// The newest rules that are used; older kernels know less, and enforce what they know.
const RULES: ABI = ABI::V6;

/// Lets this thread open nothing but `places`, bind no TCP port, connect to none, and reach no
/// abstract socket of others.
pub(super) fn restrict(places: &Places) -> Result<String, String> {
    match enforce(places) {
        Ok(RulesetStatus::FullyEnforced) => Ok("its own alone (Landlock)".to_owned()),
        Ok(RulesetStatus::PartiallyEnforced) => {
            Ok("its own alone (Landlock, as far as this kernel has it)".to_owned())
        }
        Ok(RulesetStatus::NotEnforced) => {
            Err("this kernel has no Landlock: Linux 5.13 with lsm=landlock has it".to_owned())
        }
        Err(cause) => Err(cause.to_string()),
    }
}

fn enforce(places: &Places) -> Result<RulesetStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let mut rules = rules(CompatLevel::BestEffort)?;
    for path in OWN.iter().map(Path::new).chain(places.read.iter().map(AsRef::as_ref)) {
        rules = allow(rules, path, read)?;
    }
    for path in &places.write {
        // Everything but to execute, and what is no plain file.
        let write = read
            | AccessFs::WriteFile
            | AccessFs::Truncate
            | AccessFs::MakeReg
            | AccessFs::MakeDir
            | AccessFs::RemoveFile
            | AccessFs::RemoveDir
            | AccessFs::Refer;
        rules = allow(rules, path, write)?;
    }
    for path in &places.remove {
        rules = allow(rules, path, AccessFs::RemoveFile.into())?;
    }
    for path in &places.name {
        rules = allow(rules, path, AccessFs::MakeReg.into())?;
    }
    Ok(rules.restrict_self()?.ruleset)
}

/// All that is refused, unless a rule allows it.
fn rules(level: CompatLevel) -> Result<RulesetCreated, RulesetError> {
    Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(RULES))?
        .handle_access(AccessNet::from_all(RULES))?
        .scope(Scope::AbstractUnixSocket)?
        .create()
}

/// Whether this kernel enforces all of it, or a part, or nothing; nobody is confined by asking.
pub(crate) fn offered() -> Option<bool> {
    let oldest = || {
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(ABI::V1))?
            .create()
    };
    let whole = rules(CompatLevel::HardRequirement).is_ok();
    (whole || oldest().is_ok()).then_some(whole)
}

/// A path that is not there can be opened by nobody.
fn allow(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(file) = PathFd::new(path) else { return Ok(rules) };
    let access = if path.is_dir() { access } else { access & AccessFs::from_file(RULES) };
    rules.add_rule(PathBeneath::new(file, access))
}

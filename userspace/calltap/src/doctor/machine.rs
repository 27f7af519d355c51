//! The machine: its kernel, what that offers, this user's privileges, and the clock.

use std::path::Path;

use calltap_xdp::{Filter, LoadOptions, clock};
use rustix::process::{Resource, getrlimit};

use super::{Finding, read};
use crate::confine;

/// A time of day that is kept is closer than this; microseconds.
const CLOSE_US: u64 = 100_000;

pub(super) fn findings() -> Vec<Finding> {
    vec![
        kernel(&read("/proc/sys/kernel/osrelease")),
        type_information(),
        capabilities(),
        program(),
        compiler(&read("/proc/sys/net/core/bpf_jit_enable")),
        landlock(confine::landlock_offered()),
        seccomp(&read("/proc/sys/kernel/seccomp/actions_avail")),
        locked_memory(getrlimit(Resource::Memlock).current),
        time_of_day(clock::discipline().ok()),
    ]
}

/// AF_XDP with need-wakeup came with 5.4, bpf_link for XDP with 5.9, and the boot clock for
/// programs with 5.8: older kernels cannot run the filter.
fn kernel(release: &str) -> Finding {
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if version >= (5, 9) {
        Finding::fine("kernel", release)
    } else {
        Finding::lacking("kernel", release, "the filter needs Linux 5.9 or later")
    }
}

fn type_information() -> Finding {
    if Path::new("/sys/kernel/btf/vmlinux").exists() {
        Finding::fine("BTF", "/sys/kernel/btf/vmlinux")
    } else {
        Finding::fine("BTF", "absent: not needed, but bpftool shows less")
    }
}

fn capabilities() -> Finding {
    let missing = calltap_xdp::missing_capabilities();
    if missing.is_empty() {
        return Finding::fine("capabilities", "all that `calltap run` needs");
    }
    let names = missing.join(",").to_lowercase();
    Finding::lacking(
        "capabilities",
        format!("missing {}", missing.join(", ")),
        format!("run as root, or: setcap {names}+ep $(command -v calltap)"),
    )
}

/// Loads the filter for real and lets it go again: nothing is attached.
fn program() -> Finding {
    match Filter::load(LoadOptions { max_endpoints: 1024, ..LoadOptions::default() }) {
        Ok(_) => Finding::fine("XDP program", "passes this kernel's verifier"),
        Err(cause) => Finding::lacking("XDP program", "does not load", cause.to_string()),
    }
}

/// A kernel that is built without the interpreter has no such setting.
fn compiler(enabled: &str) -> Finding {
    match enabled {
        "0" => Finding::better(
            "BPF compiler",
            "off: the filter is interpreted, at several times the cost",
            "sysctl -w net.core.bpf_jit_enable=1",
        ),
        _ => Finding::fine("BPF compiler", "on"),
    }
}

fn landlock(offered: Option<bool>) -> Finding {
    let what = "Landlock";
    match offered {
        Some(true) => Finding::fine(what, "all that calltap confines itself with"),
        Some(false) => Finding::better(
            what,
            "a part of what calltap confines itself with",
            "Linux 6.12 or later has all of it",
        ),
        None => Finding::better(
            what,
            "none: a capture is not confined to its paths",
            "boot with lsm=landlock,... (the others are in /sys/kernel/security/lsm)",
        ),
    }
}

fn seccomp(actions: &str) -> Finding {
    let has = |action| actions.split_whitespace().any(|it| it == action);
    if has("kill_process") && has("errno") {
        Finding::fine("seccomp", "all that calltap confines itself with")
    } else {
        Finding::better(
            "seccomp",
            "not offered: a capture is not confined to its system calls",
            "a kernel with CONFIG_SECCOMP_FILTER",
        )
    }
}

/// Bytes that may be locked; without a limit, all.
fn locked_memory(limit: Option<u64>) -> Finding {
    match limit {
        None => Finding::fine("locked memory", "unlimited: no key and no identity in swap"),
        Some(bytes) => Finding::better(
            "locked memory",
            format!("limited to {} kB: keys and identities may be in swap", bytes / 1000),
            "ulimit -l unlimited; for a service, LimitMEMLOCK=infinity",
        ),
    }
}

/// Evidence states when a packet came, and a warrant until when it may be kept.
fn time_of_day(kept: Option<clock::Discipline>) -> Finding {
    let what = "clock";
    let mend = "apt-get install chrony && chronyc waitsync";
    match kept {
        None => Finding::better(what, "the kernel does not say how well it is kept", mend),
        Some(clock::Discipline { is_synchronised: false, .. }) => {
            Finding::better(what, "kept by no time service: evidence has its error", mend)
        }
        Some(clock::Discipline { max_error_us, .. }) => {
            let found = format!("kept, and no more than {} ms off", max_error_us.div_ceil(1000));
            if max_error_us < CLOSE_US {
                Finding::fine(what, found)
            } else {
                Finding::better(what, found, "chronyc sources: choose closer ones")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_is_known_by_its_number() {
        assert!(kernel("6.18.0-custom").fine && kernel("5.9.1").fine);
        assert!(!kernel("5.8.18-1-amd64").fine && !kernel("").fine);
    }

    #[test]
    fn what_a_kernel_lacks_is_a_note_with_its_mend() {
        let kept = |is_synchronised, max_error_us| {
            Some(clock::Discipline { is_synchronised, max_error_us })
        };
        let notes = [
            compiler("0"),
            landlock(None),
            landlock(Some(false)),
            seccomp("log allow"),
            locked_memory(Some(65_536)),
            time_of_day(None),
            time_of_day(kept(false, 0)),
            time_of_day(kept(true, 16_000_000)),
        ];
        for note in notes {
            assert!(note.mark() == "note", "{note:?}");
        }
        let fine = [
            compiler("1"),
            compiler(""),
            landlock(Some(true)),
            seccomp("kill_process kill_thread trap errno user_notif trace log allow"),
            locked_memory(None),
            time_of_day(kept(true, 2_000)),
        ];
        for finding in fine {
            assert!(finding.mark() == "ok  ", "{finding:?}");
        }
    }
}

//! The boot clock, which stamps frames, and its relation to the time of day, which evidence bears.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds of `CLOCK_BOOTTIME`: it counts sleep, and nobody can set it.
#[must_use]
pub fn boot_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Boottime)).unsigned_abs()
}

/// Whether this process reads another boot clock than the kernel's own, which stamps frames and ends
/// what is kept: in a time namespace, where a shift of a day would prolong every warrant by as much.
#[must_use]
pub fn is_shifted() -> bool {
    let offsets = std::fs::read_to_string("/proc/self/timens_offsets").unwrap_or_default();
    has_offset(&offsets)
}

/// Reads `boottime SECONDS NANOSECONDS`, as time_namespaces(7) has it.
fn has_offset(offsets: &str) -> bool {
    offsets.lines().any(|line| {
        let mut words = line.split_whitespace();
        words.next() == Some("boottime") && words.any(|number| number != "0")
    })
}

/// How the boot clock stands to the time of day, as read at one moment.
///
/// It changes when the time of day is corrected, so a capture reads it again from time to time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offset {
    /// Unix time (UTC, leap seconds not counted) less boot time, nanoseconds.
    pub offset_ns: i64,
    /// How far off the reading may be, nanoseconds.
    pub uncertainty_ns: u64,
}

impl Offset {
    /// The Unix time, in nanoseconds, of a moment on the boot clock.
    #[must_use]
    pub const fn unix_ns(&self, boot_ns: u64) -> u64 {
        boot_ns.saturating_add_signed(self.offset_ns)
    }

    /// The moment on the boot clock, in nanoseconds, of a Unix time; 0 for one before the boot.
    #[must_use]
    pub const fn boot_ns(&self, unix_ns: u64) -> u64 {
        unix_ns.saturating_add_signed(self.offset_ns.saturating_neg())
    }
}

/// Reads both clocks, and how far the two readings may lie apart.
///
/// The time of day is read between two readings of the boot clock, several times over, and the
/// closest pair is taken: a reading that was interrupted is far apart.
#[must_use]
pub fn boot_to_unix() -> Offset {
    let read = || {
        let before = nanoseconds(clock_gettime(ClockId::Boottime));
        let unix = nanoseconds(clock_gettime(ClockId::Realtime));
        let after = nanoseconds(clock_gettime(ClockId::Boottime));
        let half = (after - before) / 2;
        Offset { offset_ns: unix - (before + half), uncertainty_ns: half.unsigned_abs() + 1 }
    };
    (0..8).map(|_| read()).fold(read(), |best, next| {
        if next.uncertainty_ns < best.uncertainty_ns { next } else { best }
    })
}

/// What the kernel knows of how well the time of day is kept (adjtimex(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discipline {
    /// Whether a time service keeps it.
    pub is_synchronised: bool,
    /// The most it may be off, microseconds; it grows while nobody corrects it.
    pub max_error_us: u64,
}

/// Asks how well the time of day is kept.
///
/// # Errors
///
/// What the kernel says, where it may not be asked.
pub fn discipline() -> std::io::Result<Discipline> {
    // SAFETY: a `struct timex` of zeros is one, and asks for nothing to be changed.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills in the struct that the call names.
    if unsafe { libc::adjtimex(&raw mut state) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(Discipline {
        is_synchronised: state.status & libc::STA_UNSYNC == 0,
        max_error_us: state.maxerror.unsigned_abs(),
    })
}

fn nanoseconds(time: Timespec) -> i64 {
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

#[cfg(test)]
mod tests {
    use std::time::{SystemTime, UNIX_EPOCH};

    use super::*;

    #[test]
    fn a_boot_time_becomes_the_time_of_day_and_back() {
        let offset = boot_to_unix();
        let unix = offset.unix_ns(boot_ns());
        let expected = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        assert!(u128::from(unix).abs_diff(expected) < 1_000_000_000);
        assert_eq!(offset.unix_ns(offset.boot_ns(unix)), unix);
        assert!(offset.uncertainty_ns < 10_000_000);
    }

    #[test]
    fn the_kernel_says_how_well_the_time_is_kept() {
        let kept = discipline().unwrap();
        assert!(kept.is_synchronised || kept.max_error_us > 0, "{kept:?}");
    }

    #[test]
    fn a_shifted_boot_clock_is_noticed() {
        assert!(!has_offset(""));
        assert!(!has_offset("monotonic           5         0\nboottime            0         0\n"));
        assert!(has_offset("monotonic           0         0\nboottime       -86400         0\n"));
        assert!(has_offset("boottime            0         1\n"));
    }

    #[test]
    fn a_time_before_the_boot_is_the_boot() {
        let offset = Offset { offset_ns: 1_000, uncertainty_ns: 1 };
        assert_eq!(offset.boot_ns(10), 0);
    }
}

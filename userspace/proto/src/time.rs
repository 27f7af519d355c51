//! The one notion of time: nanoseconds since the Unix epoch, as the capture stamped them.

use core::fmt;
use core::time::Duration;

/// A moment of packet time: nanoseconds since the Unix epoch, UTC.
///
/// It always comes from the capture (XDP, the NIC or a capture file), never from a reader's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The last moment that can be told, in the year 2554.
    pub const MAX: Self = Self(u64::MAX);

    /// The moment `duration` later, or [`Timestamp::MAX`] where that cannot be told.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }

    /// The time passed since `earlier`; zero where the capture's clock ran backwards.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl fmt::Display for Timestamp {
    /// Seconds and nanoseconds since the Unix epoch, as `tcpdump -tt` prints them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:09}", self.0 / 1_000_000_000, self.0 % 1_000_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    #[test]
    fn time_never_runs_past_its_ends() {
        assert_eq!(Timestamp::MAX.after(Duration::from_secs(1)), Timestamp::MAX);
        assert_eq!(Timestamp(5).since(Timestamp(9)), Duration::ZERO);
        assert_eq!(Timestamp(5).after(Duration::MAX), Timestamp::MAX);
    }

    #[test]
    fn time_prints_as_seconds_and_nanoseconds() {
        assert_eq!(Timestamp(1_700_000_000_000_000_042).to_string(), "1700000000.000000042");
    }
}

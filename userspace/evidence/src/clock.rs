//! Nanoseconds since the Unix epoch as text (RFC 3339), and back.

use jiff::Timestamp;

/// `2026-11-23T16:04:00.000000000Z`: always nine decimals, so that lines sort by time.
pub(crate) fn rfc3339(at_ns: u64) -> String {
    format!("{:.9}", timestamp(at_ns))
}

/// `20261123T160400Z`: the time in a volume's name.
pub(crate) fn compact(at_ns: u64) -> String {
    timestamp(at_ns).strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// The time of the system's clock: for audit lines, never for packets.
pub(crate) fn now_ns() -> u64 {
    u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0)
}

/// Reads an RFC 3339 time; `None` if it is none or lies outside 1970 to 2554.
pub(crate) fn parse_rfc3339(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}

fn timestamp(at_ns: u64) -> Timestamp {
    // Every u64 lies before the year 2555, well inside what a Timestamp holds.
    Timestamp::from_nanosecond(i128::from(at_ns)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_the_way_through_text() {
        for at_ns in [0, 1, 1_000_000_000, 1_795_449_840_123_456_789, u64::MAX] {
            assert_eq!(parse_rfc3339(&rfc3339(at_ns)), Some(at_ns));
        }
        assert_eq!(rfc3339(1_795_449_840_000_000_000), "2026-11-23T16:04:00.000000000Z");
        assert_eq!(compact(1_795_449_840_999_999_999), "20261123T160400Z");
    }

    #[test]
    fn times_that_do_not_fit_are_refused() {
        for text in [
            "",
            "2026-11-23",
            "2026-11-23T16:04:00",
            "1969-12-31T23:59:59Z",
            "9999-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_rfc3339(text), None, "{text}");
        }
    }
}

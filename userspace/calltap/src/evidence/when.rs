//! Times as people write and read them: UTC, without saying so each time.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

/// Reads `2026-11-23`, `2026-11-23T16:04[:05]` (UTC) or RFC 3339, in nanoseconds since the Unix
/// epoch; with `end`, a date means its last nanosecond.
///
/// # Errors
/// It is none of these, or outside 1970 to 2554; the message says what is.
pub fn parse(text: &str, end: bool) -> Result<u64, String> {
    let date = || {
        let date: Date = text.parse().ok()?;
        let midnight = |date: Date| TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok();
        let nanoseconds = midnight(date)?.as_nanosecond();
        if !end {
            return Some(nanoseconds);
        }
        let next = midnight(date.checked_add(1.day()).ok()?)?;
        Some(next.as_nanosecond() - 1)
    };
    let civil = || {
        let time: DateTime = text.parse().ok()?;
        Some(TimeZone::UTC.to_timestamp(time).ok()?.as_nanosecond())
    };
    let is_date = text.len() == "2026-11-23".len();
    let instant = || text.parse::<Timestamp>().ok().map(Timestamp::as_nanosecond);
    let found = if is_date { date() } else { instant().or_else(civil) };
    found.and_then(|at| u64::try_from(at).ok()).ok_or_else(|| {
        format!("{text:?} is no time: write 2026-11-23, 2026-11-23T16:04 or 2026-11-23T16:04:05Z")
    })
}

/// Writes times; of a day that was written last, only the time is reckoned anew.
#[derive(Debug, Clone, Default)]
pub struct Writer {
    day: Option<u64>,
    date: String,
    /// The time that was written last.
    text: String,
}

const SECOND: u64 = 1_000_000_000;
const DAY: u64 = 86_400 * SECOND;

impl Writer {
    /// Appends `2026-11-23 16:04:05`.
    pub fn write(&mut self, out: &mut String, at_ns: u64) {
        self.write_with(out, at_ns, ' ');
    }

    /// The time as RFC 3339 has it, with nanoseconds.
    pub fn rfc3339(&mut self, at_ns: u64) -> &str {
        let mut out = std::mem::take(&mut self.text);
        out.clear();
        self.write_with(&mut out, at_ns, 'T');
        out.push('.');
        let mut divisor = SECOND / 10;
        while divisor > 0 {
            digit(&mut out, at_ns / divisor);
            divisor /= 10;
        }
        out.push('Z');
        self.text = out;
        &self.text
    }

    fn write_with(&mut self, out: &mut String, at_ns: u64, between: char) {
        let day = at_ns / DAY;
        if self.day != Some(day) {
            let at = Timestamp::from_nanosecond(i128::from(day * DAY)).unwrap_or_default();
            self.date = at.strftime("%Y-%m-%d").to_string();
            self.day = Some(day);
        }
        out.push_str(&self.date);
        let seconds = at_ns % DAY / SECOND;
        for (mark, number) in
            [(between, seconds / 3600), (':', seconds / 60 % 60), (':', seconds % 60)]
        {
            out.push(mark);
            two_digits(out, number);
        }
    }
}

/// Appends a duration: `1:23`, `1:02:03`.
pub fn length(out: &mut String, nanoseconds: u64) {
    let seconds = nanoseconds / SECOND;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    if hours > 0 {
        *out += &format!("{hours}:");
        two_digits(out, minutes);
    } else {
        *out += &minutes.to_string();
    }
    out.push(':');
    two_digits(out, seconds % 60);
}

fn two_digits(out: &mut String, number: u64) {
    digit(out, number / 10);
    digit(out, number);
}

/// Appends the last digit.
fn digit(out: &mut String, number: u64) {
    out.push(char::from(b'0' + u8::try_from(number % 10).unwrap_or(0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let noon = 1_795_435_200 * SECOND;
        let cases = [
            ("2026-11-23T12:00:00Z", false, Some(noon)),
            ("2026-11-23T12:00", false, Some(noon)),
            ("2026-11-23 12:00:00", false, Some(noon)),
            ("2026-11-23T13:00:00+01:00", true, Some(noon)),
            ("2026-11-23", false, Some(noon - DAY / 2)),
            ("2026-11-23", true, Some(noon + DAY / 2 - 1)),
            ("yesterday", false, None),
            ("2026-13-01", false, None),
            ("1969-01-01", false, None),
        ];
        for (text, end, expected) in cases {
            assert_eq!(parse(text, end).ok(), expected, "{text}");
        }
    }

    #[test]
    fn times_are_written_in_columns() {
        let (mut writer, mut out) = (Writer::default(), String::new());
        for at in [0, 86_399 * SECOND, 1_795_435_200 * SECOND + 1] {
            writer.write(&mut out, at);
            out.push('|');
        }
        for at in [0, 1, 1_795_435_200 * SECOND + 123_456_789] {
            assert_eq!(writer.rfc3339(at), crate::recorder::rfc3339(at));
        }
        assert_eq!(out, "1970-01-01 00:00:00|1970-01-01 23:59:59|2026-11-23 12:00:00|");
        let mut lengths = String::new();
        for seconds in [0, 59, 83, 3723, 360_000] {
            length(&mut lengths, seconds * SECOND);
            lengths.push(' ');
        }
        assert_eq!(lengths, "0:00 0:59 1:23 1:02:03 100:00:00 ");
    }
}

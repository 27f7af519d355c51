//! Calls as a table: as wide as they are, or as the terminal is.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};

use super::inert::{columns as columns_of, fit, inert};
use super::row::{Row, State, encryptions as encryptions_of};
use super::when;

/// Columns of standard output, where that is a terminal.
pub fn terminal_columns() -> Option<usize> {
    let out = io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let size = rustix::termios::tcgetwinsize(&out).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// How wide the columns are that depend on what stands in them.
#[derive(Debug, Clone)]
pub struct Table {
    call: usize,
    /// Date and time, without seconds where there is little room.
    started: usize,
    from: usize,
    to: usize,
    encryption: usize,
    when: when::Writer,
}

const SHORT_TIME: usize = "2026-11-23 16:04".len();
const LONG_TIME: usize = "2026-11-23 16:04:05".len();
/// `LENGTH`, `STR`, `MOS`, `LOST`, and the spaces between all columns.
const FIXED: usize = 7 + 3 + 4 + 5 + 8;
/// Every bit of a row's encryptions.
const ALL: u8 = (1 << super::row::ENCRYPTIONS.len()) - 1;
/// Names are not cut below this.
const LEAST: usize = 8;

impl Table {
    /// A table for these calls, on a terminal of so many columns or, without, as wide as it gets.
    pub fn new<'a>(
        calls: impl Iterator<Item = (&'a str, Row<'a>)>,
        columns: Option<usize>,
    ) -> Self {
        let mut table = Self {
            call: "CALL".len(),
            started: LONG_TIME,
            from: "FROM".len(),
            to: "TO".len(),
            encryption: "ENC".len(),
            when: when::Writer::default(),
        };
        // Which sets of encryptions there are, as a set of their bits.
        let mut encryptions = 0_u64;
        for (liid, row) in calls {
            let digits = row.cin.checked_ilog10().unwrap_or(0) as usize + 1;
            table.call = table.call.max(columns_of(liid) + 1 + digits);
            table.from = table.from.max(columns_of(&party(row.from)));
            table.to = table.to.max(columns_of(&party(row.to)));
            encryptions |= 1 << (row.encryption & ALL);
        }
        for bits in (0..=ALL).filter(|bits| encryptions >> bits & 1 == 1) {
            let words = encryptions_of(bits).map(|word| short(word).len() + 1).sum::<usize>();
            table.encryption = table.encryption.max(words.saturating_sub(1));
        }
        if let Some(columns) = columns {
            table.squeeze(columns);
        }
        table
    }

    /// Makes room: seconds go first, then the longer of the two names is cut.
    fn squeeze(&mut self, columns: usize) {
        let others = self.call + self.encryption + FIXED;
        if others + LONG_TIME + self.from + self.to > columns {
            self.started = SHORT_TIME;
        }
        let room = columns.saturating_sub(others + self.started).max(2 * LEAST);
        if self.from + self.to > room {
            let half = room / 2;
            (self.from, self.to) = match (self.from <= half, self.to <= half) {
                (true, _) => (self.from, room - self.from),
                (_, true) => (room - self.to, self.to),
                _ => (half, room - half),
            };
        }
    }

    /// Writes the line of column names, in bold on a terminal.
    pub fn head(&self, out: &mut impl Write, bold: bool) -> io::Result<()> {
        let mut line = String::new();
        fit(&mut line, "CALL", self.call);
        line.push(' ');
        fit(&mut line, "STARTED UTC", self.started);
        line += "  LENGTH ";
        fit(&mut line, "FROM", self.from);
        line.push(' ');
        fit(&mut line, "TO", self.to);
        line += " STR  MOS ";
        fit(&mut line, "ENC", self.encryption);
        line += "  LOST";
        if bold { writeln!(out, "\x1b[1m{line}\x1b[0m") } else { writeln!(out, "{line}") }
    }

    /// Appends the line of a call.
    pub fn line(&mut self, line: &mut String, liid: &str, row: &Row<'_>) {
        let mut digits = itoa(row.cin);
        digits.insert(0, '/');
        fit(line, liid, columns_of(liid));
        fit(line, &digits, self.call.saturating_sub(columns_of(liid)));
        line.push(' ');
        let at = line.len();
        if row.state == State::Sealed {
            fit(line, "sealed", self.started);
        } else {
            self.when.write(line, row.started_ns);
            line.truncate(at + self.started);
        }
        line.push(' ');
        match row.state {
            State::Open => *line += "   open",
            State::Interrupted => *line += "    cut",
            State::Sealed => *line += "      -",
            _ => right(line, 7, |line| {
                when::length(line, row.ended_ns.saturating_sub(row.started_ns));
            }),
        }
        line.push(' ');
        let named = |uri| if row.state == State::Sealed { "-".into() } else { party(uri) };
        fit(line, &named(row.from), self.from);
        line.push(' ');
        fit(line, &named(row.to), self.to);
        line.push(' ');
        let unknown = row.state != State::Ended;
        right(line, 3, |line| number(line, (!unknown).then_some(u64::from(row.streams))));
        line.push(' ');
        right(line, 4, |line| match row.mos {
            0 => line.push('-'),
            mos => {
                *line += &itoa(u32::from(mos / 100));
                line.push('.');
                line.push(char::from(b'0' + (mos / 10 % 10) as u8));
                line.push(char::from(b'0' + (mos % 10) as u8));
            }
        });
        line.push(' ');
        let at = line.len();
        for word in row.encryptions() {
            if line.len() > at {
                line.push('+');
            }
            *line += short(word);
        }
        if line.len() == at {
            line.push('-');
        }
        let written = line.len() - at;
        line.extend(std::iter::repeat_n(' ', self.encryption.saturating_sub(written) + 1));
        right(line, 5, |line| number(line, (!unknown).then_some(row.lost)));
        line.push('\n');
    }
}

/// A URI as people read it, inert: without `sip:`.
pub fn party(uri: &str) -> Cow<'_, str> {
    inert(uri.strip_prefix("sip:").unwrap_or(uri))
}

fn short(encryption: &'static str) -> &'static str {
    match encryption {
        "dtls-srtp" => "dtls",
        "unknown" => "?",
        word => word,
    }
}

/// Appends what `write` does, at the right of so many columns.
fn right(line: &mut String, columns: usize, write: impl FnOnce(&mut String)) {
    let at = line.len();
    write(line);
    for _ in line.len() - at..columns {
        line.insert(at, ' ');
    }
}

fn number(line: &mut String, number: Option<u64>) {
    match number {
        Some(number) => *line += &number.to_string(),
        None => line.push('-'),
    }
}

fn itoa(number: u32) -> String {
    number.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row<'a>(from: &'a str, to: &'a str) -> Row<'a> {
        Row {
            cin: 12,
            started_ns: 1_795_449_840_000_000_000,
            ended_ns: 1_795_449_923_000_000_000,
            line_at: 0,
            streams: 2,
            iri_packets: 6,
            cc_packets: 200,
            lost: 3,
            mos: 441,
            encryption: 0b1010,
            state: State::Ended,
            call_id: "x",
            from,
            to,
            cause: "bye",
            target: "",
        }
    }

    fn drawn(rows: &[Row<'_>], columns: Option<usize>) -> String {
        let mut table = Table::new(rows.iter().map(|row| ("CASE-1", *row)), columns);
        let mut out = Vec::new();
        table.head(&mut out, false).unwrap();
        let mut text = String::from_utf8(out).unwrap();
        rows.iter().for_each(|row| table.line(&mut text, "CASE-1", row));
        text
    }

    #[test]
    fn a_call_is_a_line_that_fits_eighty_columns_where_names_can_be_cut() {
        let long = row("sip:alice.with.a.long.name@example.net", "sip:bob@example.org");
        let open = Row {
            state: State::Open,
            mos: 0,
            encryption: 0,
            ..row("sip:漢字漢字漢字漢字漢字", "tel:+3225550100")
        };
        let table = drawn(&[long, open], Some(80));
        assert_eq!(
            table,
            "\
CALL      STARTED UTC       LENGTH FROM      TO         STR  MOS ENC        LOST
CASE-1/12 2026-11-23 16:04    1:23 alice.wi… bob@examp…   2 4.41 sdes+dtls     3
CASE-1/12 2026-11-23 16:04    open 漢字漢字… tel:+3225…   -    - -             -
"
        );
    }

    #[test]
    fn where_no_terminal_is_nothing_is_cut() {
        let table = drawn(&[row("sip:alice@example.net", "sip:\u{1b}[31m@example.org")], None);
        assert!(table.contains("alice@example.net \\u{1b}[31m@example.org"), "{table}");
        assert!(table.contains("2026-11-23 16:04:00"), "{table}");
    }
}

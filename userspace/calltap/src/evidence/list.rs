//! `calltap evidence list`: which calls there are.

use std::io::{BufWriter, Write};
use std::num::NonZero;
use std::thread;

use crossbeam::channel::bounded;

use super::calls::{self, Case};
use super::confined::confine;
use super::listed::{SEPARATOR, json};
use super::row::Row;
use super::table::{Table, terminal_columns};
use super::when;
use crate::confine::Places;
use crate::{Outcome, cli};

/// Prints the calls that were asked for, by their beginning.
///
/// # Errors
/// A time that is none, evidence that cannot be read, standard output that is closed.
pub fn list(arguments: &cli::List) -> anyhow::Result<Outcome> {
    let filter = Filter::of(arguments)?;
    let dir = calls::directory(arguments.dir.as_deref())?;
    let columns = terminal_columns();
    confine(Places::default().reading([&dir]), &dir, !arguments.no_index)?;
    let cases = calls::cases(&dir, arguments.liid.as_deref(), !arguments.no_index)?;
    let mut order = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let chosen = case.rows().filter(|(_, row)| filter.takes(row));
        order.extend(chosen.map(|(at, row)| (row.started_ns, number, at)));
    }
    order.sort_unstable();
    let row_of = |&(_, number, at): &Place| {
        let case: &Case = cases.get(number)?;
        Some((case.liid.as_str(), case.row(at)?))
    };
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    if arguments.json {
        out.write_all(b"{\"calls\":[")?;
        in_spans(&order, &mut out, |span, out| json(span.iter().filter_map(row_of), out))?;
        out.write_all(b"]}\n")?;
    } else {
        let bold = columns.is_some() && std::env::var_os("NO_COLOR").is_none();
        let table = Table::new(order.iter().filter_map(row_of), columns);
        table.head(&mut out, bold)?;
        in_spans(&order, &mut out, |span, out| {
            let (mut table, mut lines) = (table.clone(), String::new());
            let rows = span.iter().filter_map(row_of);
            rows.for_each(|(liid, row)| table.line(&mut lines, liid, &row));
            out.extend(lines.as_bytes());
            Ok(())
        })?;
    }
    out.flush()?;
    Ok(Outcome::Fine)
}

/// Where a call's row is: when it began, the number of its case, and its offset there.
type Place = (u64, usize, usize);

/// Calls that one thread puts into words at a time: few enough that the words are still in its
/// cache when they are written.
const SPAN: usize = 1 << 10;

/// Writes, in their order, what `format` makes of spans of `order`, several at once. The threads and
/// their buffers are the same from the first span to the last.
fn in_spans(
    order: &[Place],
    out: &mut impl Write,
    format: impl Fn(&[Place], &mut Vec<u8>) -> anyhow::Result<()> + Sync,
) -> anyhow::Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(order.len().div_ceil(SPAN));
    let format = &format;
    thread::scope(|scope| {
        let start = |number| {
            let (full, written) = bounded(2);
            let (empty, again) = bounded(2);
            scope.spawn(move || {
                for span in order.chunks(SPAN).skip(number).step_by(threads) {
                    let mut words: Vec<u8> = again.try_recv().unwrap_or_default();
                    words.clear();
                    let words = format(span, &mut words).map(|()| words);
                    // Whoever reads them has gone: so is the reason to go on.
                    if full.send(words).is_err() {
                        return;
                    }
                }
            });
            (written, empty)
        };
        // All of them are started before the first is waited for.
        let formatting: Vec<_> = (0..threads).map(start).collect();
        let mut is_first = true;
        for (written, empty) in formatting.iter().cycle() {
            // In turn: the first that has no more is the one behind the last span.
            let Ok(words) = written.recv() else { break };
            let words = words?;
            // Every call but the first of all has its comma ahead of it.
            let skipped =
                if is_first && words.starts_with(SEPARATOR) { SEPARATOR.len() } else { 0 };
            is_first = false;
            out.write_all(&words[skipped..])?;
            let _ = empty.try_send(words);
        }
        Ok(())
    })
}

/// Which calls are asked for.
struct Filter {
    from_ns: u64,
    to_ns: u64,
    party: Option<String>,
    call_id: Option<String>,
}

impl Filter {
    fn of(arguments: &cli::List) -> anyhow::Result<Self> {
        let time = |text: &Option<String>, end| {
            let time = text.as_deref().map(|text| when::parse(text, end));
            time.transpose().map_err(anyhow::Error::msg)
        };
        Ok(Self {
            from_ns: time(&arguments.from, false)?.unwrap_or(0),
            to_ns: time(&arguments.to, true)?.unwrap_or(u64::MAX),
            party: arguments.party.as_ref().map(|party| party.to_lowercase()),
            call_id: arguments.call_id.clone(),
        })
    }

    fn takes(&self, row: &Row<'_>) -> bool {
        // One that has not ended may still go on.
        let ended = if row.ended_ns == 0 { u64::MAX } else { row.ended_ns };
        let holds = |text: &str, party: &String| text.to_lowercase().contains(party.as_str());
        row.started_ns <= self.to_ns
            && ended >= self.from_ns
            && self.call_id.as_ref().is_none_or(|call_id| row.call_id == call_id)
            && self.party.as_ref().is_none_or(|party| {
                [row.from, row.to, row.target].iter().any(|text| holds(text, party))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_in_their_order_whoever_formats_them() {
        for calls in [0, 1, SPAN, 7 * SPAN + 5] {
            let order: Vec<Place> = (0..calls).map(|at| (0, 0, at)).collect();
            let mut out = Vec::new();
            let numbers = |span: &[Place], out: &mut Vec<u8>| {
                span.iter().try_for_each(|(.., at)| Ok(write!(out, ",\n{at}")?))
            };
            in_spans(&order, &mut out, numbers).unwrap();
            let expected: Vec<_> = (0..calls).map(|at| at.to_string()).collect();
            assert_eq!(String::from_utf8(out).unwrap(), expected.join(",\n"));
        }
    }

    #[test]
    fn what_cannot_be_formatted_or_written_ends_the_listing() {
        let order = vec![(0, 0, 0); 9 * SPAN];
        let refused = |_: &[Place], _: &mut Vec<u8>| Err(anyhow::anyhow!("refused"));
        let ended = in_spans(&order, &mut Vec::new(), refused);
        assert_eq!(ended.unwrap_err().to_string(), "refused");
        let line = |_: &[Place], out: &mut Vec<u8>| {
            out.push(b'x');
            Ok(())
        };
        in_spans(&order, &mut &mut [0; 3][..], line).unwrap_err();
    }
}

//! `calltap evidence list`: which calls there are.

use std::io::{BufWriter, Write};
use std::num::NonZero;
use std::thread;

use serde::Serialize;

use super::calls::{self, Case};
use super::inert::InertJson;
use super::row::{Row, State};
use super::table::{Table, terminal_columns};
use super::when;
use crate::{Outcome, cli};

/// Prints the calls that were asked for, by their beginning.
///
/// # Errors
/// A time that is none, evidence that cannot be read, standard output that is closed.
pub fn list(arguments: &cli::List) -> anyhow::Result<Outcome> {
    let filter = Filter::of(arguments)?;
    let dir = calls::directory(arguments.dir.as_deref())?;
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
        in_spans(&order, &mut out, |span| json(span.iter().filter_map(row_of)))?;
        out.write_all(b"]}\n")?;
    } else {
        let columns = terminal_columns();
        let bold = columns.is_some() && std::env::var_os("NO_COLOR").is_none();
        let table = Table::new(order.iter().filter_map(row_of), columns);
        table.head(&mut out, bold)?;
        in_spans(&order, &mut out, |span| {
            let (mut table, mut lines) = (table.clone(), String::new());
            let rows = span.iter().filter_map(row_of);
            rows.for_each(|(liid, row)| table.line(&mut lines, liid, &row));
            Ok(lines.into_bytes())
        })?;
    }
    out.flush()?;
    Ok(Outcome::Fine)
}

/// Where a call's row is: when it began, the number of its case, and its offset there.
type Place = (u64, usize, usize);

/// Calls that one thread puts into words at a time.
const SPAN: usize = 1 << 14;

/// Writes, in their order, what `format` makes of spans of `order`, several at once.
fn in_spans(
    order: &[Place],
    out: &mut impl Write,
    format: impl Fn(&[Place]) -> anyhow::Result<Vec<u8>> + Sync,
) -> anyhow::Result<()> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut is_first = true;
    for round in order.chunks(SPAN * threads) {
        let written = thread::scope(|scope| {
            let spans = round.chunks(SPAN).map(|span| scope.spawn(|| format(span)));
            // All of them are started before the first is waited for.
            let spans: Vec<_> = spans.collect();
            let ended = spans.into_iter().map(|span| span.join());
            ended.collect::<Vec<_>>()
        });
        for span in written {
            let span =
                span.map_err(|_| anyhow::anyhow!("a thread has panicked: please report this"))??;
            // Every call but the first of all has its comma ahead of it.
            let skipped = if is_first && span.starts_with(SEPARATOR) { SEPARATOR.len() } else { 0 };
            is_first = false;
            out.write_all(&span[skipped..])?;
        }
    }
    Ok(())
}

/// Between two calls of a list in JSON.
const SEPARATOR: &[u8] = b",\n";

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

/// A call as `--json` has it.
#[derive(Serialize)]
struct Listed<'a> {
    liid: &'a str,
    cin: u32,
    call_id: &'a str,
    from: &'a str,
    to: &'a str,
    target: &'a str,
    started: Option<String>,
    ended: Option<String>,
    duration_s: Option<f64>,
    state: &'static str,
    cause: &'a str,
    iri_packets: u64,
    cc_packets: u64,
    streams: u32,
    lost: u64,
    mos: Option<f64>,
    encryption: Vec<&'static str>,
}

/// Calls in JSON, a separator ahead of each.
fn json<'a>(calls: impl Iterator<Item = (&'a str, Row<'a>)>) -> anyhow::Result<Vec<u8>> {
    let (mut out, mut when) = (Vec::new(), when::Writer::default());
    for (liid, row) in calls {
        out.extend(SEPARATOR);
        let ended = row.state == State::Ended;
        let length_ns = row.ended_ns.saturating_sub(row.started_ns);
        let listed = Listed {
            liid,
            cin: row.cin,
            call_id: row.call_id,
            from: row.from,
            to: row.to,
            target: row.target,
            started: (row.state != State::Sealed).then(|| when.rfc3339(row.started_ns)),
            ended: ended.then(|| when.rfc3339(row.ended_ns)),
            duration_s: ended.then(|| std::time::Duration::from_nanos(length_ns).as_secs_f64()),
            state: row.state.as_str(),
            cause: row.cause,
            iri_packets: row.iri_packets,
            cc_packets: row.cc_packets,
            streams: row.streams,
            lost: row.lost,
            mos: (row.mos != 0).then(|| f64::from(row.mos) / 100.0),
            encryption: row.encryptions().collect(),
        };
        listed.serialize(&mut serde_json::Serializer::with_formatter(&mut out, InertJson))?;
    }
    Ok(out)
}

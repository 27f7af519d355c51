//! `calltap evidence list`: which calls there are.

use std::io::{BufWriter, Write as _};

use serde::Serialize;

use super::calls::{self, Case};
use super::inert::InertJson;
use super::row::{Row, State};
use super::table::{Table, terminal_columns};
use super::when;
use crate::recorder::rfc3339;
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
    let chosen = || {
        order.iter().filter_map(|&(_, number, at)| {
            let case: &Case = cases.get(number)?;
            Some((case.liid.as_str(), case.row(at)?))
        })
    };
    let mut out = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    if arguments.json {
        print_json(&mut out, chosen())?;
    } else {
        let columns = terminal_columns();
        let bold = columns.is_some() && std::env::var_os("NO_COLOR").is_none();
        let mut table = Table::new(chosen(), columns);
        table.head(&mut out, bold)?;
        let mut line = String::new();
        for (liid, row) in chosen() {
            line.clear();
            table.line(&mut line, liid, &row);
            out.write_all(line.as_bytes())?;
        }
    }
    out.flush()?;
    Ok(Outcome::Fine)
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

fn print_json<'a>(
    out: &mut impl std::io::Write,
    calls: impl Iterator<Item = (&'a str, Row<'a>)>,
) -> anyhow::Result<()> {
    out.write_all(b"{\"calls\":[")?;
    for (number, (liid, row)) in calls.enumerate() {
        if number > 0 {
            out.write_all(b",\n")?;
        }
        let ended = row.state == State::Ended;
        let length_ns = row.ended_ns.saturating_sub(row.started_ns);
        let listed = Listed {
            liid,
            cin: row.cin,
            call_id: row.call_id,
            from: row.from,
            to: row.to,
            target: row.target,
            started: (row.state != State::Sealed).then(|| rfc3339(row.started_ns)),
            ended: ended.then(|| rfc3339(row.ended_ns)),
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
        listed.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, InertJson))?;
    }
    out.write_all(b"]}\n")?;
    Ok(())
}

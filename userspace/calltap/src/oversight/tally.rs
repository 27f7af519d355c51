//! From the lines of the audit to the figures that oversight bodies ask for.

use std::collections::{BTreeMap, BTreeSet};

use calltap_evidence::oversight::Entry;

use super::orders::{self, Order, Span};
use super::table::Table;

type Counts = BTreeMap<String, u64>;

/// Every table, from the lines before the end of `period`.
pub(super) fn tables(entries: &[Entry], period: Span) -> Vec<Table> {
    let within: Vec<_> = entries.iter().filter(|entry| period.holds(entry.at_ns)).collect();
    let orders = orders::read(entries);
    let orders: Vec<_> = orders.values().collect();
    let received: Vec<_> =
        orders.iter().copied().filter(|it| period.holds(it.received_ns)).collect();
    let said = |name: &str| counted(received.iter().filter_map(|it| it.said.get(name).cloned()));
    let events = |name: &str| count(within.iter().filter(|it| it.event == name));
    let details = |event: &str, name: &str| {
        let of = within.iter().filter(|it| it.event == event);
        counted(of.filter_map(|it| it.details.get(name).cloned()))
    };
    let figures = figures(entries, period);
    let offences = counted(received.iter().map(|it| {
        it.said.get("offence_class").cloned().unwrap_or_else(|| "not stated".to_owned())
    }));
    vec![
        warrants(&orders, &received, period, &events),
        Table::breakdown("refused", "Refused, by code", details("warrant-refused", "code")),
        Table::breakdown("authority", "Received, by authority", said("authority")),
        Table::breakdown("country", "Received, by country", said("jurisdiction")),
        Table::breakdown("offence_class", "Received, by class of offence", offences),
        Table::breakdown("identifier_kind", "Identifiers received, by kind", kinds(&received)),
        Table::breakdown("delivery", "Received, by what is delivered", said("deliver")),
        people(entries, &within, &orders, period),
        days(&orders, period),
        times(&orders, period),
        calls(&figures, &orders, period),
        packets(&figures, &within),
        encryption(&figures),
        losses(&within),
        Table::breakdown(
            "alterations",
            "Data plane altered, by code",
            details("data-plane-altered", "code"),
        ),
        Table::breakdown(
            "errors",
            "Errors reported, by class",
            errors(&details("error-reported", "class")),
        ),
        acts(&events),
    ]
}

fn warrants(
    orders: &[&Order],
    received: &[&Order],
    period: Span,
    events: &dyn Fn(&str) -> u64,
) -> Table {
    let mut table = Table::new("warrants", "Warrants");
    let extant = |at_ns: u64| {
        count(orders.iter().filter(|it| it.active().is_some_and(|span| span.holds(at_ns))))
    };
    table.count("in_force_at_start", extant(period.from_ns));
    table.count("received", count(received));
    table.count(
        "urgent",
        count(received.iter().filter(|it| it.said.get("urgent").is_some_and(|it| it == "true"))),
    );
    table.count("refused", events("warrant-refused"));
    for name in ["activated", "modified", "suspended", "resumed", "expired", "revoked", "withdrawn"]
    {
        table.count(name, events(&format!("warrant-{name}")));
    }
    table.count("in_force_at_end", extant(period.to_ns.saturating_sub(1)));
    table
}

/// Identifiers of the orders received: `sip 2, tel 1`.
fn kinds(received: &[&Order]) -> Counts {
    let mut counts = Counts::new();
    let each = received.iter().filter_map(|it| it.said.get("identifiers"));
    for (kind, number) in each.flat_map(|it| it.split(", ")).filter_map(|it| it.split_once(' ')) {
        *counts.entry(kind.to_owned()).or_default() += number.parse::<u64>().unwrap_or(0);
    }
    counts
}

fn people(entries: &[Entry], within: &[&Entry], orders: &[&Order], period: Span) -> Table {
    let mut table = Table::new("people", "Measures, persons and operators, each counted apart");
    let active = orders.iter().filter(|it| it.active_ns(period) > 0);
    let measures: BTreeSet<_> = active.map(|it| it.liid.as_str()).collect();
    table.count("measures", count(&measures));
    // Identifiers are marks here; orders that share one are about one person.
    let mut persons: Vec<BTreeSet<&str>> = Vec::new();
    let mut unknown = measures.clone();
    let mut marks = BTreeMap::new();
    for entry in entries.iter().filter(|it| it.event == "measure-figures") {
        if let (Some(liid), Some(found)) = (entry.liid.as_deref(), entry.details.get("persons")) {
            marks.insert(liid, found.as_str());
        }
    }
    for (liid, found) in marks.iter().filter(|(liid, _)| measures.contains(*liid)) {
        unknown.remove(liid);
        let mut person: BTreeSet<_> = found.split(' ').collect();
        persons.retain(|known| {
            let same = !known.is_disjoint(&person);
            if same {
                person.extend(known);
            }
            !same
        });
        persons.push(person);
    }
    table.count("persons", count(&persons) + count(&unknown));
    table.count("identifiers", persons.iter().map(count).sum());
    table.amount("operators", 1);
    let staff: BTreeSet<_> = within
        .iter()
        .filter_map(|it| it.by.as_ref())
        .map(|it| it.login_uid.unwrap_or(it.uid))
        .collect();
    table.amount("staff_who_acted", count(&staff));
    table
}

fn days(orders: &[&Order], period: Span) -> Table {
    let mut table = Table::new("days", "Days, summed over orders");
    let ordered: u64 = orders.iter().map(|it| it.ordered().common(period)).sum();
    let active: u64 = orders.iter().map(|it| it.active_ns(period)).sum();
    table.rounded("ordered", in_days(ordered));
    table.rounded("active", in_days(active));
    table
}

fn times(orders: &[&Order], period: Span) -> Table {
    let mut table = Table::new("times", "Seconds from receipt to activation, and from end to stop");
    let begun = orders.iter().filter_map(|it| {
        let at_ns = it.activated_ns.filter(|at_ns| period.holds(*at_ns))?;
        Some(at_ns.saturating_sub(it.received_ns))
    });
    let ended = orders.iter().filter(|it| it.activated_ns.is_some()).filter_map(|it| {
        let (at_ns, due_ns) = it.stopped.filter(|(at_ns, _)| period.holds(*at_ns))?;
        Some(at_ns.saturating_sub(due_ns?))
    });
    for (name, mut found) in
        [("receipt_to_activation", begun.collect::<Vec<_>>()), ("end_to_stop", ended.collect())]
    {
        found.sort_unstable();
        table.count(&format!("{name}_orders"), count(&found));
        let at = |index: usize| found.get(index).copied().unwrap_or_default();
        table.rounded(&format!("{name}_median"), in_seconds(at(found.len() / 2)));
        table.rounded(&format!("{name}_longest"), in_seconds(at(found.len().saturating_sub(1))));
    }
    table
}

/// What grew within the period, by LIID and name.
fn figures(entries: &[Entry], period: Span) -> BTreeMap<String, Counts> {
    let mut last: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut grown: BTreeMap<String, Counts> = BTreeMap::new();
    for entry in entries.iter().filter(|it| it.event == "measure-figures") {
        let Some(liid) = &entry.liid else { continue };
        for (name, text) in &entry.details {
            let Ok(now) = text.parse::<u64>() else { continue };
            let before = last.insert((liid.clone(), name.clone()), now).unwrap_or(0);
            // What was destroyed is no longer counted, and was before.
            let more = if now >= before { now - before } else { now };
            if period.holds(entry.at_ns) {
                *grown.entry(liid.clone()).or_default().entry(name.clone()).or_default() += more;
            }
        }
    }
    grown
}

fn sum(figures: &BTreeMap<String, Counts>, name: &str) -> u64 {
    figures.values().filter_map(|it| it.get(name)).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a mean needs no more than 53 bits")]
fn calls(figures: &BTreeMap<String, Counts>, orders: &[&Order], period: Span) -> Table {
    let mut table = Table::new("calls", "Calls");
    let calls = sum(figures, "calls");
    table.count("calls", calls);
    table.count("calls_with_content", sum(figures, "calls_with_content"));
    let active = orders.iter().filter(|it| it.active_ns(period) > 0);
    let measures = count(active.map(|it| it.liid.as_str()).collect::<BTreeSet<_>>());
    let mean = if measures > 0 { calls as f64 / measures as f64 } else { 0.0 };
    table.rounded("calls_per_measure", mean);
    table
}

fn packets(figures: &BTreeMap<String, Counts>, within: &[&Entry]) -> Table {
    let mut table = Table::new("packets", "Packets kept, and dropped in the kernel");
    let frames = |name: &str| {
        let counted = within.iter().filter(|it| it.event == "frames-counted");
        counted.filter_map(|it| it.details.get(name)?.parse::<u64>().ok()).sum()
    };
    table.amount("kept", sum(figures, "packets"));
    table.amount("bytes_kept", sum(figures, "bytes"));
    table.amount("seen", frames("seen"));
    table.amount("dropped_in_kernel", frames("filtered"));
    table.amount("left_to_the_host", frames("passed"));
    table.amount("delivered", frames("delivered"));
    table
}

/// Ways of which the keys are agreed between the parties alone.
const UNREADABLE: [&str; 3] = ["dtls-srtp", "mikey", "zrtp"];

fn encryption(figures: &BTreeMap<String, Counts>) -> Table {
    let mut table = Table::new("encryption", "Encryption met");
    table.count("calls_encrypted", sum(figures, "calls_encrypted"));
    let streams = |way: &str| sum(figures, &format!("streams {way}"));
    for way in ["none", "sdes", "mikey", "dtls-srtp", "zrtp", "unknown"] {
        table.amount(&format!("streams_{way}"), streams(way));
    }
    table.amount("streams_plain_text_prevented", UNREADABLE.into_iter().map(streams).sum());
    table
}

fn losses(within: &[&Entry]) -> Table {
    let mut table = Table::new("losses", "Frames lost, by place");
    let mut places = Counts::new();
    for entry in within.iter().filter(|it| it.event == "frames-counted") {
        for (name, text) in &entry.details {
            if let (Some(place), Ok(frames)) = (name.strip_prefix("lost "), text.parse::<u64>()) {
                *places.entry(place.to_owned()).or_default() += frames;
            }
        }
    }
    places.iter().for_each(|(place, frames)| table.amount(place, *frames));
    table
}

/// The classes that oversight bodies use, also where there was none.
fn errors(found: &Counts) -> Counts {
    let classes = super::CLASSES.iter().map(|class| ((*class).to_owned(), 0));
    let mut errors: Counts = classes.collect();
    errors.extend(found.iter().map(|(class, count)| (class.clone(), *count)));
    errors
}

fn acts(events: &dyn Fn(&str) -> u64) -> Table {
    let mut table = Table::new("acts", "Sessions and acts upon evidence");
    for (name, event) in [
        ("sessions", "session-started"),
        ("interruptions_mended", "break"),
        ("evidence_failed", "evidence-failed"),
        ("verifications", "evidence-verified"),
        ("time_stamps", "time-stamped"),
        ("time_stamps_failed", "time-stamp-failed"),
        ("exports", "evidence-exported"),
        ("heard", "evidence-heard"),
        ("sent", "evidence-sent"),
        ("calls_reported", "evidence-reported"),
        ("console_views", "console-viewed"),
        ("destructions", "evidence-destroyed"),
    ] {
        table.amount(name, events(event));
    }
    table
}

fn counted(names: impl Iterator<Item = String>) -> Counts {
    let mut counts = Counts::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts
}

fn count<T>(items: impl IntoIterator<Item = T>) -> u64 {
    items.into_iter().map(|_| 1).sum()
}

#[expect(clippy::cast_precision_loss, reason = "microseconds do not matter")]
fn in_seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn in_days(ns: u64) -> f64 {
    in_seconds(ns) / 86_400.0
}

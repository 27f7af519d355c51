//! The life of each order, as the audit tells it.

use std::collections::BTreeMap;

use calltap_evidence::oversight::Entry;
use jiff::Timestamp;

/// From one nanosecond, inclusive, to another, exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

impl Span {
    pub(super) fn holds(self, at_ns: u64) -> bool {
        (self.from_ns..self.to_ns).contains(&at_ns)
    }

    /// Nanoseconds that both have.
    pub(super) fn common(self, other: Self) -> u64 {
        self.to_ns.min(other.to_ns).saturating_sub(self.from_ns.max(other.from_ns))
    }
}

/// One version of a warrant.
#[derive(Debug, Clone, Default)]
pub(super) struct Order {
    pub(super) liid: String,
    pub(super) received_ns: u64,
    /// What the audit has of it: authority, jurisdiction, and so on.
    pub(super) said: BTreeMap<String, String>,
    pub(super) activated_ns: Option<u64>,
    /// When it was executed no longer, and when that was due.
    pub(super) stopped: Option<(u64, Option<u64>)>,
    pub(super) suspended: Vec<(u64, Option<u64>)>,
}

impl Order {
    fn time(&self, name: &str) -> Option<u64> {
        time(self.said.get(name)?)
    }

    /// Its window, as far as no later version took its place.
    pub(super) fn ordered(&self) -> Span {
        let until_ns = self.time("not_after").unwrap_or_default().saturating_add(1);
        let replaced = self.stopped.filter(|(_, due)| due.is_none());
        let to_ns = replaced.map_or(until_ns, |(at_ns, _)| at_ns.min(until_ns));
        Span { from_ns: self.time("not_before").unwrap_or_default(), to_ns }
    }

    /// When it was executed, suspensions not taken off.
    pub(super) fn active(&self) -> Option<Span> {
        let from_ns = self.activated_ns?;
        let until_ns = self.time("not_after").unwrap_or(u64::MAX).saturating_add(1);
        let to_ns = self.stopped.map_or(until_ns, |(at_ns, _)| at_ns.min(until_ns));
        Some(Span { from_ns, to_ns })
    }

    /// Nanoseconds of `period` in which it was executed.
    pub(super) fn active_ns(&self, period: Span) -> u64 {
        let Some(active) = self.active() else { return 0 };
        let paused = self.suspended.iter().map(|(from_ns, to_ns)| {
            let to_ns = to_ns.unwrap_or(u64::MAX).min(active.to_ns);
            Span { from_ns: (*from_ns).max(active.from_ns), to_ns }.common(period)
        });
        active.common(period).saturating_sub(paused.sum())
    }
}

/// Every order of the audit, by the hash of its text.
pub(super) fn read(entries: &[Entry]) -> BTreeMap<String, Order> {
    let mut orders: BTreeMap<String, Order> = BTreeMap::new();
    for entry in entries {
        let Some(sha256) = entry.details.get("warrant_sha256") else { continue };
        if entry.event == "warrant-received" {
            let liid = entry.liid.clone().unwrap_or_default();
            let (received_ns, said) = (entry.at_ns, entry.details.clone());
            let order = Order { liid, received_ns, said, ..Order::default() };
            orders.entry(sha256.clone()).or_insert(order);
            continue;
        }
        if entry.event == "warrant-modified"
            && let Some(before) = entry.details.get("supersedes").and_then(|it| orders.get_mut(it))
        {
            before.stopped.get_or_insert((entry.at_ns, None));
        }
        let Some(order) = orders.get_mut(sha256) else { continue };
        match entry.event.as_str() {
            "warrant-activated" => drop(order.activated_ns.get_or_insert(entry.at_ns)),
            "warrant-suspended" => order.suspended.push((entry.at_ns, None)),
            "warrant-resumed" => {
                if let Some((_, to_ns)) = order.suspended.last_mut() {
                    to_ns.get_or_insert(entry.at_ns);
                }
            }
            "warrant-expired" => {
                let due = order.time("not_after");
                order.stopped.get_or_insert((entry.at_ns, due));
            }
            "warrant-revoked" => {
                let signed = entry.details.get("signed_at").and_then(|text| time(text));
                let due = Some(signed.unwrap_or(entry.at_ns));
                order.stopped.get_or_insert((entry.at_ns, due));
            }
            "warrant-withdrawn" => {
                order.stopped.get_or_insert((entry.at_ns, Some(entry.at_ns)));
            }
            _ => {}
        }
    }
    orders
}

fn time(text: &str) -> Option<u64> {
    u64::try_from(text.parse::<Timestamp>().ok()?.as_nanosecond()).ok()
}

//! What was lost since a case's last volume: sums by place, and each second and queue by itself.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::clock;
use crate::lines::LostLine;
use crate::session::InterfaceFacts;

/// The place of what the card dropped, ahead of anything that runs here.
pub const NIC: &str = "nic";

/// Frames that were lost at one place, after `from_ns` and until `to_ns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss<'a> {
    /// The place.
    pub place: &'a str,
    /// How many.
    pub frames: u64,
    /// Nanoseconds since the Unix epoch.
    pub from_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub to_ns: u64,
    /// The session's number of the interface, where the place has one.
    pub interface: Option<u32>,
    /// Its receive queue, where the place has one.
    pub queue: Option<u32>,
}

/// So many entries are kept a volume; what comes later is added to the last entry of its place and
/// queue, which then covers a longer time.
const MOST: usize = 256;

/// So many are told in the comment of one packet.
const MOST_TOLD: usize = 4;

/// What was lost since the last volume was sealed.
#[derive(Debug, Default)]
pub(crate) struct Losses {
    sums: BTreeMap<String, u64>,
    entries: Vec<Entry>,
    /// Which of the entries a packet's comment tells of already.
    told: usize,
    /// What no comment tells of yet, though a manifest line does.
    owed: Option<String>,
}

#[derive(Debug)]
struct Entry {
    place: String,
    frames: u64,
    from_ns: u64,
    to_ns: u64,
    interface: Option<u32>,
    queue: Option<u32>,
}

impl Losses {
    /// Adds frames of which nobody knows when they were lost.
    pub(crate) fn add_sum(&mut self, place: &str, frames: u64) {
        match self.sums.get_mut(place) {
            Some(sum) => *sum = sum.saturating_add(frames),
            None => drop(self.sums.insert(place.to_owned(), frames)),
        }
    }

    pub(crate) fn add(&mut self, loss: &Loss<'_>) {
        self.add_sum(loss.place, loss.frames);
        let Loss { place, frames, from_ns, to_ns, interface, queue } = *loss;
        let full = self.entries.len() >= MOST;
        let alike = |entry: &&mut Entry| {
            (entry.place.as_str(), entry.interface, entry.queue) == (place, interface, queue)
        };
        match self.entries.iter_mut().rev().find(alike) {
            Some(entry) if full || second(entry.from_ns) == second(to_ns) => {
                entry.from_ns = entry.from_ns.min(from_ns);
                entry.to_ns = entry.to_ns.max(to_ns);
                entry.frames = entry.frames.saturating_add(frames);
            }
            _ => {
                let place = place.to_owned();
                self.entries.push(Entry { place, frames, from_ns, to_ns, interface, queue });
            }
        }
    }

    /// Frames by place.
    pub(crate) fn sums(&self) -> &BTreeMap<String, u64> {
        &self.sums
    }

    /// Each second and queue.
    pub(crate) fn lines(&self, interfaces: &[InterfaceFacts]) -> Vec<LostLine> {
        self.entries.iter().map(|entry| entry.line(interfaces)).collect()
    }

    /// What the next packet's comment must tell: the losses that none tells yet.
    pub(crate) fn untold(&mut self, interfaces: &[InterfaceFacts]) -> Option<String> {
        let owed = self.owed.take();
        let Some(untold) = self.entries.get(self.told..).filter(|untold| !untold.is_empty()) else {
            return owed;
        };
        let mut text = "calltap GAP".to_owned();
        for (number, entry) in untold.iter().take(MOST_TOLD).enumerate() {
            let LostLine { from, to, place, interface, queue, frames } = entry.line(interfaces);
            let comma = if number == 0 { ": " } else { ", " };
            let _ = write!(text, "{comma}{frames} frames lost at {place} from {from} to {to}");
            if let Some(interface) = interface {
                let _ = write!(text, " on {interface}");
            }
            if let Some(queue) = queue {
                let _ = write!(text, " queue {queue}");
            }
        }
        if let Some(more @ 1..) = untold.len().checked_sub(MOST_TOLD) {
            let _ = write!(text, ", and {more} more that the manifest has");
        }
        self.told = self.entries.len();
        Some(match owed {
            Some(owed) => format!("{owed}; {text}"),
            None => text,
        })
    }

    /// Begins anew, as a manifest line has what there was; the next packet still tells of it.
    pub(crate) fn sealed(&mut self, interfaces: &[InterfaceFacts]) {
        *self = Self { owed: self.untold(interfaces), ..Self::default() };
    }

    /// Frames of an interface that the card dropped, and that were lost behind it.
    pub(crate) fn of_interface(&self, interface: u32) -> (u64, u64) {
        let (mut card, mut system) = (0_u64, 0_u64);
        for entry in self.entries.iter().filter(|entry| entry.interface == Some(interface)) {
            let sum = if entry.place == NIC { &mut card } else { &mut system };
            *sum = sum.saturating_add(entry.frames);
        }
        (card, system)
    }
}

impl Entry {
    fn line(&self, interfaces: &[InterfaceFacts]) -> LostLine {
        let interface = self.interface.and_then(|number| usize::try_from(number).ok());
        LostLine {
            from: clock::rfc3339(self.from_ns),
            to: clock::rfc3339(self.to_ns),
            place: self.place.clone(),
            interface: interface.and_then(|at| interfaces.get(at)).map(|facts| facts.name.clone()),
            queue: self.queue,
            frames: self.frames,
        }
    }
}

fn second(at_ns: u64) -> u64 {
    at_ns / 1_000_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn loss(place: &str, at: u64, queue: u32) -> Loss<'_> {
        let from_ns = at * SECOND;
        let (interface, queue) = (Some(0), Some(queue));
        Loss { place, frames: 3, from_ns, to_ns: from_ns + SECOND / 2, interface, queue }
    }

    #[test]
    fn each_second_and_queue_has_an_entry_of_its_own() {
        let mut losses = Losses::default();
        for (at, queue) in [(1, 0), (1, 1), (1, 0), (2, 0)] {
            losses.add(&loss("rx_ring_full", at, queue));
        }
        let frames: Vec<_> = losses.lines(&[]).iter().map(|it| (it.queue, it.frames)).collect();
        assert_eq!(frames, [(Some(0), 6), (Some(1), 3), (Some(0), 3)]);
        assert_eq!(losses.sums()["rx_ring_full"], 12);
        assert_eq!(losses.of_interface(0), (0, 12));
    }

    #[test]
    fn a_day_of_losses_stays_within_bounds_and_loses_no_count() {
        let mut losses = Losses::default();
        for at in 0..86_400 {
            losses.add(&loss("rx_ring_full", at, 0));
            losses.add(&loss(NIC, at, 0));
        }
        let lines = losses.lines(&[]);
        assert!(lines.len() <= MOST + 1, "{}", lines.len());
        assert_eq!(lines.iter().map(|it| it.frames).sum::<u64>(), 2 * 3 * 86_400);
        assert_eq!(losses.of_interface(0), (3 * 86_400, 3 * 86_400));
    }

    #[test]
    fn a_comment_tells_each_loss_once() {
        let mut losses = Losses::default();
        assert_eq!(losses.untold(&[]), None);
        (0..6).for_each(|at| losses.add(&loss("rx_ring_full", at, 1)));
        let text = losses.untold(&[]).unwrap();
        let first = "calltap GAP: 3 frames lost at rx_ring_full from 1970-01-01T00:00:00.000000000Z \
                     to 1970-01-01T00:00:00.500000000Z queue 1, 3 frames";
        assert!(text.starts_with(first), "{text}");
        assert!(text.ends_with(", and 2 more that the manifest has"), "{text}");
        assert_eq!(losses.untold(&[]), None);
    }

    #[test]
    fn a_loss_before_a_volume_is_sealed_is_told_in_the_next_one() {
        let mut losses = Losses::default();
        losses.add(&loss("rx_ring_full", 1, 0));
        losses.sealed(&[]);
        assert!(losses.lines(&[]).is_empty() && losses.sums().is_empty());
        losses.add(&loss(NIC, 2, 0));
        let text = losses.untold(&[]).unwrap();
        assert!(
            text.contains("rx_ring_full") && text.contains("; calltap GAP: 3 frames lost at nic")
        );
        assert_eq!(losses.untold(&[]), None);
    }
}

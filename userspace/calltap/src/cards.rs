//! What the cards received, and what they dropped before the filter saw it: the one loss that is no
//! part of `seen`.

use calltap_evidence::loss::NIC;
use calltap_xdp::{Interface, Received};
use tracing::warn;

use crate::loss::{Place, Reporter};

/// The interfaces of a run, and what their cards had counted before it began.
pub struct Cards(Vec<Card>);

/// An interface of a run.
pub struct Card {
    number: u32,
    interface: Interface,
    before: Received,
    /// Counted since, as far as is known.
    since: Received,
    is_gone: bool,
}

impl Card {
    /// The volume's number of the interface.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// What it received and dropped since the beginning.
    pub fn since(&self) -> Received {
        self.since
    }

    /// Whether the interface could not be asked the last time.
    pub fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// Takes note of what the card has counted by now; gives whether it drops frames from now on.
    ///
    /// A driver that is loaded again counts from zero: what had been dropped by then stays so, and
    /// more is told of once it is more than that.
    fn count(&mut self, now: Received) -> bool {
        let Self { before, since, .. } = self;
        let overruns = now.overruns.saturating_sub(before.overruns);
        let begins = overruns > since.overruns && since.overruns == 0;
        *since = Received {
            frames: now.frames.saturating_sub(before.frames),
            bytes: now.bytes.saturating_sub(before.bytes),
            overruns: overruns.max(since.overruns),
        };
        begins
    }

    fn report(&self, reporter: &mut Reporter) {
        let place = Place { interface: Some(self.number), queue: None };
        reporter.report(place, [(NIC, self.since.overruns)]);
    }
}

impl Cards {
    /// Begins to count for these interfaces, each with the volume's number.
    pub fn new(interfaces: impl IntoIterator<Item = (u32, Interface)>) -> Self {
        let card = |(number, interface): (u32, Interface)| {
            let before = interface.received().unwrap_or_default();
            Card { number, interface, before, since: Received::default(), is_gone: false }
        };
        Self(interfaces.into_iter().map(card).collect())
    }

    /// Asks each card, and reports what is new.
    ///
    /// The kernel answers under a lock that setting up a card may hold for long, so no thread may
    /// ask that frames wait for.
    pub fn look(&mut self, reporter: &mut Reporter) {
        for card in &mut self.0 {
            let now = card.interface.received();
            card.is_gone = now.is_err();
            // An interface that is gone is told of in another way.
            let Ok(now) = now else { continue };
            if card.count(now) {
                let name = card.interface.name();
                warn!("{name}: the card drops frames before the filter sees them");
            }
            card.report(reporter);
        }
    }

    /// Each card.
    pub fn iter(&self) -> impl Iterator<Item = &Card> {
        self.0.iter()
    }

    /// Frames that all cards have dropped since the beginning.
    pub fn dropped(&self) -> u64 {
        self.0.iter().map(|card| card.since.overruns).sum()
    }
}

#[cfg(test)]
mod tests {
    use calltap_xdp::clock::boot_to_unix;
    use crossbeam::channel::bounded;

    use super::*;
    use crate::recorder::{Delivery, Note};

    #[test]
    fn what_a_card_drops_is_counted_from_the_beginning_and_reported_once() {
        let counted = |overruns| Received { overruns, ..Received::default() };
        // The loopback is everywhere, and never asked.
        let interface = Interface::open("lo").unwrap();
        let (before, since) = (counted(5), Received::default());
        let mut card = Card { number: 3, interface, before, since, is_gone: false };
        let (recorder, delivered) = bounded(8);
        let mut reporter = Reporter::to(recorder, boot_to_unix());
        let mut reported = Vec::new();
        for (overruns, begins, dropped) in
            [(5, false, 0), (8, true, 3), (8, false, 3), (0, false, 3), (12, false, 7)]
        {
            assert_eq!(card.count(counted(overruns)), begins, "{overruns}");
            assert_eq!(card.since().overruns, dropped, "{overruns}");
            card.report(&mut reporter);
            for delivery in delivered.try_iter() {
                let Delivery::Note(Note::Lost(lost)) = delivery else { panic!("{delivery:?}") };
                assert_eq!((lost.place, lost.whose.interface), (NIC, Some(3)));
                reported.push(lost.frames);
            }
        }
        assert_eq!(reported, [3, 4]);
    }
}

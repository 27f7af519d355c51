//! What the cards dropped before the filter saw it: the one loss that is no part of `seen`.

use calltap_evidence::loss::NIC;
use calltap_xdp::Interface;
use tracing::warn;

use crate::loss::{Place, Reporter};

/// The interfaces of a run, and what their cards had dropped before it began.
pub struct Cards(Vec<Card>);

struct Card {
    number: u32,
    interface: Interface,
    before: u64,
    /// Dropped since, as far as is known.
    dropped: u64,
}

impl Cards {
    /// Begins to count for these interfaces, each with the volume's number.
    pub fn new(interfaces: impl IntoIterator<Item = (u32, Interface)>) -> Self {
        let card = |(number, interface): (u32, Interface)| {
            let before = interface.overruns().unwrap_or_default();
            Card { number, interface, before, dropped: 0 }
        };
        Self(interfaces.into_iter().map(card).collect())
    }

    /// Asks each card, and reports what is new.
    ///
    /// The kernel answers under a lock that setting up a card may hold for long, so no thread may
    /// ask that frames wait for.
    pub fn look(&mut self, reporter: &mut Reporter) {
        for Card { number, interface, before, dropped } in &mut self.0 {
            // An interface that is gone is told of in another way.
            let Ok(now) = interface.overruns() else { continue };
            let since = now.saturating_sub(*before);
            if since > *dropped && *dropped == 0 {
                warn!("{}: the card drops frames before the filter sees them", interface.name());
            }
            *dropped = since.max(*dropped);
            let place = Place { interface: Some(*number), queue: None };
            reporter.report(place, [(NIC, *dropped)]);
        }
    }

    /// Frames that all cards have dropped since the beginning.
    pub fn dropped(&self) -> u64 {
        self.0.iter().map(|card| card.dropped).sum()
    }
}

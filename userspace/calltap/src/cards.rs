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
        for Card { number, interface, before, since, is_gone } in &mut self.0 {
            let now = interface.received();
            *is_gone = now.is_err();
            // An interface that is gone is told of in another way.
            let Ok(now) = now else { continue };
            let overruns = now.overruns.saturating_sub(before.overruns);
            if overruns > since.overruns && since.overruns == 0 {
                warn!("{}: the card drops frames before the filter sees them", interface.name());
            }
            *since = Received {
                frames: now.frames.saturating_sub(before.frames),
                bytes: now.bytes.saturating_sub(before.bytes),
                overruns: overruns.max(since.overruns),
            };
            let place = Place { interface: Some(*number), queue: None };
            reporter.report(place, [(NIC, since.overruns)]);
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

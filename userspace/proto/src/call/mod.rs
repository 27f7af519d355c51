//! Calls followed.

mod counters;
mod limits;

pub use counters::Counters;
pub use limits::Limits;

use alloc::vec::Vec;

use crate::event::Event;
use crate::packet::LinkType;
use crate::time::Timestamp;
use crate::warrant::Warrant;

/// Follows the calls of targets through signalling.
#[derive(Debug)]
pub struct Tracker {
    #[expect(dead_code, reason = "coming")]
    limits: Limits,
    counters: Counters,
}

impl Tracker {
    /// A tracker without warrants, which says nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, counters: Counters::default() }
    }

    /// Replaces the warrants in force.
    pub fn set_warrants(&mut self, _warrants: Vec<Warrant>) {}

    /// Takes a frame.
    pub fn feed(
        &mut self,
        _at: Timestamp,
        _interface: u32,
        _link: LinkType,
        _frame: &[u8],
        _sink: &mut dyn FnMut(Event<'_>),
    ) {
    }

    /// Lets time pass.
    pub fn tick(&mut self, _now: Timestamp, _sink: &mut dyn FnMut(Event<'_>)) {}

    /// When to tick.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    /// Ends all.
    pub fn finish(&mut self, _now: Timestamp, _sink: &mut dyn FnMut(Event<'_>)) {}

    /// What was seen.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}

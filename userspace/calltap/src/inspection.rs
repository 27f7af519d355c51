//! The kernel's maps and programs held against what the warrants in force justify, all the time.

use std::time::{Duration, Instant};

use calltap_xdp::{Discrepancy, Filter};
use tracing::error;

/// From the beginning of one pass over the maps to that of the next: what an intruder opens is
/// closed within a second.
const EVERY: Duration = Duration::from_millis(750);

/// Where the inspection of a filter stands.
#[derive(Debug, Default)]
pub struct Inspection {
    /// When the pass that goes on began; `None` while none does.
    begun: Option<Instant>,
    /// When the last one began.
    last: Option<Instant>,
    found: Vec<Discrepancy>,
    failed: bool,
}

impl Inspection {
    /// Whether a pass goes on, or is due.
    pub fn is_due(&self) -> bool {
        self.begun.is_some() || self.last.is_none_or(|last| last.elapsed() >= EVERY)
    }

    /// Takes the next step, if one is due, and gives what was found and mended.
    pub fn step(&mut self, filter: &mut Filter) -> impl Iterator<Item = Discrepancy> {
        if self.is_due() {
            let begun = *self.begun.get_or_insert_with(Instant::now);
            let done = filter.inspect(&mut self.found);
            if let Err(cause) = &done
                && !self.failed
            {
                error!("what the kernel holds cannot be compared with the warrants: {cause}");
            }
            self.failed = done.is_err();
            if !matches!(done, Ok(false)) {
                self.begun = None;
                self.last = Some(begun);
            }
        }
        self.found.drain(..)
    }
}

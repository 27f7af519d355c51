//! Chunks of several producers merged by time, so that file order is time order.
//!
//! Each producer hands over what it has within a known delay, so everything up to a horizon that
//! lies this delay back is there, and can be written in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use calltap_evidence::chunk::{Chunk, Encoded};

use crate::pool::Lent;

/// Chunks that wait for their time.
#[derive(Debug, Default)]
pub struct Merge {
    waiting: Vec<Option<Waiting>>,
    /// The earliest record of each waiting chunk: time, slot.
    heads: BinaryHeap<Reverse<(u64, usize)>>,
}

#[derive(Debug)]
struct Waiting {
    chunk: Lent<Chunk>,
    /// Positions in the chunk by time: a message's fragments are older than their neighbours.
    order: Vec<(u64, usize)>,
    next: usize,
}

impl Merge {
    /// Takes in a chunk.
    pub fn push(&mut self, chunk: Lent<Chunk>) {
        let mut order: Vec<_> =
            chunk.records().enumerate().map(|(at, record)| (record.at_ns(), at)).collect();
        order.sort_unstable();
        let Some(&(first_ns, _)) = order.first() else { return };
        let waiting = Some(Waiting { chunk, order, next: 0 });
        let slot = match self.waiting.iter().position(Option::is_none) {
            Some(slot) => {
                self.waiting[slot] = waiting;
                slot
            }
            None => {
                self.waiting.push(waiting);
                self.waiting.len() - 1
            }
        };
        self.heads.push(Reverse((first_ns, slot)));
    }

    /// Gives out, in order of time, every record up to `horizon_ns`.
    pub fn drain(&mut self, horizon_ns: u64, mut record: impl FnMut(&Encoded<'_>)) {
        while let Some(&Reverse((at_ns, slot))) = self.heads.peek() {
            if at_ns > horizon_ns {
                return;
            }
            self.heads.pop();
            let Some(waiting) = &mut self.waiting[slot] else { continue };
            let (_, position) = waiting.order[waiting.next];
            if let Some(found) = waiting.chunk.record(position) {
                record(&found);
            }
            waiting.next += 1;
            match waiting.order.get(waiting.next) {
                Some(&(next_ns, _)) => self.heads.push(Reverse((next_ns, slot))),
                None => self.waiting[slot] = None,
            }
        }
    }
}

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
    /// Memory of the orders of chunks that are done.
    spare: Vec<Vec<(u64, usize)>>,
}

#[derive(Debug)]
struct Waiting {
    chunk: Lent<Chunk>,
    /// Positions in the chunk by time: a message's fragments are older than their neighbours.
    order: Vec<(u64, usize)>,
    next: usize,
}

/// Records of one chunk that follow each other in time.
#[derive(Debug)]
pub struct Run<'a> {
    chunk: &'a Chunk,
    order: &'a [(u64, usize)],
}

impl<'a> Run<'a> {
    /// The records, in order of time.
    pub fn records(&self) -> impl Iterator<Item = Encoded<'a>> {
        let Self { chunk, order } = *self;
        order.iter().filter_map(|&(_, position)| chunk.record(position))
    }
}

impl Merge {
    /// Takes in a chunk.
    pub fn push(&mut self, chunk: Lent<Chunk>) {
        let mut order = self.spare.pop().unwrap_or_default();
        order.extend(chunk.times().zip(0..));
        // Most chunks are in order, which is found out in one pass.
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

    /// Gives out, in order of time, every record up to `horizon_ns`: those of one chunk in a row
    /// together.
    pub fn drain(&mut self, horizon_ns: u64, mut run: impl FnMut(&Run<'_>)) {
        while let Some(Reverse((at_ns, slot))) = self.heads.pop() {
            if at_ns > horizon_ns {
                self.heads.push(Reverse((at_ns, slot)));
                return;
            }
            // Until another chunk has its turn: chunks of one producer do not interleave.
            let next_head = self.heads.peek().map_or((u64::MAX, usize::MAX), |Reverse(it)| *it);
            let Some(waiting) = &mut self.waiting[slot] else { continue };
            let first = waiting.next;
            while let Some(&(at_ns, _)) = waiting.order.get(waiting.next)
                && at_ns <= horizon_ns
                && (at_ns, slot) <= next_head
            {
                waiting.next += 1;
            }
            let order = waiting.order.get(first..waiting.next).unwrap_or_default();
            run(&Run { chunk: &waiting.chunk, order });
            match waiting.order.get(waiting.next) {
                Some(&(next_ns, _)) => self.heads.push(Reverse((next_ns, slot))),
                None => self.free(slot),
            }
        }
    }

    fn free(&mut self, slot: usize) {
        if let Some(Waiting { mut order, .. }) = self.waiting[slot].take() {
            order.clear();
            self.spare.push(order);
        }
    }
}

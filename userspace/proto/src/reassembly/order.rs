//! The bytes of one direction of a TCP connection, in order (RFC 9293 §3.4).
//!
//! For what is only told of and kept anyway: frames are not held here, and bytes that came twice
//! are not compared.

use super::pieces::Pieces;
use crate::packet::Segment;
use crate::time::Timestamp;
use core::time::Duration;

/// A direction of a connection; positions do not wrap as sequence numbers do.
#[derive(Clone, Debug, Default)]
pub(crate) struct Order {
    /// Sequence number at `end`; none before the first segment.
    next: Option<u32>,
    end: u64,
    ahead: Pieces,
    ahead_bytes: usize,
    gap_since: Option<Timestamp>,
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// Bytes that follow those before.
    Bytes(&'a [u8]),
    /// Bytes are missing here, or another connection begins.
    Gap,
}

/// Bytes that may wait behind a gap, and for how long.
const MAX_AHEAD: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(3);

/// A sequence number further away than this is another connection's.
const WINDOW: u32 = 1 << 20;

impl Order {
    /// Takes a segment and gives what it brings in order.
    pub(crate) fn feed(
        &mut self,
        at: Timestamp,
        segment: &Segment<'_>,
        sink: &mut dyn FnMut(Next<'_>),
    ) {
        let sequence = segment.sequence.wrapping_add(u32::from(segment.syn));
        let offset = self.next.map(|next| sequence.wrapping_sub(next).cast_signed());
        let is_here = offset.is_some_and(|offset| offset.unsigned_abs() <= WINDOW);
        if !is_here || (segment.syn && offset != Some(0)) {
            if self.next.is_some() {
                sink(Next::Gap);
            }
            *self = Self { next: Some(sequence), end: u64::from(WINDOW), ..Self::default() };
        }
        let offset = i64::from(offset.filter(|_| is_here).unwrap_or(0));
        let offset = if segment.syn { 0 } else { offset };
        self.place(offset, segment.payload, sink);
        self.close_gap(at, sink);
    }

    fn place(&mut self, offset: i64, payload: &[u8], sink: &mut dyn FnMut(Next<'_>)) {
        let known = usize::try_from(offset.min(0).unsigned_abs()).unwrap_or(usize::MAX);
        let Some(new) = payload.get(known..).filter(|new| !new.is_empty()) else { return };
        if offset <= 0 && self.ahead_bytes == 0 {
            return self.give(new, sink);
        }
        let start = self.end + offset.max(0).unsigned_abs();
        self.ahead_bytes += self.ahead.insert(start, new);
        self.take_ahead(sink);
    }

    fn give(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Next<'_>)) {
        self.end += bytes.len() as u64;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.next = self.next.map(|next| next.wrapping_add(length));
        sink(Next::Bytes(bytes));
    }

    fn take_ahead(&mut self, sink: &mut dyn FnMut(Next<'_>)) {
        while let Some(part) = self.ahead.take(self.end) {
            self.ahead_bytes -= part.len();
            self.give(&part, sink);
        }
    }

    /// Goes on behind a gap that was waited for long enough.
    fn close_gap(&mut self, at: Timestamp, sink: &mut dyn FnMut(Next<'_>)) {
        if self.ahead_bytes == 0 {
            self.gap_since = None;
            return;
        }
        let since = *self.gap_since.get_or_insert(at);
        if at.since(since) <= PATIENCE && self.ahead_bytes <= MAX_AHEAD {
            return;
        }
        let Some(first) = self.ahead.first() else { return };
        let missing = u32::try_from(first.saturating_sub(self.end)).unwrap_or(0);
        self.next = self.next.map(|next| next.wrapping_add(missing));
        self.end = first;
        sink(Next::Gap);
        self.take_ahead(sink);
        self.gap_since = (self.ahead_bytes > 0).then_some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    fn segment(sequence: u32, payload: &[u8], syn: bool) -> Segment<'_> {
        let end = "192.0.2.1:2855".parse().unwrap();
        Segment { source: end, destination: end, sequence, syn, last: false, payload }
    }

    /// The text, with a bar for each gap.
    fn text(segments: &[(u64, u32, &str, bool)]) -> String {
        let mut order = Order::default();
        let mut text = String::new();
        for &(seconds, sequence, payload, syn) in segments {
            let at = Timestamp(seconds * 1_000_000_000);
            order.feed(at, &segment(sequence, payload.as_bytes(), syn), &mut |next| match next {
                Next::Bytes(bytes) => text += core::str::from_utf8(bytes).unwrap(),
                Next::Gap => text += "|",
            });
        }
        text
    }

    #[test]
    fn what_came_twice_or_out_of_order_is_given_once_and_in_order() {
        let wrapped = u32::MAX - 1;
        for segments in [
            &[(0, 9, "", true), (0, 10, "abc", false), (0, 13, "def", false)][..],
            &[(0, 10, "abc", false), (0, 10, "abc", false), (0, 13, "def", false)],
            &[(0, 10, "ab", false), (0, 14, "ef", false), (0, 12, "cd", false)],
            &[(0, 10, "abcd", false), (0, 12, "cdef", false)],
            &[(0, wrapped, "abc", false), (0, 1, "def", false)],
        ] {
            assert_eq!(text(segments), "abcdef", "{segments:?}");
        }
    }

    #[test]
    fn a_gap_is_waited_for_and_then_told() {
        let lost = [(0, 10, "ab", false), (0, 14, "ef", false), (2, 16, "g", false)];
        assert_eq!(text(&lost), "ab");
        let later = [&lost[..], &[(4, 17, "h", false), (5, 12, "cd", false)]].concat();
        assert_eq!(text(&later), "ab|efgh");
        let another = [(0, 10, "ab", false), (0, 5_000_000, "", true), (0, 5_000_001, "cd", false)];
        assert_eq!(text(&another), "ab|cd");
    }

    proptest! {
        #[test]
        fn any_cuts_in_any_order_give_the_same_bytes(
            first in any::<u32>(),
            mut cuts in proptest::collection::vec((0_usize..200, 1_usize..60), 1..20),
            swaps in proptest::collection::vec((0_usize..20, 0_usize..20), 0..20),
        ) {
            let whole: Vec<u8> = (0..200).collect();
            // The whole in pieces of twenty, and others that overlap them.
            cuts.extend((0..10).map(|nth| (nth * 20, 20)));
            for (a, b) in swaps {
                let count = cuts.len();
                cuts.swap(a % count, b % count);
            }
            let (mut order, mut given) = (Order::default(), Vec::new());
            let mut take = |next: Next<'_>| match next {
                Next::Bytes(bytes) => given.extend_from_slice(bytes),
                Next::Gap => panic!("nothing is missing"),
            };
            order.feed(Timestamp(0), &segment(first.wrapping_sub(1), b"", true), &mut take);
            for (from, length) in cuts {
                let payload = &whole[from..(from + length).min(200)];
                let at = first.wrapping_add(u32::try_from(from).unwrap());
                order.feed(Timestamp(0), &segment(at, payload, false), &mut take);
            }
            prop_assert_eq!(given, whole);
        }
    }
}

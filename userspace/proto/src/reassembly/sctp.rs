//! User messages from SCTP DATA chunks (RFC 9260 §3.3.1, §6.9), as SIP uses them (RFC 4168): one SIP
//! message is one user message, on any stream, ordered or not.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use super::held::Held;
use crate::call::{Limits, Path};
use crate::event::Kept;
use crate::time::Timestamp;

/// A DATA chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Data<'a> {
    /// Transmission sequence number; the parts of a message have consecutive ones.
    tsn: u32,
    stream: u16,
    begins: bool,
    ends: bool,
    user_data: &'a [u8],
}

/// Messages of which a part is missing yet.
#[derive(Debug)]
pub(crate) struct Messages {
    waiting: BTreeMap<Key, Parts>,
    order: VecDeque<Key>,
    bytes: usize,
    limits: (usize, usize),
    /// Streams whose parts were given up.
    pub(crate) given_up: u64,
}

/// A stream of an association, in one direction.
type Key = (Path, u16);

#[derive(Debug, Default)]
struct Parts {
    parts: BTreeMap<u32, Part>,
}

#[derive(Debug)]
struct Part {
    begins: bool,
    ends: bool,
    user_data: Box<[u8]>,
    frames: Vec<Held>,
}

/// Takes a message: when it was whole, its text, the frames that formed it.
type Sink<'s> = dyn FnMut(Timestamp, &[u8], &mut [Held]) + 's;

/// More chunks than fit into a packet that anybody sends.
const MAX_CHUNKS: usize = 64;

impl Messages {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            waiting: BTreeMap::new(),
            order: VecDeque::new(),
            bytes: 0,
            limits: (limits.datagrams, limits.datagram_bytes),
            given_up: 0,
        }
    }

    /// Takes the chunks of a packet, and gives each message that is whole to `sink`, with the frames
    /// that formed it.
    pub(crate) fn feed(
        &mut self,
        path: Path,
        frames: &[Kept<'_>],
        chunks: &[u8],
        sink: &mut Sink<'_>,
    ) {
        let at = frames.iter().map(|frame| frame.at).max().unwrap_or_default();
        // Two messages of one packet share its frames, and a warrant gets each once.
        let mut held: Vec<_> = frames.iter().map(Held::copy).collect();
        for data in data_chunks(chunks).take(MAX_CHUNKS) {
            if data.begins && data.ends {
                sink(at, data.user_data, &mut held);
                continue;
            }
            if let Some((text, mut frames)) = self.part((path, data.stream), &data, frames) {
                sink(at, &text, &mut frames);
            }
        }
        self.evict();
    }

    /// Keeps a part; gives the message that it completes.
    fn part(
        &mut self,
        key: Key,
        data: &Data<'_>,
        frames: &[Kept<'_>],
    ) -> Option<(Vec<u8>, Vec<Held>)> {
        let parts = self.waiting.entry(key).or_insert_with(|| {
            self.order.push_back(key);
            Parts::default()
        });
        let part = Part {
            begins: data.begins,
            ends: data.ends,
            user_data: data.user_data.into(),
            frames: frames.iter().map(Held::copy).collect(),
        };
        self.bytes += part.cost();
        if let Some(before) = parts.parts.insert(data.tsn, part) {
            self.bytes -= before.cost();
        }
        let (first, last) = parts.run(data.tsn)?;
        let (mut text, mut held) = (Vec::new(), Vec::new());
        let mut tsn = first;
        loop {
            if let Some(part) = parts.parts.remove(&tsn) {
                self.bytes -= part.cost();
                text.extend_from_slice(&part.user_data);
                held.extend(part.frames);
            }
            if tsn == last {
                return Some((text, held));
            }
            tsn = tsn.wrapping_add(1);
        }
    }

    fn evict(&mut self) {
        let (most, most_bytes) = self.limits;
        while self.waiting.len() > most || self.bytes > most_bytes {
            let Some(oldest) = self.order.pop_front() else { return };
            let Some(parts) = self.waiting.remove(&oldest) else { continue };
            self.bytes -= parts.parts.values().map(Part::cost).sum::<usize>();
            self.given_up += u64::from(!parts.parts.is_empty());
        }
    }
}

impl Parts {
    /// First and last TSN of the whole message around this one.
    fn run(&self, around: u32) -> Option<(u32, u32)> {
        let (mut first, mut last) = (around, around);
        while !self.parts.get(&first)?.begins {
            first = first.wrapping_sub(1);
        }
        while !self.parts.get(&last)?.ends {
            last = last.wrapping_add(1);
        }
        Some((first, last))
    }
}

impl Part {
    fn cost(&self) -> usize {
        size_of::<Self>() + self.user_data.len() + self.frames.iter().map(Held::cost).sum::<usize>()
    }
}

/// The DATA chunks among those of a packet; a chunk of an impossible length ends it.
fn data_chunks(mut chunks: &[u8]) -> impl Iterator<Item = Data<'_>> {
    const DATA: u8 = 0;
    const HEADER: usize = 16;
    core::iter::from_fn(move || {
        loop {
            let (&[kind, flags, l0, l1], _) = chunks.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let chunk = chunks.get(..length.max(4).min(chunks.len()))?;
            if length < 4 {
                return None;
            }
            chunks = chunks.get(length.next_multiple_of(4)..).unwrap_or_default();
            if kind != DATA {
                continue;
            }
            let (header, user_data) = chunk.split_at_checked(HEADER)?;
            let &[_, _, _, _, t0, t1, t2, t3, s0, s1, ..] = header else { return None };
            return Some(Data {
                tsn: u32::from_be_bytes([t0, t1, t2, t3]),
                stream: u16::from_be_bytes([s0, s1]),
                begins: flags & 2 != 0,
                ends: flags & 1 != 0,
                user_data,
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::LinkType;
    use std::vec;

    fn data(flags: u8, tsn: u32, text: &[u8]) -> Vec<u8> {
        let mut chunk = vec![0, flags];
        chunk.extend(u16::try_from(16 + text.len()).unwrap().to_be_bytes());
        chunk.extend(tsn.to_be_bytes());
        chunk.extend([0, 1, 0, 0, 0, 0, 0, 0]);
        chunk.extend(text);
        chunk.resize(chunk.len().next_multiple_of(4), 0);
        chunk
    }

    /// The messages of these packets, each with how many frames formed it.
    fn messages(packets: &[Vec<u8>]) -> Vec<(Vec<u8>, usize)> {
        let mut messages = Messages::new(&Limits::default());
        let end = "192.0.2.1:5060".parse().unwrap();
        let path = Path { source: end, destination: end };
        let mut found = Vec::new();
        for packet in packets {
            let frame = [Kept::whole(Timestamp(1), 0, LinkType::Raw, packet)];
            messages.feed(path, &frame, packet, &mut |_, text, held| {
                found.push((text.to_vec(), held.len()));
            });
        }
        found
    }

    #[test]
    fn each_whole_chunk_is_a_message_whatever_stands_beside_it() {
        let sack = vec![3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let packet = [sack, data(3, 7, b"one"), data(7, 8, b"two!")].concat();
        assert_eq!(messages(&[packet]), [(b"one".to_vec(), 1), (b"two!".to_vec(), 1)]);
    }

    #[test]
    fn a_fragmented_message_is_whole_in_any_order_and_across_the_wrap() {
        let parts =
            [data(2, u32::MAX, b"IN"), data(0, 0, b"VI"), data(0, 1, b"T"), data(1, 2, b"E")];
        for order in [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]] {
            let packets: Vec<_> = order.iter().map(|&place| parts[place].clone()).collect();
            assert_eq!(messages(&packets), [(b"INVITE".to_vec(), 4)], "{order:?}");
        }
        let twice = [&parts[..2], &parts[..2], &parts[2..]].concat();
        assert_eq!(messages(&twice), [(b"INVITE".to_vec(), 4)]);
    }

    #[test]
    fn impossible_lengths_end_the_packet() {
        for length in [0_u16, 3, 15, 0xffff] {
            let mut packet = data(3, 1, b"x");
            packet[2..4].copy_from_slice(&length.to_be_bytes());
            let _ = messages(&[packet.clone()]);
            packet.truncate(9);
            assert!(messages(&[packet]).is_empty());
        }
    }

    #[test]
    fn a_flood_of_first_parts_stays_within_its_bounds() {
        let mut limits = Limits::default();
        (limits.datagrams, limits.datagram_bytes) = (16, 10_000);
        let mut messages = Messages::new(&limits);
        for port in 0..2_000 {
            let source = std::net::SocketAddr::from(([192, 0, 2, 1], port));
            let path = Path { source, destination: source };
            let packet = data(2, 1, &[b'x'; 200]);
            let frame = [Kept::whole(Timestamp(1), 0, LinkType::Raw, &packet)];
            messages.feed(path, &frame, &packet, &mut |_, _, _| panic!("nothing is whole"));
            assert!(messages.waiting.len() <= 16 && messages.bytes <= 10_000);
        }
        assert!(messages.given_up >= 1_984);
    }
}

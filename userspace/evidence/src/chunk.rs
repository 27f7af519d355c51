//! Records on their way from a worker to the writer: encoded once, in a buffer that is used again.

use crate::pcapng::{self, Packet};
use crate::record::{self, Kind, Record};

/// A batch of encoded records with an index. Neither grows in steady state, so that a worker
/// allocates nothing a packet.
#[derive(Debug)]
pub struct Chunk {
    bytes: Vec<u8>,
    index: Vec<Entry>,
    capacity: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    warrant: u32,
    cin: u32,
    kind: Kind,
    at_ns: u64,
    carry: Option<u64>,
    interface: u32,
    commented: bool,
    start: usize,
    end: usize,
}

/// The chunk has no room for the record: hand it on and take an empty one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the chunk is full")]
pub struct Full;

impl Default for Chunk {
    /// A chunk of 1 MiB.
    fn default() -> Self {
        Self::with_capacity(1 << 20)
    }
}

impl Chunk {
    /// A chunk of `capacity` bytes; its index has room for one record in 64 of them.
    pub fn with_capacity(capacity: usize) -> Self {
        let index = Vec::with_capacity((capacity / 64).max(1));
        Self { bytes: Vec::with_capacity(capacity), index, capacity }
    }

    /// Encodes `record` at the chunk's end.
    ///
    /// # Errors
    /// [`Full`] if it does not fit. An empty chunk takes any record: one longer than its capacity
    /// makes it grow.
    pub fn try_push(&mut self, record: &Record<'_>) -> Result<(), Full> {
        let length = pcapng::packet_len(record.frame, record.comment);
        let start = self.bytes.len();
        let full = start.saturating_add(length) > self.capacity
            || self.index.len() == self.index.capacity();
        if full && !self.index.is_empty() {
            return Err(Full);
        }
        let Record { interface, at_ns, original_len, frame, comment, .. } = *record;
        let packet = Packet { interface, at_ns, original_len, frame, comment };
        pcapng::encode_packet(&mut self.bytes, &packet);
        let Record { warrant, cin, kind, carry, .. } = *record;
        let end = self.bytes.len();
        let commented = comment.is_some();
        let entry = Entry { warrant, cin, kind, at_ns, carry, interface, commented, start, end };
        self.index.push(entry);
        Ok(())
    }

    /// The records, in the order in which they came.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Encoded<'_>> {
        self.index.iter().map(|entry| self.encoded(entry))
    }

    /// When each was received, in the same order.
    pub fn times(&self) -> impl ExactSizeIterator<Item = u64> {
        self.index.iter().map(|entry| entry.at_ns)
    }

    /// The record at `position`, counted from 0 in the order in which they came.
    pub fn record(&self, position: usize) -> Option<Encoded<'_>> {
        self.index.get(position).map(|entry| self.encoded(entry))
    }

    fn encoded(&self, entry: &Entry) -> Encoded<'_> {
        let Entry { warrant, cin, kind, at_ns, carry, interface, commented, start, end } = *entry;
        let block = self.bytes.get(start..end).unwrap_or_default();
        Encoded { warrant, cin, kind, at_ns, carry, interface, commented, block }
    }

    /// Whether it holds no record.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// How many records it holds.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.index.clear();
    }
}

/// A record as it stands in a chunk: what [`crate::store::Store::append`] takes.
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a> {
    warrant: u32,
    cin: u32,
    kind: Kind,
    at_ns: u64,
    carry: Option<u64>,
    interface: u32,
    commented: bool,
    block: &'a [u8],
}

impl<'a> Encoded<'a> {
    /// The number under which the engine knows the warrant.
    pub fn warrant(&self) -> u32 {
        self.warrant
    }

    /// The call within the warrant.
    pub fn cin(&self) -> u32 {
        self.cin
    }

    /// Signalling or media.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// When it was received.
    pub fn at_ns(&self) -> u64 {
        self.at_ns
    }

    /// Its key among the call's frames that later volumes repeat.
    pub fn carry(&self) -> Option<u64> {
        self.carry
    }

    /// The session's interface on which it was received.
    pub fn interface(&self) -> u32 {
        self.interface
    }

    /// The frame.
    pub fn frame(&self) -> &'a [u8] {
        pcapng::frame(self.block).unwrap_or_default()
    }

    /// The same record with `count` bytes of its frame overwritten, as `frame` has it, and a note
    /// that has the hash of what came; `block` is where it is encoded anew.
    pub fn masked<'b>(&self, frame: &[u8], count: usize, block: &'b mut Vec<u8>) -> Encoded<'b> {
        block.clear();
        if let Some(packet) = self.packet() {
            let comment = packet.comment.unwrap_or("calltap CC");
            let comment = record::masked(comment, count, packet.frame);
            pcapng::encode_packet(block, &Packet { frame, comment: Some(&comment), ..packet });
        }
        Encoded { block, ..*self }
    }

    /// The Enhanced Packet Block, ready to be written.
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    /// Whether a comment stands beside the frame.
    pub(crate) fn is_commented(&self) -> bool {
        self.commented
    }

    pub(crate) fn packet(&self) -> Option<Packet<'a>> {
        pcapng::decode_packet(self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Authority;

    const ORDER: Authority =
        Authority { warrant: 7, from_ns: 0, until_ns: 200, content: true, direction: None };

    fn record<'a>(at_ns: u64, frame: &'a [u8], comment: Option<&'a str>) -> Record<'a> {
        Record::new(&ORDER, at_ns, 3, Kind::Iri, 1, frame, 1500, comment, Some(at_ns)).unwrap()
    }

    #[test]
    fn what_goes_in_comes_out_in_order() {
        let mut chunk = Chunk::default();
        chunk.try_push(&record(1, b"one", Some("first"))).unwrap();
        chunk.try_push(&record(2, b"other", None)).unwrap();
        let out: Vec<_> = chunk.records().collect();
        assert_eq!(out.len(), 2);
        assert_eq!((out[0].at_ns(), out[0].frame()), (1, &b"one"[..]));
        assert_eq!((out[1].at_ns(), out[1].frame()), (2, &b"other"[..]));
        for view in out {
            let facts = (view.warrant(), view.cin(), view.kind(), view.interface(), view.carry());
            assert_eq!(facts, (7, 3, Kind::Iri, 1, Some(view.at_ns())));
        }
    }

    #[test]
    fn a_full_chunk_keeps_its_memory_where_it_is() {
        let mut chunk = Chunk::with_capacity(4096);
        let (bytes, index) = (chunk.bytes.as_ptr(), chunk.index.as_ptr());
        for _ in 0..3 {
            for frame in [&[0; 1][..], &[0; 160][..]] {
                while chunk.try_push(&record(1, frame, None)).is_ok() {}
                assert_eq!(chunk.try_push(&record(1, &[0; 200], None)), Err(Full));
                chunk.clear();
            }
        }
        assert_eq!((chunk.bytes.as_ptr(), chunk.index.as_ptr()), (bytes, index));
        assert_eq!(chunk.bytes.capacity(), 4096);
    }

    #[test]
    fn an_empty_chunk_takes_a_record_of_any_length() {
        let mut chunk = Chunk::with_capacity(16);
        assert_eq!(chunk.try_push(&record(1, &[0; 9000], None)), Ok(()));
        assert_eq!(chunk.try_push(&record(1, b"", None)), Err(Full));
    }
}

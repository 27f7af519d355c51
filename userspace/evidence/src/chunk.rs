//! Records on their way from a worker to the writer: encoded once, in a buffer that is used again.

use crate::pcapng::{self, Packet};
use crate::record::{Kind, Record};

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
        self.index.push(Entry { warrant, cin, kind, at_ns, carry, start, end });
        Ok(())
    }

    /// The records, in the order in which they came.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Encoded<'_>> {
        self.index.iter().map(|entry| self.encoded(entry))
    }

    /// The record at `position`, counted from 0 in the order in which they came.
    pub fn record(&self, position: usize) -> Option<Encoded<'_>> {
        self.index.get(position).map(|entry| self.encoded(entry))
    }

    fn encoded(&self, entry: &Entry) -> Encoded<'_> {
        let Entry { warrant, cin, kind, at_ns, carry, start, end } = *entry;
        let block = self.bytes.get(start..end).unwrap_or_default();
        Encoded { warrant, cin, kind, at_ns, carry, block }
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
        self.packet().map_or(0, |packet| packet.interface)
    }

    /// The frame.
    pub fn frame(&self) -> &'a [u8] {
        self.packet().map_or(&[], |packet| packet.frame)
    }

    /// The Enhanced Packet Block, ready to be written.
    pub fn block(&self) -> &'a [u8] {
        self.block
    }

    pub(crate) fn packet(&self) -> Option<Packet<'a>> {
        pcapng::decode_packet(self.block)
    }
}

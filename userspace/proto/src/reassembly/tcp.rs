//! TCP streams, one for each direction of each connection, as far as they carry SIP.

use alloc::collections::BTreeMap;

use super::recent::Owners;
pub(crate) use super::stream::Framed;
use super::stream::Stream;
use crate::call::{Limits, Path};
use crate::event::Kept;
use crate::packet::Segment;
use crate::time::Timestamp;

/// The streams followed, and which to forget first.
///
/// A stream that carried a target's message is forgotten after all those that did not.
#[derive(Debug)]
pub(crate) struct Streams {
    streams: BTreeMap<Path, Stream>,
    /// Streams by worth and age: whether the stream carried a target's message, and a number that is
    /// drawn anew with each segment.
    by_worth: BTreeMap<Worth, Path>,
    /// Those streams in which a message has begun, by age.
    waiting: BTreeMap<u64, Path>,
    next_serial: u64,
    bytes: usize,
    limits: Limits,
    /// Streams forgotten for want of room.
    pub(crate) evicted: u64,
    /// Segments that brought nothing new of a target's message.
    pub(crate) repeated: u64,
}

type Worth = (bool, u64);

impl Streams {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            streams: BTreeMap::new(),
            by_worth: BTreeMap::new(),
            waiting: BTreeMap::new(),
            next_serial: 0,
            bytes: 0,
            limits: limits.clone(),
            evicted: 0,
            repeated: 0,
        }
    }

    /// Takes a segment and gives the messages that it completes to `sink`, which says whose they
    /// were; gives the owners of what the segment repeats, where it brings nothing new.
    pub(crate) fn feed(
        &mut self,
        frames: &[Kept<'_>],
        at: Timestamp,
        segment: &Segment<'_>,
        sink: &mut dyn FnMut(Path, Framed<'_>) -> Owners,
    ) -> Owners {
        if segment.payload.is_empty() && !segment.syn && !segment.last {
            return Owners::new();
        }
        let path = Path { source: segment.source, destination: segment.destination };
        let known = self.take(path);
        let Some(mut stream) = known.or_else(|| Stream::open(segment, at)) else {
            return Owners::new();
        };
        let repeated =
            stream.feed(frames, at, segment, &self.limits, &mut |framed| sink(path, framed));
        self.next_serial += 1;
        stream.set_serial(self.next_serial);
        self.put(path, stream);
        self.expire(at, sink);
        while self.streams.len() > self.limits.streams || self.bytes > self.limits.stream_bytes {
            let Some((_, &path)) = self.by_worth.first_key_value() else { break };
            self.evicted += 1;
            self.forget(path, sink);
        }
        self.repeated += u64::from(!repeated.is_empty());
        repeated
    }

    /// Gives up what was waited for too long, and forgets idle streams.
    pub(crate) fn expire(
        &mut self,
        now: Timestamp,
        sink: &mut dyn FnMut(Path, Framed<'_>) -> Owners,
    ) {
        while let Some((_, &path)) = self.waiting.first_key_value() {
            let idle = self.streams.get(&path).map(|stream| now.since(stream.last_at()));
            if idle.is_some_and(|idle| idle <= self.limits.stream_wait) {
                break;
            }
            if let Some(mut stream) = self.take(path) {
                stream.break_off(&self.limits, &mut |framed| sink(path, framed));
                self.put(path, stream);
            }
        }
        for worth in [false, true] {
            while let Some((_, &path)) = self.by_worth.range((worth, 0)..).next() {
                let idle = self.streams.get(&path).map(|stream| now.since(stream.last_at()));
                if idle.is_some_and(|idle| idle <= self.limits.stream_age) {
                    break;
                }
                self.forget(path, sink);
            }
        }
    }

    /// When [`Streams::expire`] has something to give out.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let (_, path) = self.waiting.first_key_value()?;
        Some(self.streams.get(path)?.last_at().after(self.limits.stream_wait))
    }

    /// Gives out what is left of messages that never became whole.
    pub(crate) fn finish(&mut self, sink: &mut dyn FnMut(Path, Framed<'_>) -> Owners) {
        while let Some((_, &path)) = self.by_worth.first_key_value() {
            self.forget(path, sink);
        }
    }

    fn forget(&mut self, path: Path, sink: &mut dyn FnMut(Path, Framed<'_>) -> Owners) {
        if let Some(mut stream) = self.take(path) {
            stream.break_off(&self.limits, &mut |framed| sink(path, framed));
        }
    }

    fn take(&mut self, path: Path) -> Option<Stream> {
        let stream = self.streams.remove(&path)?;
        self.by_worth.remove(&stream.worth());
        self.waiting.remove(&stream.serial());
        self.bytes -= stream.cost();
        Some(stream)
    }

    fn put(&mut self, path: Path, stream: Stream) {
        self.by_worth.insert(stream.worth(), path);
        if stream.is_waiting() {
            self.waiting.insert(stream.serial(), path);
        }
        self.bytes += stream.cost();
        self.streams.insert(path, stream);
    }
}

#[cfg(test)]
mod tests;

//! The RTP streams of a call, told apart by sender, receiver and SSRC.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::SocketAddr;

use hashbrown::HashMap;

use super::clocks::PayloadClocks;
use super::header::Header;
use super::stream::{Id, Stream, Tracked};
use crate::time::Timestamp;

/// Streams in order of appearance; feeding a packet of a known stream allocates nothing.
#[derive(Clone, Debug)]
pub struct Streams {
    streams: Vec<Tracked>,
    /// Where each is in `streams`; none while they are few, and soon looked through.
    index: Option<Box<HashMap<Id, usize>>>,
    limit: u32,
    beyond_limit: u32,
}

/// So many streams, those of nearly every call, are found without an index.
const FEW: usize = 8;

/// So many streams nearly every call has: one each way.
const USUAL: usize = 2;

impl Default for Streams {
    /// Room for 256 streams: a call has two to eight.
    fn default() -> Self {
        Self::with_limit(256)
    }
}

impl Streams {
    /// No streams yet, and room for `limit`, so that random SSRCs cannot fill the memory.
    #[must_use]
    pub fn with_limit(limit: usize) -> Self {
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        Self { streams: Vec::new(), index: None, limit, beyond_limit: 0 }
    }

    /// Counts a UDP payload; says whether it was RTP.
    ///
    /// RTCP, STUN and other datagrams on the same ports are no RTP and are not counted.
    pub fn feed(
        &mut self,
        at: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
        clocks: &PayloadClocks,
    ) -> bool {
        let Ok(header) = Header::parse(payload) else { return false };
        let id = Id { source, destination, ssrc: header.ssrc };
        let known = self.place(&id);
        let place = known.unwrap_or(self.streams.len());
        if known.is_none() {
            if u32::try_from(place).is_ok_and(|place| place >= self.limit) {
                self.beyond_limit = self.beyond_limit.saturating_add(1);
                return true;
            }
            if self.streams.is_empty() {
                self.streams.reserve_exact(USUAL);
            }
            self.streams.push(Tracked::new(at, &id, &header));
            self.index_new();
        }
        if let Some(tracked) = self.streams.get_mut(place) {
            tracked.feed(at, &header, payload.len(), clocks);
        }
        true
    }

    /// Counts a UDP payload of a stream that was fed before, if it has the payload type of the
    /// stream's last packet that kept its pace; says whether it was one.
    ///
    /// Such a packet is media and nothing else, and most packets are such: nothing has to be looked
    /// up for it but its stream.
    pub fn feed_known(
        &mut self,
        at: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
        payload: &[u8],
    ) -> bool {
        let Ok(header) = Header::parse(payload) else { return false };
        let place = self.place(&Id { source, destination, ssrc: header.ssrc });
        let tracked = place.and_then(|place| self.streams.get_mut(place));
        tracked.is_some_and(|tracked| tracked.feed_ordinary(at, &header, payload.len()))
    }

    /// Has the next packet of each stream looked up again, as something else may have been announced
    /// for it.
    pub fn look_again(&mut self) {
        self.streams.iter_mut().for_each(Tracked::look_again);
    }

    #[inline]
    fn place(&self, id: &Id) -> Option<usize> {
        match &self.index {
            None => self.streams.iter().position(|it| it.is(id)),
            Some(index) => index.get(id).copied(),
        }
    }

    /// Puts the newest stream into the index, and the first time all of them.
    fn index_new(&mut self) {
        if self.streams.len() <= FEW {
            return;
        }
        let first = if self.index.is_none() { 0 } else { self.streams.len() - 1 };
        let index = self.index.get_or_insert_default();
        for (place, tracked) in self.streams.iter().enumerate().skip(first) {
            index.insert(tracked.id(), place);
        }
    }

    /// Whether a datagram is RTP of a stream that was fed before.
    #[must_use]
    pub fn knows(&self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> bool {
        let header = Header::parse(payload);
        header.is_ok_and(|it| self.place(&Id { source, destination, ssrc: it.ssrc }).is_some())
    }

    /// Sender and receiver of each.
    pub fn ends(&self) -> impl Iterator<Item = (SocketAddr, SocketAddr)> + '_ {
        self.streams.iter().map(Tracked::id).map(|id| (id.source, id.destination))
    }

    /// How many streams there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.streams.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Has the memory of the first streams brought near, ahead of feeding them: a reader of many
    /// calls waits for all of it at once, and not for each. What it gives means nothing.
    #[must_use]
    pub fn near(&self) -> u64 {
        self.streams.iter().take(USUAL).map(Tracked::near).fold(0, u64::wrapping_add)
    }

    /// The streams in order of appearance, with their figures up to now.
    pub fn iter(&self) -> impl Iterator<Item = Stream> + '_ {
        self.streams.iter().map(Tracked::stream)
    }

    /// RTP packets of streams for which there was no room.
    #[must_use]
    pub fn beyond_limit(&self) -> u64 {
        self.beyond_limit.into()
    }
}

#[cfg(test)]
mod tests;

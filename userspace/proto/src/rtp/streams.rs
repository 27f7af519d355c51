//! The RTP streams of a call, told apart by sender, receiver and SSRC.

use alloc::vec::Vec;
use core::net::SocketAddr;

use hashbrown::HashMap;

use super::clocks::PayloadClocks;
use super::header::Header;
use super::stream::{Stream, Tracked};
use crate::time::Timestamp;

/// Streams in order of appearance; feeding a packet of a known stream allocates nothing.
#[derive(Clone, Debug)]
pub struct Streams {
    index: HashMap<(SocketAddr, SocketAddr, u32), usize>,
    streams: Vec<Tracked>,
    limit: usize,
    beyond_limit: u64,
}

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
        Self { index: HashMap::new(), streams: Vec::new(), limit, beyond_limit: 0 }
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
        let key = (source, destination, header.ssrc);
        let known = self.index.get(&key).copied();
        let place = known.unwrap_or(self.streams.len());
        if known.is_none() {
            if place >= self.limit {
                self.beyond_limit += 1;
                return true;
            }
            self.index.insert(key, place);
            self.streams.push(Tracked::new(at, source, destination, &header));
        }
        if let Some(tracked) = self.streams.get_mut(place) {
            tracked.feed(at, &header, payload.len(), clocks);
        }
        true
    }

    /// Whether a datagram is RTP of a stream that was fed before.
    #[must_use]
    pub fn knows(&self, source: SocketAddr, destination: SocketAddr, payload: &[u8]) -> bool {
        let header = Header::parse(payload);
        header.is_ok_and(|it| self.index.contains_key(&(source, destination, it.ssrc)))
    }

    /// The streams in order of appearance, with their figures up to now.
    pub fn iter(&self) -> impl Iterator<Item = Stream> + '_ {
        self.streams.iter().map(Tracked::stream)
    }

    /// RTP packets of streams for which there was no room.
    #[must_use]
    pub fn beyond_limit(&self) -> u64 {
        self.beyond_limit
    }
}

#[cfg(test)]
mod tests;

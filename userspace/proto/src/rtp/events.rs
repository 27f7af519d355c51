//! Telephone events (RFC 4733 §2): which keys were pressed, when, and for how long.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::clocks::PayloadClocks;
use super::header::Header;
use crate::time::Timestamp;

/// An event that was sent as RTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// Arrival of its first packet.
    pub at: Timestamp,
    /// Sender of that packet.
    pub source: SocketAddr,
    /// Its receiver.
    pub destination: SocketAddr,
    /// Event code (RFC 4733 §3.2): 0 to 9, 10 for `*`, 11 for `#`, 12 to 15 for A to D, 16 for a
    /// hook flash; others are tones.
    pub code: u8,
    /// How long it lasted by the last packet seen of it, in milliseconds.
    pub duration_ms: u64,
}

/// The events of a call.
///
/// An event is known by its SSRC, time stamp and code, so that neither the three copies of its end
/// (§2.5.1.4) nor a relay's second hop make it two.
#[derive(Clone, Debug, Default)]
pub struct Events {
    last: Vec<(u32, Last)>,
    over: Vec<Digit>,
}

/// The last event of a stream.
#[derive(Clone, Copy, Debug)]
struct Last {
    at: Timestamp,
    ends: (SocketAddr, SocketAddr),
    code: u8,
    /// Time stamp of its packets, or of those of its last segment.
    timestamp: u32,
    /// Units that its earlier segments lasted.
    before: u64,
    /// Units that its last segment lasted.
    units: u16,
    rate_hz: u32,
    /// Its end was seen.
    ended: bool,
}

/// Streams beyond this number are not listened to.
const MAX_STREAMS: usize = 64;

/// Events beyond this number are not listed.
const MAX_EVENTS: usize = 4096;

/// A segment that is this long may be followed by another one of the same event (§2.5.1.3).
const LONG: u32 = 0xf000;

impl Events {
    /// Takes a datagram; nothing happens unless it is a telephone event by `clocks`.
    ///
    /// Its payload must be of the length of an event, so that no key is read out of an encrypted
    /// one, which has a tag behind it.
    pub fn feed(
        &mut self,
        at: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
        clocks: &PayloadClocks,
    ) {
        if !datagram.get(1).is_some_and(|second| clocks.is_event(second & 0x7f)) {
            return;
        }
        let Ok((header, &[code, flags, d0, d1])) = Header::with_payload(datagram) else { return };
        let Some(rate_hz) = clocks.rate_hz(header.payload_type) else { return };
        let new = Last {
            at,
            ends: (source, destination),
            code,
            timestamp: header.timestamp,
            before: 0,
            units: u16::from_be_bytes([d0, d1]),
            rate_hz,
            ended: flags & 0x80 != 0,
        };
        let room = self.last.len() < MAX_STREAMS;
        match self.last.iter_mut().find(|(ssrc, _)| *ssrc == header.ssrc) {
            Some((_, last)) => {
                if let Some(over) = last.feed(new, header.marker)
                    && self.over.len() < MAX_EVENTS
                {
                    self.over.push(over);
                }
            }
            None if room => self.last.push((header.ssrc, new)),
            None => {}
        }
    }

    /// All events in order of their beginning; those whose end was lost end with their last packet.
    #[must_use]
    pub fn digits(&self) -> Vec<Digit> {
        let last = self.last.iter().map(|(_, last)| last.digit());
        let mut digits: Vec<_> = self.over.iter().copied().chain(last).collect();
        digits.sort_by_key(|digit| digit.at);
        digits
    }
}

impl Last {
    /// Takes the stream's next packet; gives the event before, if that one is another.
    fn feed(&mut self, new: Self, marker: bool) -> Option<Digit> {
        let since = new.timestamp.wrapping_sub(self.timestamp);
        if since == 0 && new.code == self.code {
            self.units = self.units.max(new.units);
            self.ended |= new.ended;
            return None;
        }
        if since >= 1 << 31 {
            // A late packet of an event before this one.
            return None;
        }
        let segment = LONG..=u32::from(u16::MAX);
        if segment.contains(&since) && new.code == self.code && !self.ended && !marker {
            self.before += u64::from(since);
            (self.timestamp, self.units, self.ended) = (new.timestamp, new.units, new.ended);
            return None;
        }
        let over = self.digit();
        *self = new;
        Some(over)
    }

    fn digit(&self) -> Digit {
        let units = self.before + u64::from(self.units);
        let rate = u64::from(self.rate_hz.max(1));
        Digit {
            at: self.at,
            source: self.ends.0,
            destination: self.ends.1,
            code: self.code,
            duration_ms: (units * 1000 + rate / 2) / rate,
        }
    }
}

#[cfg(test)]
mod tests;

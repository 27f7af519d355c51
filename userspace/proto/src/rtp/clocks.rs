//! Clock rates of RTP payload types: the static table (RFC 3551 §6) and rtpmap (RFC 8866 §6.6).

use alloc::vec::Vec;
use core::fmt;

use super::quality::Codec;

/// What each payload type is.
///
/// Static payload types are known from the start; an `a=rtpmap` overrides, and only what it
/// overrides takes memory, as there is one of these for every endpoint of every call.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct PayloadClocks {
    /// Payload types that are not what they are by default, in the order in which they were mapped.
    mapped: Vec<(u8, Payload)>,
}

/// What is known of one payload type.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Payload {
    /// Timestamp units a second; 0 where unknown.
    rate_hz: u32,
    /// Its packets do not come at the pace of their timestamps.
    ///
    /// Telephone events (RFC 4733) repeat one timestamp and comfort noise (RFC 3389) comes at
    /// will, so neither says anything about the network's jitter.
    is_unpaced: bool,
    is_event: bool,
    /// Its packets hold those of others again (RFC 2198).
    is_redundant: bool,
    codec: Codec,
}

/// RFC 3551 tables 4 and 5.
const fn fixed(payload_type: u8) -> Payload {
    let (rate_hz, codec) = match payload_type {
        0 | 8 => (8_000, Codec::G711),
        4 => (8_000, Codec::G7231),
        18 => (8_000, Codec::G729),
        3 | 5 | 7 | 9 | 12 | 13 | 15 | 19 => (8_000, Codec::Unknown),
        6 => (16_000, Codec::Unknown),
        10 | 11 => (44_100, Codec::Unknown),
        16 => (11_025, Codec::Unknown),
        17 => (22_050, Codec::Unknown),
        14 | 25 | 26 | 28 | 31..=34 => (90_000, Codec::Unknown),
        _ => (0, Codec::Unknown),
    };
    // 19 was comfort noise before RFC 3551 and still is, in old devices.
    let is_unpaced = matches!(payload_type, 13 | 19);
    Payload { rate_hz, is_unpaced, is_event: false, is_redundant: false, codec }
}

impl PayloadClocks {
    /// The static payload types alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds a payload type as an `a=rtpmap` line does; `encoding` is its name without the rate.
    ///
    /// Payload types above 127 cannot occur and are passed over.
    pub fn map(&mut self, payload_type: u8, encoding: &[u8], rate_hz: u32) {
        let is = |name: &[u8]| name.eq_ignore_ascii_case(encoding);
        let is_event = is(b"telephone-event");
        let is_unpaced = is_event || is(b"tone") || is(b"CN");
        let codec = Codec::named(encoding);
        let is_redundant = is(b"red");
        self.put(payload_type, Payload { rate_hz, is_unpaced, is_event, is_redundant, codec });
    }

    /// Takes over what `other` maps beyond the static table.
    pub fn merge(&mut self, other: &Self) {
        for &(payload_type, payload) in &other.mapped {
            self.put(payload_type, payload);
        }
    }

    /// Timestamp units a second of a payload type, where known.
    #[must_use]
    pub fn rate_hz(&self, payload_type: u8) -> Option<u32> {
        Some(self.payload(payload_type).rate_hz).filter(|&rate| rate != 0)
    }

    /// Whether a payload type's packets come at the pace of their timestamps.
    ///
    /// Not so telephone events and comfort noise, which must not move the jitter.
    #[must_use]
    pub fn is_paced(&self, payload_type: u8) -> bool {
        !self.payload(payload_type).is_unpaced
    }

    /// Whether a payload type is telephone events (RFC 4733).
    #[must_use]
    pub fn is_event(&self, payload_type: u8) -> bool {
        self.payload(payload_type).is_event
    }

    /// Whether a payload type holds others' packets again (RFC 2198).
    #[must_use]
    pub fn is_redundant(&self, payload_type: u8) -> bool {
        self.payload(payload_type).is_redundant
    }

    /// What a payload type encodes, where that is known.
    #[must_use]
    pub fn codec(&self, payload_type: u8) -> Codec {
        self.payload(payload_type).codec
    }

    #[inline]
    fn payload(&self, payload_type: u8) -> Payload {
        let mapped = self.mapped.iter().find(|(it, _)| *it == payload_type);
        mapped.map_or_else(|| fixed(payload_type), |(_, payload)| *payload)
    }

    fn put(&mut self, payload_type: u8, payload: Payload) {
        self.mapped.retain(|(it, _)| *it != payload_type);
        if payload_type < 128 && payload != fixed(payload_type) {
            self.mapped.push((payload_type, payload));
        }
    }
}

impl fmt::Debug for PayloadClocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mapped = self.mapped.iter().map(|(payload_type, it)| (payload_type, it.rate_hz));
        f.debug_map().entries(mapped).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_payload_types_need_no_rtpmap() {
        let clocks = PayloadClocks::new();
        for (payload_type, rate) in [(0, 8000), (8, 8000), (9, 8000), (18, 8000), (34, 90000)] {
            assert_eq!(clocks.rate_hz(payload_type), Some(rate));
            assert!(clocks.is_paced(payload_type));
        }
        assert!(!clocks.is_paced(13), "comfort noise");
        assert_eq!(clocks.rate_hz(96), None);
        assert_eq!(clocks.rate_hz(200), None);
    }

    #[test]
    fn an_rtpmap_overrides_and_events_are_unpaced() {
        let mut clocks = PayloadClocks::new();
        clocks.map(96, b"opus", 48000);
        clocks.map(101, b"Telephone-Event", 8000);
        clocks.map(200, b"none", 1);
        assert_eq!(clocks.rate_hz(96), Some(48000));
        assert!(clocks.is_paced(96) && !clocks.is_paced(101));
        assert!(clocks.is_event(101) && !clocks.is_event(13) && !clocks.is_event(200));
    }

    #[test]
    fn what_is_mapped_as_by_default_takes_no_memory() {
        let mut clocks = PayloadClocks::new();
        clocks.map(0, b"PCMU", 8000);
        clocks.map(8, b"PCMA", 8000);
        clocks.map(13, b"CN", 8000);
        clocks.map(200, b"none", 1);
        assert_eq!(clocks, PayloadClocks::new());
        clocks.map(0, b"opus", 48000);
        assert_eq!(clocks.rate_hz(0), Some(48000));
        clocks.map(0, b"PCMU", 8000);
        assert_eq!(clocks, PayloadClocks::new());
    }

    #[test]
    fn merging_adds_what_the_other_maps() {
        let (mut ours, mut theirs) = (PayloadClocks::new(), PayloadClocks::new());
        ours.map(96, b"AMR", 8000);
        theirs.map(97, b"AMR-WB", 16000);
        ours.merge(&theirs);
        assert_eq!((ours.rate_hz(96), ours.rate_hz(97)), (Some(8000), Some(16000)));
    }
}

//! Clock rates of RTP payload types: the static table (RFC 3551 §6) and rtpmap (RFC 8866 §6.6).

use core::fmt;

use super::quality::Codec;

/// Clock rate by payload type.
///
/// Static payload types have theirs from the start; an `a=rtpmap` overrides.
#[derive(Clone, PartialEq, Eq)]
pub struct PayloadClocks {
    /// Timestamp units a second; 0 where unknown.
    rates: [u32; 128],
    /// One bit a payload type whose packets do not come at the pace of their timestamps.
    ///
    /// Telephone events (RFC 4733) repeat one timestamp and comfort noise (RFC 3389) comes at
    /// will, so neither says anything about the network's jitter.
    unpaced: u128,
    /// One bit a payload type that is telephone events.
    events: u128,
    /// What each payload type encodes, where that is known.
    codecs: [Codec; 128],
}

/// RFC 3551 tables 4 and 5.
const STATIC: [(u8, u32); 25] = [
    (0, 8000),
    (3, 8000),
    (4, 8000),
    (5, 8000),
    (6, 16000),
    (7, 8000),
    (8, 8000),
    (9, 8000),
    (10, 44100),
    (11, 44100),
    (12, 8000),
    (13, 8000),
    (14, 90000),
    (15, 8000),
    (16, 11025),
    (17, 22050),
    (18, 8000),
    (19, 8000),
    (25, 90000),
    (26, 90000),
    (28, 90000),
    (31, 90000),
    (32, 90000),
    (33, 90000),
    (34, 90000),
];

/// What is known of one payload type.
#[derive(Clone, Copy, PartialEq)]
struct Payload {
    rate_hz: u32,
    is_unpaced: bool,
    is_event: bool,
    codec: Codec,
}

impl Default for PayloadClocks {
    fn default() -> Self {
        let mut clocks =
            Self { rates: [0; 128], unpaced: 0, events: 0, codecs: [Codec::Unknown; 128] };
        for (payload_type, rate_hz) in STATIC {
            let encoding: &[u8] = match payload_type {
                0 | 8 => b"PCMU",
                4 => b"G723",
                18 => b"G729",
                // 19 was comfort noise before RFC 3551 and still is, in old devices.
                13 | 19 => b"CN",
                _ => b"",
            };
            clocks.map(payload_type, encoding, rate_hz);
        }
        clocks
    }
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
        self.put(payload_type, Payload { rate_hz, is_unpaced, is_event, codec });
    }

    /// Takes over what `other` maps beyond the static table.
    pub fn merge(&mut self, other: &Self) {
        let fixed = Self::default();
        for payload_type in 0..128 {
            let theirs = other.payload(payload_type);
            if theirs != fixed.payload(payload_type) {
                self.put(payload_type, theirs);
            }
        }
    }

    /// Timestamp units a second of a payload type, where known.
    #[must_use]
    pub fn rate_hz(&self, payload_type: u8) -> Option<u32> {
        self.rates.get(usize::from(payload_type)).copied().filter(|&rate| rate != 0)
    }

    /// Whether a payload type's packets come at the pace of their timestamps.
    ///
    /// Not so telephone events and comfort noise, which must not move the jitter.
    #[must_use]
    pub fn is_paced(&self, payload_type: u8) -> bool {
        !bit(self.unpaced, payload_type)
    }

    /// Whether a payload type is telephone events (RFC 4733).
    #[must_use]
    pub fn is_event(&self, payload_type: u8) -> bool {
        bit(self.events, payload_type)
    }

    /// What a payload type encodes, where that is known.
    #[must_use]
    pub fn codec(&self, payload_type: u8) -> Codec {
        self.codecs.get(usize::from(payload_type)).copied().unwrap_or_default()
    }

    fn payload(&self, payload_type: u8) -> Payload {
        Payload {
            rate_hz: self.rate_hz(payload_type).unwrap_or(0),
            is_unpaced: bit(self.unpaced, payload_type),
            is_event: bit(self.events, payload_type),
            codec: self.codec(payload_type),
        }
    }

    fn put(&mut self, payload_type: u8, payload: Payload) {
        if let Some(known) = self.codecs.get_mut(usize::from(payload_type)) {
            *known = payload.codec;
        }
        if let Some(rate) = self.rates.get_mut(usize::from(payload_type)) {
            *rate = payload.rate_hz;
            for (bits, is) in
                [(&mut self.unpaced, payload.is_unpaced), (&mut self.events, payload.is_event)]
            {
                *bits &= !(1 << payload_type);
                *bits |= u128::from(is) << payload_type;
            }
        }
    }
}

fn bit(bits: u128, payload_type: u8) -> bool {
    payload_type < 128 && bits >> payload_type & 1 == 1
}

impl fmt::Debug for PayloadClocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fixed = Self::default();
        let differing = (0u8..128)
            .filter(|&pt| self.rate_hz(pt) != fixed.rate_hz(pt))
            .filter_map(|pt| Some((pt, self.rate_hz(pt)?)));
        f.debug_map().entries(differing).finish()
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
    fn merging_adds_what_the_other_maps() {
        let (mut ours, mut theirs) = (PayloadClocks::new(), PayloadClocks::new());
        ours.map(96, b"AMR", 8000);
        theirs.map(97, b"AMR-WB", 16000);
        ours.merge(&theirs);
        assert_eq!((ours.rate_hz(96), ours.rate_hz(97)), (Some(8000), Some(16000)));
    }
}

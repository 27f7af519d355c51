//! The RTP fixed header (RFC 3550 §5.1), and RTCP told from RTP on one port (RFC 5761 §4).

use thiserror::Error;

/// The fixed header, without the contributing sources.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// |                           timestamp                           |
/// |           synchronization source (SSRC) identifier            |
/// |            contributing source (CSRC) identifiers             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Marker bit.
    pub marker: bool,
    /// Payload type, 7 bits.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp, in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

/// Why a datagram is no RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// Shorter than its header with contributing sources and extension.
    #[error("RTP header of {need} bytes in a datagram of {have}")]
    Short {
        /// Bytes that the header needs.
        need: usize,
        /// Bytes there.
        have: usize,
    },
    /// Version other than 2: STUN, DTLS, keep-alives.
    #[error("RTP version {0}")]
    Version(u8),
    /// RTCP on the same port.
    #[error("RTCP packet type {0}")]
    Rtcp(u8),
}

const FIXED: usize = 12;

impl Header {
    /// Reads the header of a datagram.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where it is none; the datagram may be RTCP, STUN or DTLS.
    #[inline]
    pub fn parse(datagram: &[u8]) -> Result<Self, Malformed> {
        Self::measure(datagram).map(|(header, _)| header)
    }

    /// Reads the header of a datagram; gives the payload behind it too, without padding.
    ///
    /// # Errors
    ///
    /// As [`Header::parse`], and where there is more padding than payload.
    pub fn with_payload(datagram: &[u8]) -> Result<(Self, &[u8]), Malformed> {
        let (header, start) = Self::measure(datagram)?;
        let payload = datagram.get(start..).unwrap_or_default();
        let is_padded = datagram.first().is_some_and(|first| first & 0x20 != 0);
        let padding = if is_padded { payload.last().copied().map_or(1, usize::from) } else { 0 };
        let whole = payload.len().checked_sub(padding).and_then(|end| payload.get(..end));
        let (need, have) = (start + padding, datagram.len());
        Ok((header, whole.ok_or(Malformed::Short { need, have })?))
    }

    /// Reads the header of a datagram; gives its length too, which is where the payload begins: also
    /// that of SRTP, whose header is in clear (RFC 3711 §3.1).
    ///
    /// # Errors
    ///
    /// As [`Header::parse`].
    #[inline]
    pub fn measure(datagram: &[u8]) -> Result<(Self, usize), Malformed> {
        let have = datagram.len();
        let Some(&[first, second, s0, s1, t0, t1, t2, t3, c0, c1, c2, c3]) =
            datagram.first_chunk::<FIXED>()
        else {
            return Err(Malformed::Short { need: FIXED, have });
        };
        if first >> 6 != 2 {
            return Err(Malformed::Version(first >> 6));
        }
        if is_rtcp(datagram) {
            return Err(Malformed::Rtcp(second));
        }
        let mut need = FIXED + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            need += 4;
            let words = need
                .checked_sub(2)
                .and_then(|at| datagram.get(at..need))
                .and_then(|length| <[u8; 2]>::try_from(length).ok())
                .map(u16::from_be_bytes);
            let Some(words) = words else { return Err(Malformed::Short { need, have }) };
            need += 4 * usize::from(words);
        }
        if have < need {
            return Err(Malformed::Short { need, have });
        }
        let header = Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([c0, c1, c2, c3]),
        };
        Ok((header, need))
    }
}

/// Whether a datagram on an RTP port is RTCP: version 2 and packet type 200 to 207 (RFC 5761 §4).
#[must_use]
pub fn is_rtcp(datagram: &[u8]) -> bool {
    matches!(datagram, [first, 200..=207, _, _, ..] if first >> 6 == 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    const PCMU: [u8; 12] = [0x80, 0x80, 0x12, 0x34, 0, 0, 0, 0xa0, 0xde, 0xad, 0xbe, 0xef];

    #[test]
    fn a_header_is_read_in_network_byte_order() {
        let header = Header::parse(&PCMU).expect("a header");
        let expected = Header {
            marker: true,
            payload_type: 0,
            sequence: 0x1234,
            timestamp: 160,
            ssrc: 0xdead_beef,
        };
        assert_eq!(header, expected);
    }

    #[test]
    fn contributing_sources_and_an_extension_must_fit() {
        let mut packet = Vec::from(PCMU);
        packet[0] = 0x92; // extension, two contributing sources
        assert_eq!(Header::parse(&packet), Err(Malformed::Short { need: 24, have: 12 }));
        packet.extend([0; 8]);
        packet.extend([0xbe, 0xde, 0, 1]);
        assert_eq!(Header::parse(&packet), Err(Malformed::Short { need: 28, have: 24 }));
        packet.extend([0; 4]);
        assert!(Header::parse(&packet).is_ok());
    }

    #[test]
    fn the_payload_ends_where_its_padding_begins() {
        let mut packet = Vec::from(PCMU);
        packet.extend([1, 2, 3, 4]);
        assert_eq!(Header::with_payload(&packet).expect("RTP").1, [1, 2, 3, 4]);
        packet[0] |= 0x20;
        packet[15] = 2;
        assert_eq!(Header::with_payload(&packet).expect("RTP").1, [1, 2]);
        packet[15] = 5;
        assert_eq!(Header::with_payload(&packet), Err(Malformed::Short { need: 17, have: 16 }));
        packet.truncate(12);
        assert_eq!(Header::with_payload(&packet), Err(Malformed::Short { need: 13, have: 12 }));
    }

    #[test]
    fn rtcp_stun_and_dtls_are_no_rtp() {
        let cases: [(&[u8], Malformed); 4] = [
            (&[0x80, 200, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0], Malformed::Rtcp(200)),
            (&[0x81, 207, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0], Malformed::Rtcp(207)),
            (&[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 0, 0, 0, 0], Malformed::Version(0)),
            (&[22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0], Malformed::Version(0)),
        ];
        for (datagram, why) in cases {
            assert_eq!(Header::parse(datagram), Err(why));
        }
        assert!(!is_rtcp(&PCMU));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Header::with_payload(&bytes);
            let _ = is_rtcp(&bytes);
        }
    }
}

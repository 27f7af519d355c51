//! What a packet looks like by its first bytes; never more than a likeness.

use crate::rtp::{Header, is_rtcp};
use crate::{dtls, stun, zrtp};

/// A protocol that a packet looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Look {
    /// STUN or TURN, by magic cookie and length (RFC 8489 §5).
    Stun,
    /// TURN ChannelData (RFC 8656 §12.4).
    TurnChannel,
    /// DTLS (RFC 6347 §4.1).
    Dtls,
    /// ZRTP, by its cookie (RFC 6189 §5).
    Zrtp,
    /// RTCP, or SRTCP (RFC 5761 §4).
    Rtcp,
    /// RTP, or SRTP (RFC 3550 §5.1).
    Rtp,
    /// QUIC with a long header (RFC 8999 §5.1).
    Quic,
    /// TLS, by a record's beginning (RFC 8446 §5.1).
    Tls,
    /// Anything else.
    Unknown,
}

/// All of them, in the order of their numbers.
const ALL: [Look; 9] = [
    Look::Stun,
    Look::TurnChannel,
    Look::Dtls,
    Look::Zrtp,
    Look::Rtcp,
    Look::Rtp,
    Look::Quic,
    Look::Tls,
    Look::Unknown,
];

impl Look {
    pub(super) fn of(protocol: u8, payload: &[u8]) -> Self {
        if protocol == 6 {
            return match payload {
                // A record of a handshake or of data, of any version since SSL 3.0.
                [20..=23, 3, 0..=4, ..] => Self::Tls,
                _ if stun::Message::first(payload).is_some() => Self::Stun,
                _ => Self::Unknown,
            };
        }
        // RFC 7983 §7 tells by the first byte what may share a port; RFC 9443 adds QUIC.
        if stun::Message::parse(payload).is_some() {
            Self::Stun
        } else if zrtp::step(payload).is_some() {
            Self::Zrtp
        } else if dtls::record(payload).is_some() {
            Self::Dtls
        } else if stun::channel_data(payload).is_some() {
            Self::TurnChannel
        } else if is_rtcp(payload) {
            Self::Rtcp
        } else if Header::parse(payload).is_ok() {
            Self::Rtp
        } else if is_quic(payload) {
            Self::Quic
        } else {
            Self::Unknown
        }
    }

    /// Its name in the evidence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stun => "stun",
            Self::TurnChannel => "turn-channel",
            Self::Dtls => "dtls",
            Self::Zrtp => "zrtp",
            Self::Rtcp => "rtcp",
            Self::Rtp => "rtp",
            Self::Quic => "quic",
            Self::Tls => "tls",
            Self::Unknown => "unknown",
        }
    }
}

/// A long header of version 1 or 2 (RFC 9000 §17.2, RFC 9369): no other is told from noise.
fn is_quic(payload: &[u8]) -> bool {
    matches!(payload, [0xc0..=0xff, 0, 0, 0, 1, ..] | [0xc0..=0xff, 0x6b, 0x33, 0x43, 0xcf, ..])
}

/// Several of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Looks(u16);

impl Looks {
    pub(super) fn add(&mut self, look: Look) {
        self.0 |= 1 << look as u8;
    }

    /// Those that were added, in a fixed order.
    pub fn iter(self) -> impl Iterator<Item = Look> {
        ALL.into_iter().filter(move |&look| self.0 >> look as u8 & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_known_by_their_first_bytes_and_nothing_more_is_said() {
        let rtp = [&[0x80, 0x6f, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2][..], &[0; 20]].concat();
        let cases: [(u8, &[u8], Look); 9] = [
            (17, &rtp, Look::Rtp),
            (17, &[0x80, 200, 0, 1, 0, 0, 0, 1], Look::Rtcp),
            (17, &[0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1], Look::Dtls),
            (17, &[0x40, 0, 0, 4, 1, 2, 3, 4], Look::TurnChannel),
            (17, &[0xc3, 0, 0, 0, 1, 8, 1, 2], Look::Quic),
            (17, &[0xff; 20], Look::Unknown),
            (6, &[0x16, 3, 1, 0, 5, 1], Look::Tls),
            (6, b"GET / HTTP/1.1", Look::Unknown),
            (132, &[1; 16], Look::Unknown),
        ];
        for (protocol, payload, look) in cases {
            assert_eq!(Look::of(protocol, payload), look, "{payload:x?}");
        }
        let mut looks = Looks::default();
        ALL.into_iter().for_each(|look| looks.add(look));
        assert!(looks.iter().eq(ALL));
    }
}

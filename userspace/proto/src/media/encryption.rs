//! How a flow is encrypted: what descriptions announce, held against what is seen on its path.

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::Keying;
use crate::{dtls, zrtp};

/// How media is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// Not at all.
    None,
    /// By keys in the descriptions (RFC 4568).
    Sdes,
    /// By keys in the descriptions (RFC 4567).
    Mikey,
    /// By keys of a DTLS handshake (RFC 5764).
    DtlsSrtp,
    /// By keys of a ZRTP exchange (RFC 6189).
    Zrtp,
    /// It cannot be told.
    Unknown,
}

/// The key exchanges seen on the paths of a call, which are known by both their ends.
#[derive(Clone, Debug, Default)]
pub struct KeyExchanges {
    paths: Vec<Path>,
}

#[derive(Clone, Copy, Debug)]
struct Path {
    /// Its ends, the lower one first.
    ends: [SocketAddr; 2],
    /// A DTLS handshake of either end.
    handshakes: [bool; 2],
    dtls_agreed: bool,
    zrtp_agreed: bool,
}

/// Paths beyond this number are not looked at: a call has few.
const LIMIT: usize = 64;

impl KeyExchanges {
    /// Takes a datagram that is no RTP; says whether it was part of a key exchange.
    pub fn feed(&mut self, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) -> bool {
        // RFC 7983 §7 tells them apart by their first byte, so only one of them can be read.
        let (record, step) = (dtls::record(datagram), zrtp::step(datagram));
        if record.is_none() && step.is_none() {
            return false;
        }
        let is_upper = source > destination;
        let Some(path) = self.path(source, destination) else { return true };
        if let Some(record) = record {
            let [lower, upper] = &mut path.handshakes;
            *(if is_upper { upper } else { lower }) |= record.content_type == dtls::HANDSHAKE;
            // One party's hello may have no answer; an epoch has begun when both have keys.
            path.dtls_agreed |= record.epoch > 0 || path.handshakes == [true, true];
        }
        path.zrtp_agreed |= step == Some(zrtp::Step::Confirmed);
        true
    }

    /// How the flow is encrypted that `sender` and `receiver` announce so, where they announce it.
    ///
    /// | Seen and announced | Encryption |
    /// |---|---|
    /// | the confirmation of ZRTP's keys | ZRTP |
    /// | DTLS handshakes both ways, or a record of a later epoch | DTLS-SRTP |
    /// | both ends the same | that |
    /// | one end a way, the other none | none: nothing was agreed |
    /// | both ends different ways, or an SRTP profile without a way | unknown |
    /// | one end, the other unannounced | what that one says; of DTLS, unknown |
    /// | `a=zrtp-hash`, and no keys confirmed | none |
    #[must_use]
    pub fn encryption(
        &self,
        (source, sender): (SocketAddr, Option<Keying>),
        (destination, receiver): (SocketAddr, Option<Keying>),
    ) -> Encryption {
        let ends = sorted(source, destination);
        let path = self.paths.iter().find(|path| path.ends == ends);
        if path.is_some_and(|path| path.zrtp_agreed) {
            return Encryption::Zrtp;
        }
        if path.is_some_and(|path| path.dtls_agreed) {
            return Encryption::DtlsSrtp;
        }
        // An announcement of ZRTP is an offer to begin in the clear (RFC 6189 §8).
        let announced = |keying: Keying| match keying {
            Keying::None | Keying::Zrtp => Encryption::None,
            Keying::Sdes => Encryption::Sdes,
            Keying::Mikey => Encryption::Mikey,
            Keying::Dtls => Encryption::DtlsSrtp,
            Keying::Unstated => Encryption::Unknown,
        };
        match (sender.map(announced), receiver.map(announced)) {
            (Some(one), Some(other)) if one == other => one,
            (Some(Encryption::None), Some(_)) | (Some(_), Some(Encryption::None)) => {
                Encryption::None
            }
            (Some(Encryption::DtlsSrtp), None) | (None, Some(Encryption::DtlsSrtp)) => {
                Encryption::Unknown
            }
            (Some(one), None) | (None, Some(one)) => one,
            _ => Encryption::Unknown,
        }
    }

    fn path(&mut self, one: SocketAddr, other: SocketAddr) -> Option<&mut Path> {
        let ends = sorted(one, other);
        let place = self.paths.iter().position(|path| path.ends == ends);
        if place.is_none() && self.paths.len() < LIMIT {
            self.paths.push(Path {
                ends,
                handshakes: [false; 2],
                dtls_agreed: false,
                zrtp_agreed: false,
            });
        }
        let place = place.unwrap_or_else(|| self.paths.len().saturating_sub(1));
        self.paths.get_mut(place).filter(|path| path.ends == ends)
    }
}

fn sorted(one: SocketAddr, other: SocketAddr) -> [SocketAddr; 2] {
    if one < other { [one, other] } else { [other, one] }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "192.0.2.1:4000";
    const B: &str = "198.51.100.2:5000";
    const HELLO: [u8; 14] = [22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1];
    const FINISHED: [u8; 14] = [22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1];

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn zrtp(name: &[u8; 8]) -> Vec<u8> {
        let mut packet = Vec::from(*b"\x10\0\0\x01ZRTP\0\0\0\x0a\x50\x5a\0\x03");
        packet.extend(name);
        packet
    }

    /// What is told of Alice's stream, announced so by her and by Bob, after these packets.
    fn told(
        alice: Option<Keying>,
        bob: Option<Keying>,
        seen: &[(&str, &str, &[u8])],
    ) -> Encryption {
        let mut exchanges = KeyExchanges::default();
        for (from, to, packet) in seen {
            assert!(exchanges.feed(at(from), at(to), packet));
        }
        let there = exchanges.encryption((at(A), alice), (at(B), bob));
        assert_eq!(there, exchanges.encryption((at(B), bob), (at(A), alice)), "either way");
        there
    }

    #[test]
    fn what_both_announce_is_believed_and_what_one_announces_is_not() {
        let (plain, sdes, dtls) = (Some(Keying::None), Some(Keying::Sdes), Some(Keying::Dtls));
        assert_eq!(told(plain, plain, &[]), Encryption::None);
        assert_eq!(told(sdes, sdes, &[]), Encryption::Sdes);
        assert_eq!(told(sdes, plain, &[]), Encryption::None);
        assert_eq!(told(sdes, dtls, &[]), Encryption::Unknown);
        assert_eq!(told(sdes, None, &[]), Encryption::Sdes);
        assert_eq!(told(dtls, dtls, &[]), Encryption::DtlsSrtp);
        assert_eq!(told(dtls, None, &[]), Encryption::Unknown);
        assert_eq!(told(Some(Keying::Unstated), sdes, &[]), Encryption::Unknown);
        assert_eq!(told(None, None, &[]), Encryption::Unknown);
    }

    #[test]
    fn a_handshake_needs_an_answer() {
        let plain = Some(Keying::None);
        assert_eq!(told(plain, plain, &[(A, B, &HELLO), (A, B, &HELLO)]), Encryption::None);
        assert_eq!(told(plain, plain, &[(A, B, &HELLO), (B, A, &HELLO)]), Encryption::DtlsSrtp);
        assert_eq!(told(None, None, &[(B, A, &FINISHED)]), Encryption::DtlsSrtp);
        // On another path it says nothing.
        let other = "192.0.2.1:4002";
        assert_eq!(told(plain, plain, &[(other, B, &FINISHED)]), Encryption::None);
    }

    #[test]
    fn zrtp_is_none_until_its_keys_are_confirmed() {
        let announced = Some(Keying::Zrtp);
        let (hello, confirm) = (zrtp(b"Hello   "), zrtp(b"Confirm1"));
        assert_eq!(told(announced, announced, &[]), Encryption::None);
        let seen: [(&str, &str, &[u8]); 3] = [(A, B, &hello), (B, A, &hello), (B, A, &confirm)];
        assert_eq!(told(announced, announced, &seen[..2]), Encryption::None);
        assert_eq!(told(Some(Keying::None), announced, &seen), Encryption::Zrtp);
    }

    #[test]
    fn other_datagrams_are_no_key_exchange_and_paths_are_bounded() {
        let mut exchanges = KeyExchanges::default();
        assert!(!exchanges.feed(at(A), at(B), b"\0\x01\0\0\x21\x12\xa4\x42"));
        for port in 1..=100 {
            assert!(exchanges.feed(SocketAddr::new(at(A).ip(), port), at(B), &FINISHED));
        }
        assert_eq!(exchanges.paths.len(), LIMIT);
    }
}

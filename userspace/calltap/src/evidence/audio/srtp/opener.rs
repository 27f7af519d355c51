//! One stream's packets opened, whichever key of the call is theirs (RFC 3711 §3.3.1).

use std::cmp::Ordering;
use std::collections::BTreeMap;

use calltap_proto::rtp::Header;

use super::sdes::Keys;

/// Opens the packets of a stream in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Opener {
    /// The key by which the last one was authentic.
    current: Option<usize>,
    /// How far the stream has come with each key.
    positions: BTreeMap<usize, Position>,
    /// Packets that were authentic.
    pub(crate) opened: u64,
    /// Packets that were authentic by no key.
    pub(crate) failed: u64,
}

/// Where a stream stands.
#[derive(Debug, Clone, Copy)]
struct Position {
    /// How often its sequence numbers have begun anew, and at the most.
    roc: u32,
    most: u32,
    sequence: u16,
}

impl Opener {
    /// The packet in clear, if it is authentic.
    ///
    /// Any key may be tried anew at each packet: a new description may bring another one.
    pub(crate) fn open(&mut self, keys: &Keys, datagram: &[u8]) -> Option<Vec<u8>> {
        let sequence = Header::parse(datagram).ok()?.sequence;
        for session in self.current.into_iter().chain(0..keys.sessions.len()) {
            if let Some(plain) = self.open_with(keys, session, sequence, datagram) {
                self.current = Some(session);
                self.opened += 1;
                return Some(plain);
            }
        }
        self.failed += 1;
        None
    }

    fn open_with(
        &mut self,
        keys: &Keys,
        session: usize,
        sequence: u16,
        datagram: &[u8],
    ) -> Option<Vec<u8>> {
        let found = keys.sessions.get(session)?;
        let position = self.positions.get(&session).copied();
        let current = self.current.and_then(|current| self.positions.get(&current));
        let rocs = match (position, current) {
            // The others are for a sender that has begun anew, and for one whose old packet came
            // once more and was taken for that.
            (Some(Position { most, .. }), _) => {
                vec![position?.next(sequence), 0, most, most.wrapping_add(1)]
            }
            // With another key the count may go on or not.
            (None, Some(current)) => vec![0, current.next(sequence)],
            (None, None) => vec![0],
        };
        let (roc, plain) =
            rocs.into_iter().find_map(|roc| Some((roc, found.open(roc, datagram)?)))?;
        let most = position.map_or(roc, |position| position.most.max(roc));
        let is_late = position.is_some_and(|it| it.roc == roc && it.is_ahead_of(sequence));
        if !is_late {
            self.positions.insert(session, Position { roc, most, sequence });
        }
        Some(plain)
    }

    /// The suite by which the last packet was authentic.
    pub(crate) fn suite(&self, keys: &Keys) -> &'static str {
        let session = self.current.and_then(|current| keys.sessions.get(current));
        session.map_or("", |session| session.suite.name)
    }
}

impl Position {
    /// How often the numbers have begun anew at a packet that is nearest to this one.
    fn next(self, sequence: u16) -> u32 {
        match (self.is_ahead_of(sequence), sequence.cmp(&self.sequence)) {
            (false, Ordering::Less) => self.roc.wrapping_add(1),
            (true, Ordering::Greater) => self.roc.wrapping_sub(1),
            _ => self.roc,
        }
    }

    fn is_ahead_of(self, sequence: u16) -> bool {
        sequence.wrapping_sub(self.sequence).cast_signed() < 0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::super::made::hex;
    use super::*;

    fn keys(lines: &[&str]) -> Keys {
        let sdp: String = lines.iter().map(|line| format!("a=crypto:1 {line}\r\n")).collect();
        Keys::of_descriptions([sdp.as_bytes()])
    }

    /// Packets of libsrtp 2.6 (pylibsrtp 1.0) with the sequence numbers 65534, 65535, 0 and 1, a
    /// contributing source, an extension, and "calltap"; the keys are bytes that count from 0.
    const SEALED: [(&str, [&str; 4]); 4] = [
        (
            "AES_CM_128_HMAC_SHA1_80 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd",
            [
                "ba89617a61d4cf0cf27a67a5fb1a16a884",
                "41d0a074ae6e01f21b45a1717f48a68da9",
                "70a3ddd010cdbb5ab4c816be26fb5c87d0",
                "605f26bce58a1f75dcd584aaf10b2221b5",
            ],
        ),
        (
            "AES_CM_128_HMAC_SHA1_32 inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd",
            [
                "ba89617a61d4cf0cf27a67",
                "41d0a074ae6e01f21b45a1",
                "70a3ddd010cdbb5ab4c816",
                "605f26bce58a1f75dcd584",
            ],
        ),
        (
            "AEAD_AES_128_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
            [
                "fac8763974037d7f201f3355c5bf03e46d2f519dddb5ac",
                "d66bf53599a22cc1766ccfac40be3de4d981bfd0e001e0",
                "309c8ed3c8043bfb3b9482913fb30d57944fef413a62c3",
                "2140ebcb91e50c6a4f9ad7816367a8e96b5cc492568425",
            ],
        ),
        (
            "AEAD_AES_256_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis",
            [
                "6b56f15d18e8bdfbf326c6f72bbbddc0d5b7b6734cca09",
                "1b92dec05b2459b98678f36565e7927595e79b19224fd6",
                "cb6e03d92607c1f3326060a9c72a14563ad50b81fbfc8a",
                "787d70980ff8e428ff6ef0dbeecef27b5dcef7b5852eab",
            ],
        ),
    ];

    fn packets(sealed: [&str; 4]) -> Vec<Vec<u8>> {
        let packet = |(sequence, sealed): (&str, &str)| {
            hex(&format!("9100{sequence}000000a00ca117a901020304bede000110aa0000{sealed}"))
        };
        ["fffe", "ffff", "0000", "0001"].into_iter().zip(sealed).map(packet).collect()
    }

    fn opened(opener: &mut Opener, keys: &Keys, packet: &[u8]) -> bool {
        let plain = opener.open(keys, packet);
        plain.is_some_and(|plain| plain[..24] == packet[..24] && &plain[24..] == b"calltap")
    }

    #[test]
    fn packets_of_another_implementation_are_opened_across_a_wrap_in_any_order() {
        let all: Vec<_> = SEALED.iter().map(|(line, _)| *line).collect();
        for (line, sealed) in SEALED {
            let packets = packets(sealed);
            let name = line.split(' ').next().unwrap();
            for keys in [keys(&[line]), keys(&all)] {
                for order in [[0, 1, 2, 3], [1, 0, 3, 2], [0, 2, 1, 3], [1, 3, 0, 2]] {
                    let mut opener = Opener::default();
                    for at in order {
                        assert!(opened(&mut opener, &keys, &packets[at]), "{name}: {order:?}");
                    }
                    assert_eq!((opener.opened, opener.failed), (4, 0));
                    assert!(opener.suite(&keys).starts_with(&name[..15]));
                }
            }
        }
    }

    #[test]
    fn an_altered_packet_is_counted_and_moves_nothing() {
        let (line, sealed) = SEALED[0];
        let (keys, packets) = (keys(&[line]), packets(sealed));
        let mut opener = Opener::default();
        assert!(opened(&mut opener, &keys, &packets[0]));
        for at in 0..packets[1].len() {
            let mut altered = packets[1].clone();
            altered[at] ^= 0x10;
            assert!(opener.open(&keys, &altered).is_none(), "byte {at}");
        }
        assert!(packets[1..].iter().all(|packet| opened(&mut opener, &keys, packet)));
        // The last byte of the tag is not looked at as RTP, so all but the first are counted.
        assert_eq!(opener.opened, 4);
        assert!(opener.failed > 30, "{}", opener.failed);
    }

    #[test]
    fn an_old_packet_once_more_stops_nothing_that_follows() {
        let (line, sealed) = SEALED[0];
        let (keys, packets) = (keys(&[line]), packets(sealed));
        let mut opener = Opener::default();
        for at in [0, 1, 2, 0, 3, 1, 2, 3] {
            assert!(opened(&mut opener, &keys, &packets[at]), "packet {at}");
        }
    }

    #[test]
    fn another_key_takes_over_where_a_description_brought_one() {
        let [(first, sealed), (_, _), (second, other), ..] = SEALED;
        let keys = keys(&[first, second]);
        let mut opener = Opener::default();
        assert!(packets(sealed).iter().all(|packet| opened(&mut opener, &keys, packet)));
        assert_eq!(opener.suite(&keys), "AES_CM_128_HMAC_SHA1_80");
        assert!(packets(other).iter().all(|packet| opened(&mut opener, &keys, packet)));
        assert_eq!(opener.suite(&keys), "AEAD_AES_128_GCM");
    }

    proptest! {
        #[test]
        fn any_bytes_are_opened_by_no_key(
            head in prop::collection::vec(any::<u8>(), 0..4),
            rest in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let lines: Vec<_> = SEALED.iter().map(|(line, _)| *line).collect();
            let keys = keys(&lines);
            let datagram = [&[0x80 | head.first().unwrap_or(&0) & 0x3f], &*head, &*rest].concat();
            // A tag of four bytes is forged once in four billion times.
            prop_assert!(Opener::default().open(&keys, &datagram).is_none());
        }

        #[test]
        fn any_description_gives_keys_or_reasons(
            text in "(a=crypto:[0-9A-Za-z_:;|= \r\n+/]{0,80}\n|[^\n]{0,40}\n){0,8}"
        ) {
            let keys = Keys::of_descriptions([text.as_bytes()]);
            prop_assert!(!keys.missing().is_empty());
        }
    }
}

//! ZRTP packets on a media port (RFC 6189 §5).

/// How far a ZRTP packet shows that the parties are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// They say hello, agree, or take leave; media is not encrypted yet.
    Other,
    /// A party confirms the keys: media is encrypted from here on (§4.6).
    Confirmed,
}

/// `ZRTP`.
const MAGIC_COOKIE: [u8; 4] = [0x5a, 0x52, 0x54, 0x50];

/// What step a datagram is, if it is ZRTP.
#[must_use]
pub fn step(datagram: &[u8]) -> Option<Step> {
    let (&[first, _, _, _, cookie @ .., _, _, _, _], message) =
        datagram.split_first_chunk::<12>()?;
    let (&[p0, p1, _, _], message) = message.split_first_chunk()?;
    let name = message.first_chunk::<8>()?;
    // §5.1.1: the preamble of every message.
    if first >> 4 != 1 || cookie != MAGIC_COOKIE || [p0, p1] != [0x50, 0x5a] {
        return None;
    }
    Some(match name {
        b"Confirm1" | b"Confirm2" | b"Conf2ACK" => Step::Confirmed,
        _ => Step::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    fn packet(name: &[u8; 8]) -> Vec<u8> {
        let mut packet = Vec::from(*b"\x10\0\0\x01ZRTP\0\0\0\x0a\x50\x5a\0\x03");
        packet.extend(name);
        packet.extend([0; 4]);
        packet
    }

    #[test]
    fn hello_is_no_agreement_and_a_confirmation_is() {
        assert_eq!(step(&packet(b"Hello   ")), Some(Step::Other));
        assert_eq!(step(&packet(b"Confirm2")), Some(Step::Confirmed));
        for place in [0, 4, 12] {
            let mut other = packet(b"Hello   ");
            other[place] ^= 0xff;
            assert_eq!(step(&other), None);
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = step(&bytes);
        }
    }
}

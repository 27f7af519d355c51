//! One master key's session keys, and a packet opened with them (RFC 3711 §4; RFC 7714 §8, §9).

use aes::cipher::{KeyIvInit as _, StreamCipher as _};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInOut as _;
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit as _};
use calltap_proto::rtp::Header;
use ctr::Ctr128BE;
use hmac::{Hmac, Mac as _};
use sha1::Sha1;

use super::sdes::{Master, Suite};

/// What the bytes are for that are derived (§4.3.1).
const ENCRYPTION: u8 = 0;
const AUTHENTICATION: u8 = 1;
const SALT: u8 = 2;

/// Bytes of AES-GCM's tag (RFC 7714 §5.1).
const GCM_TAG: usize = 16;

/// The keys of packets.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) suite: &'static Suite,
    mki: usize,
    is_plain: bool,
    key: Vec<u8>,
    authentication: [u8; 20],
    salt: [u8; 14],
}

impl Session {
    /// Derives the keys (§4.3.3), as without a key derivation rate they are for all packets.
    pub(super) fn new(master: &Master) -> Option<Self> {
        let &Master { suite, mki, is_plain, .. } = master;
        let mut session = Self {
            suite,
            mki,
            is_plain,
            key: vec![0; suite.key],
            authentication: [0; 20],
            salt: [0; 14],
        };
        derive(master, ENCRYPTION, &mut session.key)?;
        derive(master, AUTHENTICATION, &mut session.authentication)?;
        derive(master, SALT, &mut session.salt)?;
        Some(session)
    }

    /// The packet in clear, its identifier and tag taken off; none if it is not authentic.
    ///
    /// `roc` is how often its sequence numbers have begun anew.
    pub(super) fn open(&self, roc: u32, datagram: &[u8]) -> Option<Vec<u8>> {
        let (header, start) = Header::measure(datagram).ok()?;
        if self.suite.is_gcm {
            return self.open_gcm(roc, (&header, start), datagram);
        }
        let (rest, tag) = split_end(datagram, self.suite.tag)?;
        let (packet, _) = split_end(rest, self.mki)?;
        let mut mac = Hmac::<Sha1>::new_from_slice(&self.authentication).ok()?;
        mac.update(packet);
        mac.update(&roc.to_be_bytes());
        mac.verify_truncated_left(tag).ok()?;
        let mut packet = packet.to_vec();
        let payload = packet.get_mut(start..)?;
        if !self.is_plain {
            // §4.1.1: the last two bytes count blocks.
            let mut counter = [0; 16];
            xor(&mut counter, &self.salt);
            xor(counter.get_mut(4..)?, &header.ssrc.to_be_bytes());
            xor(counter.get_mut(8..)?, &index(roc, header.sequence));
            encrypt(&self.key, counter, payload)?;
        }
        Some(packet)
    }

    fn open_gcm(
        &self,
        roc: u32,
        (header, start): (&Header, usize),
        datagram: &[u8],
    ) -> Option<Vec<u8>> {
        let (sealed, _) = split_end(datagram, self.mki)?;
        let (packet, tag) = split_end(sealed, GCM_TAG)?;
        let tag: [u8; GCM_TAG] = tag.try_into().ok()?;
        // RFC 7714 §8.1.
        let mut nonce = [0; 12];
        xor(&mut nonce, self.salt.get(..12)?);
        xor(nonce.get_mut(2..)?, &header.ssrc.to_be_bytes());
        xor(nonce.get_mut(6..)?, &index(roc, header.sequence));
        let mut packet = packet.to_vec();
        let (head, payload) = packet.split_at_mut_checked(start)?;
        let (nonce, tag) = (&nonce.into(), &tag.into());
        if self.is_plain {
            // All of it is authenticated, and none encrypted (§9.1).
            let all = [&*head, &*payload].concat();
            self.gcm(nonce, &all, &mut [], tag)?;
        } else {
            self.gcm(nonce, head, payload, tag)?;
        }
        Some(packet)
    }

    fn gcm(
        &self,
        nonce: &aes_gcm::Nonce<aes_gcm::aead::consts::U12>,
        head: &[u8],
        payload: &mut [u8],
        tag: &aes_gcm::Tag,
    ) -> Option<()> {
        match self.key.len() {
            16 => {
                let cipher = Aes128Gcm::new_from_slice(&self.key).ok()?;
                cipher.decrypt_inout_detached(nonce, head, payload.into(), tag).ok()
            }
            _ => {
                let cipher = Aes256Gcm::new_from_slice(&self.key).ok()?;
                cipher.decrypt_inout_detached(nonce, head, payload.into(), tag).ok()
            }
        }
    }
}

/// §4.3.1, §4.3.3; of a salt of 12 bytes the last two are 0 (RFC 7714 §11).
fn derive(master: &Master, label: u8, out: &mut [u8]) -> Option<()> {
    let mut counter = [0; 16];
    xor(&mut counter, &master.salt);
    counter[7] ^= label;
    out.fill(0);
    encrypt(&master.key, counter, out)
}

/// AES in counter mode, by the key's length.
fn encrypt(key: &[u8], counter: [u8; 16], bytes: &mut [u8]) -> Option<()> {
    match key.len() {
        16 => Ctr128BE::<Aes128>::new_from_slices(key, &counter).ok()?.apply_keystream(bytes),
        24 => Ctr128BE::<Aes192>::new_from_slices(key, &counter).ok()?.apply_keystream(bytes),
        _ => Ctr128BE::<Aes256>::new_from_slices(key, &counter).ok()?.apply_keystream(bytes),
    }
    Some(())
}

/// The 48 bits that number a packet (§3.3.1).
fn index(roc: u32, sequence: u16) -> [u8; 6] {
    let ([a, b, c, d], [e, f]) = (roc.to_be_bytes(), sequence.to_be_bytes());
    [a, b, c, d, e, f]
}

fn xor(bytes: &mut [u8], with: &[u8]) {
    for (byte, with) in bytes.iter_mut().zip(with) {
        *byte ^= with;
    }
}

/// The last so many bytes, behind the others.
fn split_end(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    bytes.split_at_checked(bytes.len().checked_sub(length)?)
}

#[cfg(test)]
mod tests {
    use super::super::super::made::hex;
    use super::super::sdes::suite;
    use super::*;

    fn session(name: &str, key: &str, salt: &str) -> Session {
        let (key, salt) = (hex(key).into(), hex(salt).into());
        Session::new(&Master { suite: suite(name).unwrap(), key, salt, mki: 0, is_plain: false })
            .unwrap()
    }

    /// RFC 3711 §B.3, RFC 6188 §7.2 and §7.1: master key and salt; key, salt and authentication key.
    const DERIVED: [[&str; 6]; 3] = [
        [
            "AES_CM_128_HMAC_SHA1_80",
            "e1f97a0d3e018be0d64fa32c06de4139",
            "0ec675ad498afeebb6960b3aabe6",
            "c61e7a93744f39ee10734afe3ff7a087",
            "30cbbc08863d8c85d49db34a9ae1",
            "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
        ],
        [
            "AES_192_CM_HMAC_SHA1_80",
            "73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1",
            "c8522f3acd4ce86d5add78edbb11",
            "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
            "2372b82d639b6d8503a47adc0a6c",
            "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
        ],
        [
            "AES_256_CM_HMAC_SHA1_80",
            "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
            "3b04803de51ee7c96423ab5b78d2",
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        ],
    ];

    #[test]
    fn keys_are_derived_as_in_the_rfcs() {
        for [name, key, salt, derived, derived_salt, authentication] in DERIVED {
            let session = session(name, key, salt);
            assert_eq!(session.key, hex(derived), "{name}");
            assert_eq!(session.salt[..], hex(derived_salt), "{name}");
            assert_eq!(session.authentication[..], hex(authentication), "{name}");
        }
    }

    /// RFC 3711 §B.2.
    #[test]
    fn the_key_stream_is_that_of_the_rfc() {
        let mut bytes = [0; 48];
        let counter: [u8; 16] = hex("f0f1f2f3f4f5f6f7f8f9fafbfcfd0000").try_into().unwrap();
        encrypt(&hex("2b7e151628aed2a6abf7158809cf4f3c"), counter, &mut bytes).unwrap();
        let expected = "e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab\
                        41e95b3bb0a2e8dd477901e4fca894c0";
        assert_eq!(bytes[..], hex(expected));
    }

    /// RFC 7714 §16.1.1, whose key and salt are the packets' own.
    #[test]
    fn a_packet_of_aes_gcm_is_opened_as_in_the_rfc() {
        let mut session = session("AEAD_AES_128_GCM", &"00".repeat(16), &"00".repeat(12));
        session.key = hex("000102030405060708090a0b0c0d0e0f");
        session.salt[..12].copy_from_slice(b"Quid pro quo");
        let packet = hex(
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b\
             36de3adf8833899d7f27beb16a9152cf765ee4390cce",
        );
        let plain = session.open(0, &packet).unwrap();
        assert_eq!(&plain[12..], b"Gallia est omnis divisa in partes tres");
        assert_eq!(plain[..12], packet[..12]);
        assert!(session.open(1, &packet).is_none());
        for byte in 0..packet.len() {
            let mut altered = packet.clone();
            altered[byte] ^= 1;
            assert!(session.open(0, &altered).is_none(), "byte {byte}");
        }
    }

    #[test]
    fn what_is_authenticated_and_not_encrypted_is_opened_too() {
        for (name, tag) in [("AES_CM_128_HMAC_SHA1_32", 4), ("AEAD_AES_128_GCM", 16)] {
            let mut session = session(name, DERIVED[0][1], &DERIVED[0][2][..28]);
            (session.mki, session.is_plain) = (2, true);
            let mut packet = hex("800000010000000000000009cafe");
            if tag == 4 {
                let mut mac = Hmac::<Sha1>::new_from_slice(&session.authentication).unwrap();
                mac.update(&packet);
                mac.update(&[0; 4]);
                packet.extend([1, 2]);
                packet.extend(&mac.finalize().into_bytes()[..4]);
            } else {
                let mut nonce = [0; 12];
                xor(&mut nonce, &session.salt[..12]);
                nonce[5] ^= 9;
                nonce[11] ^= 1;
                let cipher = Aes128Gcm::new_from_slice(&session.key).unwrap();
                let tag =
                    cipher.encrypt_inout_detached(&nonce.into(), &packet, (&mut [][..]).into());
                packet.extend(tag.unwrap());
                packet.extend([1, 2]);
            }
            let plain = session.open(0, &packet);
            assert_eq!(plain, Some(hex("800000010000000000000009cafe")), "{name}");
            *packet.first_mut().unwrap() ^= 0x20;
            assert_eq!(session.open(0, &packet), None, "{name}");
        }
    }
}

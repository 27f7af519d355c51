//! How a description announces keys for its media, by attributes and by profile.

use crate::media::Keying;

/// What the attributes of one level, the session's or a media description's, say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys {
    crypto: bool,
    mikey: bool,
    fingerprint: bool,
    zrtp: bool,
}

impl Keys {
    /// Reads an attribute; says whether it is about keys.
    pub(super) fn attribute(&mut self, name: &[u8], value: &[u8]) -> bool {
        match name {
            b"crypto" => self.crypto = true,
            b"key-mgmt" => {
                let protocol = value.trim_ascii_start().get(..5).unwrap_or_default();
                self.mikey |= protocol.eq_ignore_ascii_case(b"mikey");
            }
            b"fingerprint" => self.fingerprint = true,
            b"zrtp-hash" => self.zrtp = true,
            _ => return false,
        }
        true
    }

    /// The keying of RTP over `transport`, the session's attributes being `self`'s ground.
    ///
    /// A profile over DTLS (RFC 5764 §8) says it by itself; of several offers of keys under another
    /// profile the one in the description itself comes first, as it is the one that needs no
    /// further step.
    pub(super) fn keying(self, session: Self, transport: &[u8]) -> Keying {
        let has = |part: &[u8]| {
            transport.windows(part.len()).any(|found| found.eq_ignore_ascii_case(part))
        };
        let secure = has(b"SAVP");
        if has(b"TLS/") && secure {
            Keying::Dtls
        } else if self.crypto || session.crypto {
            Keying::Sdes
        } else if self.fingerprint || session.fingerprint {
            Keying::Dtls
        } else if self.mikey || session.mikey {
            Keying::Mikey
        } else if self.zrtp || session.zrtp {
            Keying::Zrtp
        } else if secure {
            Keying::Unstated
        } else {
            Keying::None
        }
    }
}

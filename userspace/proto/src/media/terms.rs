//! What session descriptions say of one media endpoint, beside where it is.

use alloc::boxed::Box;

use crate::rtp::PayloadClocks;

/// On what terms media is received at an endpoint.
///
/// Several `m=` lines may name one endpoint (RFC 9143), and so may several descriptions of one
/// party: their terms are merged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaTerms {
    /// Clock rates of the payload types announced for it.
    pub clocks: PayloadClocks,
    /// How its media is to be encrypted.
    pub keying: Keying,
    /// The receiving party's ICE user name fragment (RFC 8839 §5.4).
    pub ufrag: Option<Box<[u8]>>,
}

/// How keys for SRTP are agreed upon, as the description announces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Keying {
    /// Nothing is said, so media is in the clear.
    #[default]
    None,
    /// In the description itself: `a=crypto` (RFC 4568).
    Sdes,
    /// In the description itself: `a=key-mgmt:mikey` (RFC 4567).
    Mikey,
    /// By a DTLS handshake on the media path: `a=fingerprint` (RFC 5763).
    Dtls,
    /// By ZRTP on the media path: `a=zrtp-hash` (RFC 6189 §8).
    Zrtp,
    /// The profile is SRTP's (RFC 3711 §12), and nothing says whence the keys are.
    Unstated,
}

impl MediaTerms {
    /// Takes over what another description of the same endpoint says.
    pub fn merge(&mut self, other: &Self) {
        self.clocks.merge(&other.clocks);
        if self.keying == Keying::None {
            self.keying = other.keying;
        }
        if self.ufrag.is_none() {
            self.ufrag.clone_from(&other.ufrag);
        }
    }
}

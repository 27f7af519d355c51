//! STUN messages (RFC 8489) and what TURN adds to them (RFC 8656).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A STUN message; attributes are read where they are asked for.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0 0|     STUN Message Type     |         Message Length        |
/// |                         Magic Cookie                          |
/// |                     Transaction ID (96 bits)                  |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Request, indication or response.
    pub class: Class,
    /// Method, 12 bits: 1 is Binding.
    pub method: u16,
    /// Magic cookie and transaction ID, with which addresses are masked.
    mask: [u8; 16],
    attributes: &'a [u8],
}

/// Class of a message (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// It asks for a response.
    Request,
    /// It does not.
    Indication,
    /// What was asked for was done.
    Success,
    /// It was not.
    Error,
}

const MAGIC_COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const HEADER: usize = 20;

/// RFC 8489 §18.3, RFC 8656 §18, RFC 8445 §16.1.
const MAPPED_ADDRESS: u16 = 0x0001;
const USERNAME: u16 = 0x0006;
const XOR_PEER_ADDRESS: u16 = 0x0012;
const XOR_RELAYED_ADDRESS: u16 = 0x0016;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const USE_CANDIDATE: u16 = 0x0025;
const SOFTWARE: u16 = 0x8022;

impl<'a> Message<'a> {
    /// The message that a datagram is, with its magic cookie; RFC 3489 had none.
    #[must_use]
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        Self::first(datagram).filter(|it| it.attributes.len() + HEADER == datagram.len())
    }

    /// The first message of a stream's bytes.
    #[must_use]
    pub fn first(stream: &'a [u8]) -> Option<Self> {
        let (header, rest) = stream.split_first_chunk::<HEADER>()?;
        let [t0, t1, l0, l1, mask @ ..] = *header;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if t0 & 0xc0 != 0 || !mask.starts_with(&MAGIC_COOKIE) || length % 4 != 0 {
            return None;
        }
        let class = match (t0 & 1, t1 & 0x10) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            _ => Class::Error,
        };
        // The two bits of the class stand within the method's.
        let [upper, lower] = [u16::from(t0), u16::from(t1)];
        let method = (upper & 0x3e) << 6 | (lower & 0xe0) >> 1 | lower & 0x0f;
        Some(Self { class, method, mask, attributes: rest.get(..length)? })
    }

    /// Type and value of each attribute; whatever does not fit ends the list.
    pub fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> + use<'a> {
        let mut rest = self.attributes;
        core::iter::from_fn(move || {
            let (&[t0, t1, l0, l1], after) = rest.split_first_chunk()?;
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            let value = after.get(..length)?;
            rest = after.get(length.next_multiple_of(4)..).unwrap_or_default();
            Some((u16::from_be_bytes([t0, t1]), value))
        })
    }

    /// User name: in ICE the two parties' fragments, the receiver's first (RFC 8445 §7.2.2).
    #[must_use]
    pub fn username(&self) -> Option<&'a [u8]> {
        self.attribute(USERNAME)
    }

    /// What program sent it.
    #[must_use]
    pub fn software(&self) -> Option<&'a [u8]> {
        self.attribute(SOFTWARE)
    }

    /// Whether the sender nominates this pair of candidates (RFC 8445 §7.1.2).
    #[must_use]
    pub fn uses_candidate(&self) -> bool {
        self.attribute(USE_CANDIDATE).is_some()
    }

    /// Where the server saw the client's request come from.
    #[must_use]
    pub fn mapped(&self) -> Option<SocketAddr> {
        let plain = || address(self.attribute(MAPPED_ADDRESS)?, [0; 16]);
        self.masked(XOR_MAPPED_ADDRESS).next().or_else(plain)
    }

    /// The address that the server lends the client (RFC 8656 §7.2).
    #[must_use]
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.masked(XOR_RELAYED_ADDRESS).next()
    }

    /// With whom the client speaks through the server (RFC 8656 §10, §11, §12).
    pub fn peers(&self) -> impl Iterator<Item = SocketAddr> + use<'a> {
        self.masked(XOR_PEER_ADDRESS)
    }

    /// Whether its method is one of TURN's (RFC 8656 §17, RFC 6062 §6.1).
    #[must_use]
    pub fn is_turn(&self) -> bool {
        matches!(self.method, 3 | 4 | 6..=12)
    }

    fn attribute(&self, wanted: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(kind, _)| *kind == wanted).map(|(_, value)| value)
    }

    fn masked(&self, wanted: u16) -> impl Iterator<Item = SocketAddr> + use<'a> {
        let mask = self.mask;
        let found = self.attributes().filter(move |(kind, _)| *kind == wanted);
        found.filter_map(move |(_, value)| address(value, mask))
    }
}

/// RFC 8489 §14.1 and, masked, §14.2.
fn address(value: &[u8], mask: [u8; 16]) -> Option<SocketAddr> {
    let (&[_, family, p0, p1], address) = value.split_first_chunk()?;
    let [m0, m1, ..] = mask;
    let port = u16::from_be_bytes([p0 ^ m0, p1 ^ m1]);
    let mut octets = [0; 16];
    octets.iter_mut().zip(address).zip(mask).for_each(|((to, from), mask)| *to = from ^ mask);
    let ip: IpAddr = match (family, address.len()) {
        (1, 4) => Ipv4Addr::from(*octets.first_chunk::<4>()?).into(),
        (2, 16) => Ipv6Addr::from(octets).into(),
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// Number and data of a TURN channel message (RFC 8656 §12.4); only where a channel is known to be
/// bound, as there is no magic cookie in it.
#[must_use]
pub fn channel_data(datagram: &[u8]) -> Option<(u16, &[u8])> {
    let (&[c0, c1, l0, l1], rest) = datagram.split_first_chunk()?;
    let length = usize::from(u16::from_be_bytes([l0, l1]));
    // It may be padded to four bytes.
    let is_whole = rest.len() >= length && rest.len() <= length.next_multiple_of(4);
    (c0 >> 4 == 4 && is_whole).then_some((u16::from_be_bytes([c0, c1]), rest.get(..length)?))
}

#[cfg(test)]
mod tests;

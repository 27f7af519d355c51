//! The one header walk, from the link layer to the transport ports, for the kernel and user space.
//!
//! Ethernet with up to two VLAN tags (IEEE 802.1Q, 802.1ad), IPv4 with options (RFC 791), IPv6 with
//! up to four extension headers (RFC 8200), fragments of both, and the ports of UDP, TCP and
//! SCTP: that is most frames, and [`walk_ethernet`] walks them at once.
//! More tags, labels and tunnels are walked level by level ([`walk_level`]).
//!
//! Nothing is copied but addresses, and every read is checked: bad input stops the walk, with the
//! offset of what is wrong.

use crate::abi::{Address, FragmentKey};

mod level;
mod network;
mod tunnel;
mod walked;

pub use level::{Cursor, Layer, Level, walk_level, walk_levels};
use tunnel::may_be_tunnel;
pub use walked::Walked;

/// Bounds-checked reads of a frame, big-endian as the wire has them.
///
/// No read is shorter than two bytes: the verifier learns nothing from a one-byte check.
pub trait Bytes {
    /// Bytes in the frame.
    fn length(&self) -> usize;

    /// The 16-bit number at `offset`, or `None` if it does not lie within the frame.
    fn u16(&self, offset: usize) -> Option<u16>;

    /// The 32-bit number at `offset`, or `None` if it does not lie within the frame.
    fn u32(&self, offset: usize) -> Option<u32>;

    /// The IPv4 address at `offset`, mapped, or `None` if it does not lie within the frame.
    fn ipv4(&self, offset: usize) -> Option<Address>;

    /// The IPv6 address at `offset`, or `None` if it does not lie within the frame.
    fn ipv6(&self, offset: usize) -> Option<Address>;
}

impl Bytes for [u8] {
    fn length(&self) -> usize {
        self.len()
    }

    fn u16(&self, offset: usize) -> Option<u16> {
        self.get(offset..)?.first_chunk().copied().map(u16::from_be_bytes)
    }

    fn u32(&self, offset: usize) -> Option<u32> {
        self.get(offset..)?.first_chunk().copied().map(u32::from_be_bytes)
    }

    fn ipv4(&self, offset: usize) -> Option<Address> {
        self.get(offset..)?.first_chunk().copied().map(Address::from_ipv4)
    }

    fn ipv6(&self, offset: usize) -> Option<Address> {
        self.get(offset..)?.first_chunk().copied().map(Address)
    }
}

/// An IP packet in a frame.
///
/// Offsets count from the frame's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// The transport protocol, after any extension headers.
    pub protocol: u8,
    /// Where the IP header starts.
    pub network_offset: usize,
    /// Where the transport header starts, or in a later fragment, the fragment's data.
    pub transport_offset: usize,
    /// Where the IP datagram ends by its own length field, or where the frame ends if that is
    /// sooner; link padding lies beyond it.
    pub end: usize,
    /// Whether it is a whole datagram.
    pub fragment: Fragment,
    /// The ports of UDP, TCP and SCTP; `None` for other protocols, for later fragments, and for a first
    /// fragment too short to hold them.
    pub ports: Option<Ports>,
    /// The number of the innermost tunnel around it: VNI, TEID, GRE key or ERSPAN session; 0 where
    /// there is none.
    pub tunnel: u32,
    /// The datagram of which a first fragment holds all of this, in a tunnel that was fragmented.
    pub outer: Option<FragmentKey>,
}

impl Packet {
    /// The key of the outermost datagram that it is a fragment of, or lies in one of; `None` for a
    /// whole datagram.
    #[inline(always)]
    #[must_use]
    pub fn fragment_key(&self) -> Option<FragmentKey> {
        if self.outer.is_some() {
            return self.outer;
        }
        let (Fragment::First { identification } | Fragment::Later { identification, .. }) =
            self.fragment
        else {
            return None;
        };
        // RFC 8200 §4.5: the next header of later fragments may differ from the first's.
        let protocol = if self.source.is_ipv4() { u32::from(self.protocol) } else { 0 };
        Some(FragmentKey {
            source: self.source,
            destination: self.destination,
            identification,
            protocol,
            tunnel: self.tunnel,
        })
    }
}

/// Which part of a datagram a packet carries (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fragment {
    /// All of it.
    Whole,
    /// Its beginning.
    First {
        /// The identification field, host order.
        identification: u32,
    },
    /// What follows its beginning.
    Later {
        /// The identification field, host order.
        identification: u32,
        /// Where its data belongs in the datagram, in bytes.
        offset: u16,
        /// Whether further fragments follow it.
        more: bool,
    },
}

/// The ports of UDP, TCP or SCTP, in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
}

/// Why the walk stopped short of an IP packet; the number is the offset of what is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something other than IP: whoever sent it, it is no telephone call.
    NotIp,
    /// The frame ends within a header.
    Cut(usize),
    /// A header contradicts itself.
    Malformed(usize),
    /// More tags, labels, extension headers or tunnels than are followed.
    TooDeep(usize),
    /// There is more to the frame than this walk follows: it is to be walked level by level.
    Layered,
}

/// The protocol number of TCP.
pub const TCP: u8 = 6;

/// The protocol number of SCTP.
pub const SCTP: u8 = 132;

/// The protocol number of UDP.
pub const UDP: u8 = 17;

/// Where the EtherType lies in an Ethernet frame.
const ETHERTYPE_OFFSET: usize = 12;

/// Walks an Ethernet frame from its destination address (IEEE 802.3) to its transport ports, where
/// it is as plain as most are.
///
/// # Errors
///
/// Why there is no IP packet to judge, or [`Stop::Layered`].
#[inline(always)]
pub fn walk_ethernet<B: Bytes + ?Sized>(frame: &B) -> Result<Packet, Stop> {
    let mut offset = ETHERTYPE_OFFSET;
    let mut ethertype = frame.u16(offset).ok_or(Stop::Cut(offset))?;
    for _ in 0..MAX_VLAN_TAGS {
        if !is_vlan(ethertype) {
            break;
        }
        // A tag is two bytes of control ahead of the next type.
        offset += 4;
        ethertype = frame.u16(offset).ok_or(Stop::Cut(offset))?;
    }
    let packet = match ethertype {
        0x0800 => network::walk_ipv4(frame, offset + 2)?,
        0x86dd => network::walk_ipv6(frame, offset + 2)?,
        // ARP, and frames of IEEE 802.3 that have a length here.
        0x0806 | 0..0x0600 => return Err(Stop::NotIp),
        _ => return Err(Stop::Layered),
    };
    if may_be_tunnel(&packet) { Err(Stop::Layered) } else { Ok(packet) }
}

/// VLAN tags followed at once.
const MAX_VLAN_TAGS: usize = 2;

/// IEEE 802.1Q (customer) and 802.1ad (service) tags, and the two numbers in use before the latter.
#[inline(always)]
const fn is_vlan(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200)
}

#[cfg(test)]
mod tests;

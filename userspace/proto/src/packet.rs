//! A captured frame seen as an IP packet: who sent it, to whom, and what it carries.

use core::net::{IpAddr, SocketAddr};

use thiserror::Error;

/// How the frames of a capture begin: the link types of the pcap registry that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LinkType {
    /// `LINKTYPE_NULL`: a protocol family in the byte order of the capturing host.
    Null,
    /// `LINKTYPE_ETHERNET`.
    Ethernet,
    /// `LINKTYPE_RAW` and its two older numbers: an IP packet of the version it says itself.
    Raw,
    /// `LINKTYPE_LOOP`: a protocol family in network byte order.
    Loop,
    /// `LINKTYPE_LINUX_SLL`: Linux cooked capture, version 1.
    LinuxSll,
    /// `LINKTYPE_IPV4`.
    Ipv4,
    /// `LINKTYPE_IPV6`.
    Ipv6,
    /// `LINKTYPE_LINUX_SLL2`: Linux cooked capture, version 2.
    LinuxSll2,
}

impl LinkType {
    /// The link type of this number in the pcap registry, where it is understood.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            12 | 14 | 101 => Self::Raw,
            108 => Self::Loop,
            113 => Self::LinuxSll,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }

    /// Its number in the pcap registry.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Raw => 101,
            Self::Loop => 108,
            Self::LinuxSll => 113,
            Self::Ipv4 => 228,
            Self::Ipv6 => 229,
            Self::LinuxSll2 => 276,
        }
    }
}

/// An IP packet, borrowed from its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// What it carries.
    pub body: Body<'a>,
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A whole UDP datagram.
    Udp(Datagram<'a>),
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// A part of a datagram; also the first part, whose ports are in its payload.
    Fragment(Fragment<'a>),
    /// Another protocol.
    Other {
        /// Protocol number of the IANA registry.
        protocol: u8,
        /// Bytes behind the IP header.
        payload: &'a [u8],
    },
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Payload, as far as it was captured.
    pub payload: &'a [u8],
}

/// A TCP segment (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Sequence number of the first payload byte (of the SYN, where there is one).
    pub sequence: u32,
    /// SYN: the first payload byte is `sequence + 1`.
    pub syn: bool,
    /// FIN or RST: nothing new follows.
    pub last: bool,
    /// Payload, as far as it was captured.
    pub payload: &'a [u8],
}

/// A fragment (RFC 791 §3.2, RFC 8200 §4.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Protocol of the whole datagram; in IPv6 the fragment header's Next Header.
    pub protocol: u8,
    /// Offset of `payload` in the whole datagram's payload, in bytes.
    pub offset: u16,
    /// Whether more fragments follow behind this one.
    pub more: bool,
    /// This part of the whole datagram's payload.
    pub payload: &'a [u8],
}

/// Why a frame is no IP packet that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It carries no IP: ARP, LLDP, a tunnel that is not understood.
    #[error("no IP packet")]
    NotIp,
    /// A header is cut off, or says lengths that cannot be.
    #[error("malformed header at offset {at}")]
    Header {
        /// Offset of the header in the frame.
        at: usize,
    },
}

/// Reads a frame down to UDP, TCP or a fragment, without copying.
///
/// # Errors
///
/// [`Malformed`] where no IP packet can be found; the frame is then none that a warrant could
/// name.
pub fn parse(_link: LinkType, _frame: &[u8]) -> Result<Packet<'_>, Malformed> {
    Err(Malformed::NotIp)
}

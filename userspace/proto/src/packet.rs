//! A captured frame seen as an IP packet: who sent it, to whom, and what it carries.

use core::net::{IpAddr, SocketAddr};

use calltap_ebpf::headers::{self, Cursor, Layer, Stop};
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
    /// The number of the innermost tunnel around it, 0 where there is none or it has none.
    pub tunnel: u32,
    /// What it carries.
    pub body: Body<'a>,
}

impl Packet<'_> {
    /// Sender and receiver; the port is 0 where the packet bears none.
    #[must_use]
    pub fn endpoints(&self) -> (SocketAddr, SocketAddr) {
        match self.body {
            Body::Udp(Datagram { source, destination, .. })
            | Body::Tcp(Segment { source, destination, .. })
            | Body::Sctp(Chunks { source, destination, .. }) => (source, destination),
            Body::Fragment(_) | Body::Other { .. } => {
                (SocketAddr::new(self.source, 0), SocketAddr::new(self.destination, 0))
            }
        }
    }
}

/// What an IP packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body<'a> {
    /// A whole UDP datagram.
    Udp(Datagram<'a>),
    /// A TCP segment.
    Tcp(Segment<'a>),
    /// An SCTP packet.
    Sctp(Chunks<'a>),
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

/// An SCTP packet (RFC 9260 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunks<'a> {
    /// Sender.
    pub source: SocketAddr,
    /// Receiver.
    pub destination: SocketAddr,
    /// Its chunks, as far as they were captured.
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

/// Why a frame is no IP packet that can be read; offsets count from the frame's first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Malformed {
    /// It carries no IP: ARP, LLDP, a link layer that is not understood.
    #[error("no IP packet")]
    NotIp,
    /// A header is cut off, or says lengths that cannot be.
    #[error("malformed header at offset {at}")]
    Header {
        /// Offset of the header.
        at: usize,
    },
    /// More tags, labels, extension headers or tunnels than are followed.
    #[error("too many nested headers at offset {at}")]
    TooDeep {
        /// Offset of the first one not followed.
        at: usize,
    },
}

/// Reads a frame down to UDP, TCP or a fragment, without copying.
///
/// # Errors
///
/// [`Malformed`] where no IP packet can be read; the frame is then none that a warrant could name.
pub fn parse(link: LinkType, frame: &[u8]) -> Result<Packet<'_>, Malformed> {
    if link == LinkType::Ethernet {
        // Most frames end here, and what is found of them is in no memory in between.
        match headers::walk_ethernet(frame) {
            Ok(walk) => return of_walk(frame, &walk),
            Err(Stop::Layered) => {}
            Err(stop) => return Err(malformed(stop)),
        }
    }
    // A fragment is taken as it is: what it is a part of must be put together first.
    let enough = |packet: &headers::Packet| packet.fragment != headers::Fragment::Whole;
    let begin = beginning(link, frame).map_err(malformed)?;
    match headers::walk_levels(frame, begin, enough) {
        Ok(walk) => of_walk(frame, &walk),
        Err(stop) => Err(malformed(stop)),
    }
}

#[inline(always)]
fn of_walk<'a>(frame: &'a [u8], walk: &headers::Packet) -> Result<Packet<'a>, Malformed> {
    let (source, destination) = (walk.source.into(), walk.destination.into());
    match body(frame, walk, source, destination) {
        Some(body) => Ok(Packet { source, destination, tunnel: walk.tunnel, body }),
        None => Err(Malformed::Header { at: walk.transport_offset }),
    }
}

/// Reads a frame whose headers were walked by [`walk`]; they are walked again only where the walk
/// went on behind a fragment.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_walked<'a>(
    link: LinkType,
    frame: &'a [u8],
    walked: &Result<headers::Packet, Stop>,
) -> Result<Packet<'a>, Malformed> {
    match walked {
        Ok(walk) if walk.fragment == headers::Fragment::Whole && walk.outer.is_none() => {
            of_walk(frame, walk)
        }
        _ => parse(link, frame),
    }
}

/// Walks a frame's headers as the kernel filter does, for a verdict on the host.
///
/// # Errors
///
/// Why there is no IP packet to judge.
pub fn walk(link: LinkType, frame: &[u8]) -> Result<headers::Packet, Stop> {
    if link == LinkType::Ethernet {
        match headers::walk_ethernet(frame) {
            Err(Stop::Layered) => {}
            walked => return walked,
        }
    }
    headers::walk_levels(frame, beginning(link, frame)?, |_| false)
}

/// Where the walk of a frame begins.
fn beginning(link: LinkType, frame: &[u8]) -> Result<Cursor, Stop> {
    Ok(match link {
        LinkType::Ethernet => Cursor::ETHERNET,
        LinkType::LinuxSll => Cursor::link(14),
        // The protocol stands at the head, and what it says begins 20 bytes on.
        LinkType::LinuxSll2 => match frame.first_chunk() {
            Some([0x08, 0x00] | [0x86, 0xdd]) => Cursor::new(Layer::Network, 20),
            Some([0x81 | 0x91, 0x00] | [0x88, 0xa8]) => Cursor::link(22),
            Some([0x88, 0x47 | 0x48]) => Cursor::new(Layer::Labels, 20),
            _ => return Err(Stop::NotIp),
        },
        // The family has one number for IPv4 and many for IPv6; the IP version says it better.
        LinkType::Null | LinkType::Loop => Cursor::new(Layer::Network, 4),
        LinkType::Raw | LinkType::Ipv4 | LinkType::Ipv6 => Cursor::new(Layer::Network, 0),
    })
}

fn malformed(stop: Stop) -> Malformed {
    match stop {
        Stop::NotIp | Stop::Layered => Malformed::NotIp,
        Stop::Cut(at) | Stop::Malformed(at) => Malformed::Header { at },
        Stop::TooDeep(at) => Malformed::TooDeep { at },
    }
}

/// `None` where the transport header is cut or says lengths that cannot be.
#[inline(always)]
fn body<'a>(
    frame: &'a [u8],
    walk: &headers::Packet,
    source: IpAddr,
    destination: IpAddr,
) -> Option<Body<'a>> {
    let payload = frame.get(walk.transport_offset..walk.end)?;
    match walk.fragment {
        headers::Fragment::Whole => {}
        headers::Fragment::First { identification: id } => {
            let (protocol, payload) = fragmentable(frame, walk)?;
            return Some(Body::Fragment(Fragment { id, protocol, offset: 0, more: true, payload }));
        }
        headers::Fragment::Later { identification: id, offset, more } => {
            let protocol = walk.protocol;
            return Some(Body::Fragment(Fragment { id, protocol, offset, more, payload }));
        }
    }
    let Some(ports) = walk.ports else {
        return Some(Body::Other { protocol: walk.protocol, payload });
    };
    let source = SocketAddr::new(source, ports.source);
    let destination = SocketAddr::new(destination, ports.destination);
    match walk.protocol {
        headers::UDP => {
            udp(payload).map(|payload| Body::Udp(Datagram { source, destination, payload }))
        }
        headers::SCTP => {
            // Ports, verification tag and checksum stand ahead of the chunks.
            let payload = payload.get(12..)?;
            Some(Body::Sctp(Chunks { source, destination, payload }))
        }
        _ => tcp(source, destination, payload).map(Body::Tcp),
    }
}

/// Protocol and bytes of a first fragment's part of the datagram.
///
/// In IPv6 that part begins behind the fragment header, and may hold further extension headers
/// that the walk has passed (RFC 8200 §4.5).
fn fragmentable<'a>(frame: &'a [u8], walk: &headers::Packet) -> Option<(u8, &'a [u8])> {
    if walk.source.is_ipv4() {
        return Some((walk.protocol, frame.get(walk.transport_offset..walk.end)?));
    }
    let mut next = *frame.get(walk.network_offset + 6)?;
    let mut at = walk.network_offset + 40;
    loop {
        let (&[following, units], _) = frame.get(at..walk.end)?.split_first_chunk()?;
        if next == FRAGMENT_HEADER {
            return Some((following, frame.get(at + 8..walk.end)?));
        }
        next = following;
        at += (usize::from(units) + 1) * 8;
    }
}

/// IPv6 Next Header of a fragment header.
const FRAGMENT_HEADER: u8 = 44;

fn udp(bytes: &[u8]) -> Option<&[u8]> {
    let (header, rest) = bytes.split_first_chunk::<8>()?;
    let &[.., high, low, _, _] = header;
    match usize::from(u16::from_be_bytes([high, low])) {
        // RFC 2675 §4, and frames that segmentation offload has yet to cut.
        0 => Some(rest),
        length => Some(rest.get(..length.checked_sub(8)?).unwrap_or(rest)),
    }
}

fn tcp(source: SocketAddr, destination: SocketAddr, bytes: &[u8]) -> Option<Segment<'_>> {
    let &[_, _, _, _, s0, s1, s2, s3, _, _, _, _, words, flags, ..] = bytes.first_chunk::<20>()?;
    let header = usize::from(words >> 4) * 4;
    if header < 20 {
        return None;
    }
    Some(Segment {
        source,
        destination,
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        syn: flags & 0x02 != 0,
        last: flags & 0x05 != 0,
        payload: bytes.get(header..)?,
    })
}

#[cfg(test)]
mod tests;

//! The walk through frames that are more than Ethernet, IP and a transport: one level at a time.
//!
//! A level is what stands between two IP headers, and the second of them: tags and labels of the
//! link layer, an IP header, and where that carries a tunnel, the tunnel's header.
//! The kernel runs one level in one run of a program and calls the next by tail, so that the
//! verifier never sees more than one; the host loops.

use super::{
    Bytes, Fragment, Packet, Stop, is_vlan,
    network::walk_network,
    tunnel::{Inside, decapsulate},
};
use crate::abi::FragmentKey;

/// Where a level begins, and what is known from those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// What begins there.
    pub layer: Layer,
    /// Offset of it in the frame.
    pub at: u32,
    /// Levels before this one.
    pub depth: u32,
    /// The innermost tunnel's number: VNI, TEID, GRE key or ERSPAN session; 0 where it has none.
    pub tunnel: u32,
    /// The datagram whose first fragment holds all that follows.
    pub outer: Option<FragmentKey>,
}

/// What a level begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Layer {
    /// An EtherType (IEEE 802.3 §3.2.6).
    Link,
    /// A stack of MPLS labels (RFC 3032).
    Labels,
    /// An IP header.
    Network,
}

/// What a level leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// An IP packet that is no tunnel that is known.
    Packet(Packet),
    /// Another level.
    Deeper {
        /// The IP packet that is the tunnel, where it is one.
        packet: Option<Packet>,
        /// Where it goes on.
        cursor: Cursor,
    },
}

impl Cursor {
    /// The beginning of a frame whose EtherType lies at `at`.
    #[inline(always)]
    #[must_use]
    pub const fn link(at: u32) -> Self {
        Self::new(Layer::Link, at)
    }

    /// The beginning of a frame whose `layer` begins at `at`.
    #[inline(always)]
    #[must_use]
    pub const fn new(layer: Layer, at: u32) -> Self {
        Self { layer, at, depth: 0, tunnel: 0, outer: None }
    }

    /// The beginning of an Ethernet frame.
    pub const ETHERNET: Self = Self::link(12);
}

/// Tunnels within tunnels that are followed.
const MAX_DEPTH: u32 = 4;

/// Walks one level.
///
/// # Errors
///
/// Why there is no IP packet to judge.
#[inline(always)]
pub fn walk_level<B: Bytes + ?Sized>(frame: &B, cursor: &Cursor) -> Result<Level, Stop> {
    let at = cursor.at as usize;
    if cursor.depth > MAX_DEPTH {
        return Err(Stop::TooDeep(at));
    }
    let inside = match cursor.layer {
        Layer::Link => walk_link(frame, at)?,
        Layer::Labels => walk_labels(frame, at)?,
        Layer::Network => Inside { layer: Layer::Network, at, tunnel: 0 },
    };
    if !matches!(inside.layer, Layer::Network) {
        return Ok(Level::Deeper { packet: None, cursor: cursor.down(inside) });
    }
    let mut packet = walk_network(frame, inside.at)?;
    packet.tunnel = cursor.tunnel;
    packet.outer = cursor.outer;
    let Some(inside) = decapsulate(frame, &packet)? else { return Ok(Level::Packet(packet)) };
    let mut cursor = cursor.down(inside);
    cursor.tunnel = inside.tunnel;
    if matches!(packet.fragment, Fragment::First { .. }) && cursor.outer.is_none() {
        cursor.outer = packet.fragment_key();
    }
    Ok(Level::Deeper { packet: Some(packet), cursor })
}

/// Walks level by level to the innermost packet, or to the first that is `enough`.
///
/// # Errors
///
/// Why there is no IP packet to judge.
pub fn walk_levels<B: Bytes + ?Sized>(
    frame: &B,
    mut cursor: Cursor,
    enough: impl Fn(&Packet) -> bool,
) -> Result<Packet, Stop> {
    loop {
        match walk_level(frame, &cursor)? {
            Level::Packet(packet) => return Ok(packet),
            Level::Deeper { packet: Some(packet), .. } if enough(&packet) => return Ok(packet),
            Level::Deeper { cursor: next, .. } => cursor = next,
        }
    }
}

impl Cursor {
    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "an offset in a frame")]
    fn down(&self, inside: Inside) -> Self {
        Self { layer: inside.layer, at: inside.at as u32, depth: self.depth + 1, ..*self }
    }
}

/// Tags of one frame that are followed.
const MAX_TAGS: usize = 4;

/// Labels of one frame that are followed.
const MAX_LABELS: usize = 4;

/// VN-Tag (Cisco, 802.1BR).
const VN_TAG: u16 = 0x8926;
/// RFC 3032 §5, unicast and multicast.
const MPLS: [u16; 2] = [0x8847, 0x8848];
/// RFC 2516 §5.
const PPPOE_SESSION: u16 = 0x8864;

/// From an EtherType to what it leads to.
#[inline(always)]
fn walk_link<B: Bytes + ?Sized>(frame: &B, start: usize) -> Result<Inside, Stop> {
    let mut at = start;
    for _ in 0..=MAX_TAGS {
        match frame.u16(at).ok_or(Stop::Cut(at))? {
            0x0800 | 0x86dd => return Ok(Inside::new(Layer::Network, at + 2)),
            VN_TAG => at += 6,
            PPPOE_SESSION => return walk_pppoe(frame, at + 2),
            ethertype if is_vlan(ethertype) => at += 4,
            ethertype if ethertype == MPLS[0] || ethertype == MPLS[1] => {
                return Ok(Inside::new(Layer::Labels, at + 2));
            }
            _ => return Err(Stop::NotIp),
        }
    }
    Err(Stop::TooDeep(at))
}

/// RFC 2516 §4 and RFC 1661 §2: version and type 1, code 0 (session), then a PPP protocol number.
#[inline(always)]
fn walk_pppoe<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Inside, Stop> {
    if frame.u16(at).ok_or(Stop::Cut(at))? != 0x1100 {
        return Err(Stop::NotIp);
    }
    match frame.u16(at + 6).ok_or(Stop::Cut(at + 6))? {
        0x0021 | 0x0057 => Ok(Inside::new(Layer::Network, at + 8)),
        _ => Err(Stop::NotIp),
    }
}

/// RFC 3032 §2.1: labels up to the one with the bottom-of-stack bit; what follows says by its first
/// four bits whether it is IP or a control word (RFC 4385 §3) ahead of Ethernet.
#[inline(always)]
fn walk_labels<B: Bytes + ?Sized>(frame: &B, start: usize) -> Result<Inside, Stop> {
    let mut at = start;
    for _ in 0..MAX_LABELS {
        let label = frame.u32(at).ok_or(Stop::Cut(at))?;
        at += 4;
        if label & 0x100 != 0 {
            return match frame.u16(at).ok_or(Stop::Cut(at))? >> 12 {
                4 | 6 => Ok(Inside::new(Layer::Network, at)),
                0 => Ok(Inside::new(Layer::Link, at + 4 + 12)),
                _ => Err(Stop::NotIp),
            };
        }
    }
    Err(Stop::TooDeep(at))
}

//! Tunnels: what an IP packet carries that is a frame or a packet again.
//!
//! A header that does not fit its tunnel is no error: somebody uses the port for something else.

use super::{Bytes, Fragment, Packet, Stop, UDP, level::Layer};

/// What a tunnel's header leads to.
#[derive(Clone, Copy)]
pub(super) struct Inside {
    pub(super) layer: Layer,
    pub(super) at: usize,
    /// The tunnel's number.
    pub(super) tunnel: u32,
}

impl Inside {
    #[inline(always)]
    pub(super) const fn new(layer: Layer, at: usize) -> Self {
        Self { layer, at, tunnel: 0 }
    }

    /// An Ethernet frame begins at `at`: its EtherType comes behind two addresses.
    #[inline(always)]
    const fn ethernet(at: usize, tunnel: u32) -> Self {
        Self { layer: Layer::Link, at: at + 12, tunnel }
    }
}

/// IPv4 in IP (RFC 2003).
const IPIP: u8 = 4;
/// IPv6 in IP (RFC 4213 §3).
const IPV6: u8 = 41;
/// RFC 2784.
const GRE: u8 = 47;

/// RFC 7348 §5.
const VXLAN: u16 = 4789;
/// What Linux took for VXLAN before the port was assigned.
const VXLAN_LINUX: u16 = 8472;
/// RFC 8926 §3.3.
const GENEVE: u16 = 6081;
/// 3GPP TS 29.281 §4.4.2.
const GTP_U: u16 = 2152;
/// TaZmen Sniffer Protocol.
const TZSP: u16 = 37_008;

/// Whether a packet may be a tunnel, by its protocol and port alone.
#[inline(always)]
pub(super) fn may_be_tunnel(packet: &Packet) -> bool {
    match packet.protocol {
        UDP => packet.ports.is_some_and(|ports| {
            matches!(ports.destination, VXLAN | VXLAN_LINUX | GENEVE | GTP_U | TZSP)
        }),
        IPIP | IPV6 | GRE => !matches!(packet.fragment, Fragment::Later { .. }),
        _ => false,
    }
}

/// What the tunnel holds that a packet is, if it is one.
///
/// # Errors
///
/// The tunnel's header is cut off, or too long.
#[inline(always)]
pub(super) fn decapsulate<B: Bytes + ?Sized>(
    frame: &B,
    packet: &Packet,
) -> Result<Option<Inside>, Stop> {
    if matches!(packet.fragment, Fragment::Later { .. }) {
        return Ok(None);
    }
    let at = packet.transport_offset;
    match packet.protocol {
        IPIP | IPV6 => Ok(Some(Inside::new(Layer::Network, at))),
        GRE => gre(frame, at),
        UDP => match packet.ports {
            Some(ports) => match ports.destination {
                VXLAN | VXLAN_LINUX => vxlan(frame, at + 8),
                GENEVE => geneve(frame, at + 8),
                GTP_U => gtp_u(frame, at + 8),
                TZSP => tzsp(frame, at + 8),
                _ => Ok(None),
            },
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// RFC 2784 §2, RFC 2890 §2: checksum, key and sequence number are there as the flags say.
#[inline(always)]
fn gre<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Option<Inside>, Stop> {
    let flags = frame.u16(at).ok_or(Stop::Cut(at))?;
    let protocol = frame.u16(at + 2).ok_or(Stop::Cut(at + 2))?;
    // Source routes (RFC 1701) and PPTP (RFC 2637, version 1) are other things.
    if flags & 0x4007 != 0 {
        return Ok(None);
    }
    let mut next = at + 4;
    if flags & 0x8000 != 0 {
        next += 4;
    }
    let mut key = 0;
    if flags & 0x2000 != 0 {
        key = frame.u32(next).ok_or(Stop::Cut(next))?;
        next += 4;
    }
    let sequenced = flags & 0x1000 != 0;
    if sequenced {
        next += 4;
    }
    Ok(match protocol {
        0x0800 | 0x86dd => Some(Inside { layer: Layer::Network, at: next, tunnel: key }),
        0x8847 | 0x8848 => Some(Inside { layer: Layer::Labels, at: next, tunnel: key }),
        0x6558 => Some(Inside::ethernet(next, key)),
        // ERSPAN I has no header of its own, and GRE no sequence number there; II has both.
        0x88be if !sequenced => Some(Inside::ethernet(next, key)),
        0x88be => Some(Inside::ethernet(next + 8, erspan_session(frame, next)?)),
        0x22eb => erspan_iii(frame, next)?,
        _ => None,
    })
}

/// The lower ten bits of the second 16 (draft-foschiano-erspan §4.2, §4.3).
#[inline(always)]
fn erspan_session<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<u32, Stop> {
    Ok(u32::from(frame.u16(at + 2).ok_or(Stop::Cut(at + 2))? & 0x3ff))
}

/// draft-foschiano-erspan §4.3: twelve bytes, and eight more where the last bit says so; frame type
/// 0 is Ethernet, 2 is IP.
#[inline(always)]
fn erspan_iii<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Option<Inside>, Stop> {
    let tunnel = erspan_session(frame, at)?;
    let last = frame.u32(at + 8).ok_or(Stop::Cut(at + 8))?;
    let next = at + 12 + if last & 1 == 0 { 0 } else { 8 };
    Ok(match (last >> 10) & 0x1f {
        0 => Some(Inside::ethernet(next, tunnel)),
        2 => Some(Inside { layer: Layer::Network, at: next, tunnel }),
        _ => None,
    })
}

/// RFC 7348 §5: the I flag, and an Ethernet frame whatever the reserved bits are; unless these say
/// that it is a packet or something else (VXLAN-GPE, draft-ietf-nvo3-vxlan-gpe §3).
#[inline(always)]
fn vxlan<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Option<Inside>, Stop> {
    let first = frame.u32(at).ok_or(Stop::Cut(at))?;
    if first & 0x0800_0000 == 0 {
        return Ok(None);
    }
    let tunnel = frame.u32(at + 4).ok_or(Stop::Cut(at + 4))? >> 8;
    let protocol = if first & 0x0400_0000 == 0 { 0 } else { first & 0xff };
    Ok(match protocol {
        0 | 3 => Some(Inside::ethernet(at + 8, tunnel)),
        1 | 2 => Some(Inside { layer: Layer::Network, at: at + 8, tunnel }),
        _ => None,
    })
}

/// RFC 8926 §3.4: version 0, and options in words of four bytes.
#[inline(always)]
fn geneve<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Option<Inside>, Stop> {
    let first = frame.u16(at).ok_or(Stop::Cut(at))?;
    let protocol = frame.u16(at + 2).ok_or(Stop::Cut(at + 2))?;
    let vni = frame.u32(at + 4).ok_or(Stop::Cut(at + 4))? >> 8;
    if first >> 14 != 0 {
        return Ok(None);
    }
    let next = at + 8 + usize::from((first >> 8) & 0x3f) * 4;
    Ok(match protocol {
        0x6558 => Some(Inside::ethernet(next, vni)),
        0x0800 | 0x86dd => Some(Inside { layer: Layer::Network, at: next, tunnel: vni }),
        _ => None,
    })
}

/// Extension headers followed in one GTP-U packet.
const MAX_EXTENSIONS: usize = 4;

/// 3GPP TS 29.281 §5.1, §5.2: version 1 of GTP, a G-PDU, and extension headers in words of four
/// bytes, each with the type of the next at its end.
#[inline(always)]
fn gtp_u<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Option<Inside>, Stop> {
    let first = frame.u16(at).ok_or(Stop::Cut(at))?;
    if first & 0xf0ff != 0x30ff {
        return Ok(None);
    }
    let teid = frame.u32(at + 4).ok_or(Stop::Cut(at + 4))?;
    let mut next = at + 8;
    if first & 0x0700 != 0 {
        let mut kind = frame.u16(at + 10).ok_or(Stop::Cut(at + 10))? & 0xff;
        next = at + 12;
        if first & 0x0400 != 0 {
            for _ in 0..MAX_EXTENSIONS {
                if kind == 0 {
                    break;
                }
                let length = usize::from(frame.u16(next).ok_or(Stop::Cut(next))? >> 8) * 4;
                if length == 0 {
                    return Err(Stop::Malformed(next));
                }
                next += length;
                kind = frame.u16(next - 2).ok_or(Stop::Cut(next))? & 0xff;
            }
            if kind != 0 {
                return Err(Stop::TooDeep(next));
            }
        }
    }
    Ok(Some(Inside { layer: Layer::Network, at: next, tunnel: teid }))
}

/// Tags followed in one TZSP packet.
const MAX_TAGS: usize = 8;

/// TZSP: version 1, a packet received or to be sent, Ethernet; then tags up to the end tag.
#[inline(always)]
fn tzsp<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Option<Inside>, Stop> {
    let first = frame.u16(at).ok_or(Stop::Cut(at))?;
    let encapsulated = frame.u16(at + 2).ok_or(Stop::Cut(at + 2))?;
    if !matches!(first, 0x0100 | 0x0101) || encapsulated != 1 {
        return Ok(None);
    }
    let mut next = at + 4;
    for _ in 0..MAX_TAGS {
        let tag = frame.u16(next).ok_or(Stop::Cut(next))?;
        match tag >> 8 {
            0 => next += 1,
            1 => return Ok(Some(Inside::ethernet(next + 1, 0))),
            _ => next += 2 + usize::from(tag & 0xff),
        }
    }
    Err(Stop::TooDeep(next))
}

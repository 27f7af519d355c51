//! The network layer's part of the walk: IPv4 (RFC 791) and IPv6 (RFC 8200) up to the ports.

use super::{Bytes, Fragment, Packet, Ports, SCTP, Stop, TCP, UDP};

/// Extension headers followed in one IPv6 packet.
const MAX_EXTENSIONS: usize = 4;

/// Walks from an IP header at `offset`, of whichever version it says it is.
///
/// # Errors
///
/// Why there is no IP packet to judge.
#[inline(always)]
pub(super) fn walk_network<B: Bytes + ?Sized>(frame: &B, offset: usize) -> Result<Packet, Stop> {
    match frame.u16(offset).ok_or(Stop::Cut(offset))? >> 12 {
        4 => walk_ipv4(frame, offset),
        6 => walk_ipv6(frame, offset),
        _ => Err(Stop::NotIp),
    }
}

/// RFC 791 §3.1.
#[inline(always)]
pub(super) fn walk_ipv4<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Packet, Stop> {
    let version_and_length = frame.u16(at).ok_or(Stop::Cut(at))? >> 8;
    let header = usize::from(version_and_length & 0x0f) * 4;
    if version_and_length >> 4 != 4 || header < 20 {
        return Err(Stop::Malformed(at));
    }
    let destination = frame.ipv4(at + 16).ok_or(Stop::Cut(at + 16))?;
    let source = frame.ipv4(at + 12).ok_or(Stop::Cut(at + 12))?;
    let total = usize::from(frame.u16(at + 2).ok_or(Stop::Cut(at + 2))?);
    let identification = u32::from(frame.u16(at + 4).ok_or(Stop::Cut(at + 4))?);
    let flags_and_offset = frame.u16(at + 6).ok_or(Stop::Cut(at + 6))?;
    let protocol = low_byte(frame.u16(at + 8).ok_or(Stop::Cut(at + 8))?);

    let end = match total {
        // A frame that segmentation offload has yet to cut carries no length.
        0 => frame.length(),
        total if total < header => return Err(Stop::Malformed(at + 2)),
        total => frame.length().min(at + total),
    };
    let offset = (flags_and_offset & 0x1fff) << 3;
    let more = flags_and_offset & 0x2000 != 0;
    let fragment = match (offset, more) {
        (0, false) => Fragment::Whole,
        (0, true) => Fragment::First { identification },
        _ => Fragment::Later { identification, offset, more },
    };
    let transport = at + header;
    let ports = walk_ports(frame, transport, end, protocol, fragment)?;
    Ok(Packet {
        source,
        destination,
        protocol,
        network_offset: at,
        transport_offset: transport,
        end,
        fragment,
        ports,
        tunnel: 0,
        outer: None,
    })
}

/// RFC 8200 §3 and §4.
#[inline(always)]
pub(super) fn walk_ipv6<B: Bytes + ?Sized>(frame: &B, at: usize) -> Result<Packet, Stop> {
    if frame.u16(at).ok_or(Stop::Cut(at))? >> 12 != 6 {
        return Err(Stop::Malformed(at));
    }
    let destination = frame.ipv6(at + 24).ok_or(Stop::Cut(at + 24))?;
    let source = frame.ipv6(at + 8).ok_or(Stop::Cut(at + 8))?;
    let payload = usize::from(frame.u16(at + 4).ok_or(Stop::Cut(at + 4))?);
    let mut protocol = high_byte(frame.u16(at + 6).ok_or(Stop::Cut(at + 6))?);

    let end = match payload {
        // RFC 2675 §3: a jumbogram carries its length in a hop-by-hop option.
        0 => frame.length(),
        payload => frame.length().min(at + 40 + payload),
    };
    let mut transport = at + 40;
    let mut fragment = Fragment::Whole;
    for _ in 0..MAX_EXTENSIONS {
        let units = match protocol {
            HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | MOBILITY | AUTHENTICATION | FRAGMENT => {
                frame.u16(transport).ok_or(Stop::Cut(transport))?
            }
            _ => break,
        };
        let this = protocol;
        protocol = high_byte(units);
        let units = usize::from(low_byte(units));
        match this {
            FRAGMENT => {
                let offset_and_more = frame.u16(transport + 2).ok_or(Stop::Cut(transport + 2))?;
                let identification = frame.u32(transport + 4).ok_or(Stop::Cut(transport + 4))?;
                transport += 8;
                let offset = offset_and_more & 0xfff8;
                let more = offset_and_more & 1 != 0;
                fragment = match (offset, more) {
                    // RFC 6946: an atomic fragment is a whole datagram.
                    (0, false) => Fragment::Whole,
                    (0, true) => Fragment::First { identification },
                    _ => Fragment::Later { identification, offset, more },
                };
                if matches!(fragment, Fragment::Later { .. }) {
                    break;
                }
            }
            // RFC 4302 §2.2: counted in words, less two.
            AUTHENTICATION => transport += (units + 2) * 4,
            // RFC 8200 §4.2: counted in eight bytes, less one.
            _ => transport += (units + 1) * 8,
        }
    }
    if !matches!(fragment, Fragment::Later { .. }) && is_extension(protocol) {
        return Err(Stop::TooDeep(transport));
    }
    let ports = walk_ports(frame, transport, end, protocol, fragment)?;
    Ok(Packet {
        source,
        destination,
        protocol,
        network_offset: at,
        transport_offset: transport,
        end,
        fragment,
        ports,
        tunnel: 0,
        outer: None,
    })
}

/// The ports of UDP (RFC 768), TCP (RFC 9293 §3.1) and SCTP (RFC 9260 §3.1), where the packet has
/// any.
#[inline(always)]
fn walk_ports<B: Bytes + ?Sized>(
    frame: &B,
    at: usize,
    end: usize,
    protocol: u8,
    fragment: Fragment,
) -> Result<Option<Ports>, Stop> {
    if !matches!(protocol, UDP | TCP | SCTP) || matches!(fragment, Fragment::Later { .. }) {
        return Ok(None);
    }
    // Bytes beyond the datagram's end are link padding, not ports.
    if at + 4 > end {
        return match fragment {
            // RFC 1858 §3: a first fragment may be too short for them, by intent.
            Fragment::First { .. } => Ok(None),
            _ => Err(Stop::Cut(at)),
        };
    }
    let ports = frame.u32(at).ok_or(Stop::Cut(at))?;
    #[expect(clippy::cast_possible_truncation, reason = "the lower half is the destination port")]
    Ok(Some(Ports { source: (ports >> 16) as u16, destination: ports as u16 }))
}

const HOP_BY_HOP: u8 = 0;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const DESTINATION_OPTIONS: u8 = 60;
const MOBILITY: u8 = 135;

/// Whether `protocol` is a header of IPv6 itself that leads to another.
#[inline(always)]
fn is_extension(protocol: u8) -> bool {
    matches!(
        protocol,
        HOP_BY_HOP | ROUTING | FRAGMENT | AUTHENTICATION | DESTINATION_OPTIONS | MOBILITY
    )
}

#[inline(always)]
fn high_byte(pair: u16) -> u8 {
    pair.to_be_bytes()[0]
}

#[inline(always)]
fn low_byte(pair: u16) -> u8 {
    pair.to_be_bytes()[1]
}

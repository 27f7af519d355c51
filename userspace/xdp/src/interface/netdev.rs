//! What a driver can do for XDP programs, as the kernel tells since 6.3 (generic netlink, the family
//! `netdev`; `linux/netdev.h`).

use std::io;

use rustix::net::netlink;

use crate::netlink::{HEADER, NLM_F_REQUEST, NLMSG_ERROR, ask, attributes, u16_at, u32_at};

/// What a driver can do for XDP programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abilities {
    /// It runs programs itself, and redirects frames for them.
    pub native: bool,
    /// It receives into the memory of AF_XDP sockets without a copy.
    pub zero_copy: bool,
    /// It gives frames to programs that are longer than a page (`RX_SG`).
    pub multi_buffer: bool,
    /// It tells programs when the card received a frame.
    pub stamps: bool,
}

const CTRL_FAMILY: u16 = 16;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;

const NETDEV_CMD_DEV_GET: u8 = 1;
const NETDEV_A_DEV_IFINDEX: u16 = 1;
const NETDEV_A_DEV_XDP_FEATURES: u16 = 3;
const NETDEV_A_DEV_XDP_RX_METADATA_FEATURES: u16 = 5;

const BASIC_AND_REDIRECT: u64 = 1 | 2;
const XSK_ZEROCOPY: u64 = 8;
const RX_SG: u64 = 32;
const RX_METADATA_TIMESTAMP: u64 = 1;

/// Bytes of `struct genlmsghdr`.
const GENERIC: usize = 4;

/// Asks about the interface of this index.
///
/// # Errors
///
/// `ENOENT` on a kernel that does not tell; what the kernel says otherwise.
pub(super) fn abilities(index: u32) -> io::Result<Abilities> {
    let name = request(CTRL_FAMILY, CTRL_CMD_GETFAMILY, CTRL_ATTR_FAMILY_NAME, b"netdev\0");
    let answer = ask(Some(netlink::GENERIC), &name)?;
    let mut family = payload(&answer)?;
    let family = family.find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID);
    let family = family.and_then(|(_, value)| u16_at(value, 0));
    let family = family.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
    let device = index.to_ne_bytes();
    let device = request(family, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &device);
    parse(&ask(Some(netlink::GENERIC), &device)?)
}

fn parse(answer: &[u8]) -> io::Result<Abilities> {
    let mut abilities = Abilities::default();
    for (kind, value) in payload(answer)? {
        let bits = value.first_chunk().copied().map_or(0, u64::from_ne_bytes);
        if kind == NETDEV_A_DEV_XDP_FEATURES {
            abilities.native = bits & BASIC_AND_REDIRECT == BASIC_AND_REDIRECT;
            abilities.zero_copy = bits & XSK_ZEROCOPY != 0;
            abilities.multi_buffer = bits & RX_SG != 0;
        } else if kind == NETDEV_A_DEV_XDP_RX_METADATA_FEATURES {
            abilities.stamps = bits & RX_METADATA_TIMESTAMP != 0;
        }
    }
    Ok(abilities)
}

/// A request with one attribute: `struct nlmsghdr`, `struct genlmsghdr`, the attribute.
fn request(family: u16, command: u8, attribute: u16, value: &[u8]) -> Vec<u8> {
    let mut message = vec![0; 4];
    message.extend(family.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend([command, 1, 0, 0]);
    message.extend(u16::try_from(4 + value.len()).unwrap_or(u16::MAX).to_ne_bytes());
    message.extend(attribute.to_ne_bytes());
    message.extend(value);
    message.resize(message.len().next_multiple_of(4), 0);
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

/// The attributes of an answer.
fn payload(answer: &[u8]) -> io::Result<impl Iterator<Item = (u16, &[u8])>> {
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    if u16_at(answer, 4).ok_or_else(cut)? == NLMSG_ERROR {
        let code = u32_at(answer, HEADER).ok_or_else(cut)?.cast_signed();
        return Err(io::Error::from_raw_os_error(code.saturating_neg()));
    }
    Ok(attributes(answer.get(HEADER + GENERIC..).ok_or_else(cut)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(features: u64, metadata: u64) -> Vec<u8> {
        let mut answer = request(30, NETDEV_CMD_DEV_GET, NETDEV_A_DEV_IFINDEX, &[2, 0, 0, 0]);
        let attributes = [
            (NETDEV_A_DEV_XDP_FEATURES, features),
            (NETDEV_A_DEV_XDP_RX_METADATA_FEATURES, metadata),
        ];
        for (kind, bits) in attributes {
            answer.extend(12_u16.to_ne_bytes());
            answer.extend(kind.to_ne_bytes());
            answer.extend(bits.to_ne_bytes());
        }
        answer
    }

    #[test]
    fn what_a_driver_can_do_is_read_bit_by_bit() {
        let read = |features, metadata| parse(&answer(features, metadata)).unwrap();
        assert_eq!(read(0, 0), Abilities::default());
        assert!(!read(1, 0).native, "a program that cannot redirect keeps nothing");
        let all = Abilities { native: true, zero_copy: true, multi_buffer: true, stamps: true };
        assert_eq!(read(1 | 2 | 8 | 32, 1), all);
    }

    #[test]
    fn a_cut_answer_is_no_panic() {
        let whole = answer(u64::MAX, u64::MAX);
        for length in 0..whole.len() {
            let _ = parse(&whole[..length]);
        }
    }
}

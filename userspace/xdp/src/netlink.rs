//! What the kernel says of an interface (rtnetlink(7), `RTM_GETLINK`), by its name or its index.
//!
//! Netlink answers for the network namespace of the caller; the files below `/sys` answer for that
//! of whoever mounted them.

use std::io;

use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

/// An interface as the kernel describes it.
#[derive(Debug, Default)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mac: [u8; 6],
    /// Bytes of network-layer packet a frame may carry.
    pub(crate) mtu: u32,
    /// The id of the XDP program attached to it.
    pub(crate) program: Option<u32>,
    /// What it received.
    pub(crate) received: Received,
}

/// What an interface has received since it came up, as its driver counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Frames, whatever became of them.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that the card had no room for: no program saw them, and they are none of the above.
    pub overruns: u64,
}

/// Which interface is asked about.
pub(crate) enum Which<'a> {
    Name(&'a str),
    Index(u32),
}

/// Asks about one interface.
///
/// # Errors
///
/// `ENODEV` if there is none; what the kernel says otherwise.
pub(crate) fn link(which: &Which<'_>) -> io::Result<Link> {
    parse(&ask(None, &request(which))?)
}

/// Sends one request and gives the first answer; without a protocol, to rtnetlink.
pub(crate) fn ask(protocol: Option<Protocol>, request: &[u8]) -> io::Result<Vec<u8>> {
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?;
    send(&socket, request, SendFlags::empty())?;
    let mut answer = vec![0; 64 * 1024];
    let (length, _) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    answer.truncate(length);
    Ok(answer)
}

const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
pub(crate) const NLMSG_ERROR: u16 = 2;
pub(crate) const NLM_F_REQUEST: u16 = 1;

const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_STATS64: u16 = 23;
const IFLA_XDP: u16 = 43;

const IFLA_XDP_PROG_ID: u16 = 4;
const IFLA_XDP_DRV_PROG_ID: u16 = 5;
const IFLA_XDP_SKB_PROG_ID: u16 = 6;
const IFLA_XDP_HW_PROG_ID: u16 = 7;

/// Bytes of `struct nlmsghdr` and of `struct ifinfomsg`.
pub(crate) const HEADER: usize = 16;
const INTERFACE: usize = 16;

/// A request: the two headers, and the name as an attribute.
fn request(which: &Which<'_>) -> Vec<u8> {
    let (index, name) = match which {
        Which::Name(name) => (0, Some(*name)),
        Which::Index(index) => (*index, None),
    };
    let mut message = Vec::new();
    // struct nlmsghdr: length (below), type, flags, sequence, port.
    message.extend([0; 4]);
    message.extend(RTM_GETLINK.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    // struct ifinfomsg: family, type, index, flags, change.
    message.extend([0; 4]);
    message.extend(index.to_ne_bytes());
    message.extend([0; 8]);
    if let Some(name) = name {
        let length = u16::try_from(4 + name.len() + 1).unwrap_or(u16::MAX);
        message.extend(length.to_ne_bytes());
        message.extend(IFLA_IFNAME.to_ne_bytes());
        message.extend(name.as_bytes());
        message.push(0);
        message.resize(message.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    message[..4].copy_from_slice(&length.to_ne_bytes());
    message
}

fn parse(answer: &[u8]) -> io::Result<Link> {
    let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "netlink answer cut short");
    let kind = u16_at(answer, 4).ok_or_else(cut)?;
    match kind {
        RTM_NEWLINK => {}
        NLMSG_ERROR => {
            let code = u32_at(answer, HEADER).ok_or_else(cut)?.cast_signed();
            return Err(io::Error::from_raw_os_error(code.saturating_neg()));
        }
        _ => return Err(io::Error::other(format!("netlink answer of type {kind}"))),
    }
    let mut link = Link { index: u32_at(answer, HEADER + 4).ok_or_else(cut)?, ..Link::default() };
    for (kind, value) in attributes(answer.get(HEADER + INTERFACE..).ok_or_else(cut)?) {
        match kind {
            IFLA_ADDRESS => link.mac = value.first_chunk().copied().unwrap_or_default(),
            IFLA_IFNAME => {
                let name = value.split(|&byte| byte == 0).next().unwrap_or_default();
                link.name = String::from_utf8_lossy(name).into_owned();
            }
            IFLA_MTU => link.mtu = u32_at(value, 0).unwrap_or_default(),
            IFLA_STATS64 => link.received = received(value),
            IFLA_XDP => link.program = attributes(value).find_map(program),
            _ => {}
        }
    }
    Ok(link)
}

/// The program id in an attribute of `IFLA_XDP`, whichever mode it is attached in.
fn program((kind, value): (u16, &[u8])) -> Option<u32> {
    matches!(
        kind,
        IFLA_XDP_PROG_ID | IFLA_XDP_DRV_PROG_ID | IFLA_XDP_SKB_PROG_ID | IFLA_XDP_HW_PROG_ID
    )
    .then(|| u32_at(value, 0))
    .flatten()
    .filter(|&id| id != 0)
}

/// What a `struct rtnl_link_stats64` says of the receiving side.
///
/// Drivers count what they had no room for in one of two members, or in both; `rx_dropped` is none
/// of them, as some drivers count there what an XDP program has dropped.
fn received(statistics: &[u8]) -> Received {
    let member = |number: usize| -> u64 {
        let bytes = statistics.get(number * 8..).and_then(|bytes| bytes.first_chunk());
        bytes.copied().map_or(0, u64::from_ne_bytes)
    };
    let (rx_fifo_errors, rx_missed_errors) = (member(14), member(15));
    let overruns = rx_fifo_errors.max(rx_missed_errors);
    Received { frames: member(0), bytes: member(2), overruns }
}

/// The attributes in `bytes`: type without its flags, and value.
pub(crate) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(u16_at(bytes, 0)?);
        let kind = u16_at(bytes, 2)? & 0x3fff;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    bytes.get(offset..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_is_described_by_name_and_by_index() {
        let by_name = link(&Which::Name("lo")).unwrap();
        assert_eq!(by_name.name, "lo");
        assert!(by_name.mtu > 0);
        let by_index = link(&Which::Index(by_name.index)).unwrap();
        assert_eq!(by_index.name, "lo");
    }

    #[test]
    fn an_interface_that_is_not_there_is_an_error() {
        let error = link(&Which::Name("none-such")).unwrap_err();
        assert_eq!(rustix::io::Errno::from_io_error(&error), Some(rustix::io::Errno::NODEV));
    }

    #[test]
    fn what_the_card_had_no_room_for_is_counted_once_by_whichever_name() {
        for (fifo, missed, expected) in [(0_u64, 0_u64, 0), (7, 0, 7), (0, 9, 9), (7, 9, 9)] {
            let mut answer = vec![0; HEADER + INTERFACE];
            answer[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
            answer.extend(204_u16.to_ne_bytes());
            answer.extend(IFLA_STATS64.to_ne_bytes());
            let members = (0..25).map(|number| match number {
                14 => fifo,
                15 => missed,
                _ => 1000,
            });
            answer.extend(members.flat_map(u64::to_ne_bytes));
            assert_eq!(parse(&answer).unwrap().received.overruns, expected);
            answer.truncate(HEADER + INTERFACE + 100);
            assert_eq!(parse(&answer).unwrap().received.overruns, 0);
        }
    }

    #[test]
    fn a_cut_answer_is_an_error_and_never_a_panic() {
        let mut answer = vec![0; HEADER + INTERFACE];
        answer[4..6].copy_from_slice(&RTM_NEWLINK.to_ne_bytes());
        answer.extend([8, 0, 4, 0, 0xdc, 5, 0, 0]);
        assert_eq!(parse(&answer).unwrap().mtu, 1500);
        for length in 0..answer.len() {
            if let Ok(link) = parse(&answer[..length]) {
                assert_eq!(link.mtu, 0);
            }
        }
    }
}

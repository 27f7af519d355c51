//! A mirror port hears frames addressed to others: it must not drop them before the program.

use std::os::fd::{AsRawFd, OwnedFd};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
};

use crate::{Error, Interface};

/// Puts an interface into promiscuous mode until it is dropped, or until the process ends
/// (`PACKET_ADD_MEMBERSHIP`, packet(7)); the kernel counts who asks, so others keep theirs.
#[derive(Debug)]
pub(super) struct Promiscuous {
    _socket: OwnedFd,
}

#[expect(clippy::cast_possible_truncation, reason = "16 bytes")]
const REQUEST_LENGTH: libc::socklen_t = size_of::<libc::packet_mreq>() as libc::socklen_t;

#[expect(clippy::cast_possible_truncation, reason = "it is 1")]
const PROMISCUOUS: libc::c_ushort = libc::PACKET_MR_PROMISC as libc::c_ushort;

impl Promiscuous {
    pub(super) fn on(interface: &Interface) -> Result<Self, Error> {
        let refused = |cause: Errno| {
            Error::system(format!("promiscuous mode of {}", interface.name()), cause)
        };
        // Protocol 0: the socket itself receives nothing.
        let socket =
            socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)
                .map_err(refused)?;
        let request = libc::packet_mreq {
            mr_ifindex: i32::try_from(interface.index()).map_err(|_| refused(Errno::NODEV))?,
            mr_type: PROMISCUOUS,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        // SAFETY: the option takes a `struct packet_mreq`, of which address and length are given.
        let result = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_ADD_MEMBERSHIP,
                (&raw const request).cast(),
                REQUEST_LENGTH,
            )
        };
        match result {
            0 => Ok(Self { _socket: socket }),
            _ => {
                let cause = std::io::Error::last_os_error();
                Err(refused(Errno::from_io_error(&cause).unwrap_or(Errno::INVAL)))
            }
        }
    }
}

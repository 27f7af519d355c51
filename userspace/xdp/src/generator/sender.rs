//! Frames put on a link as they are, many with one system call (packet(7), sendmmsg(2)).

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::ptr;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::{Error, Interface};

/// Frames handed over with one system call.
const BATCH: usize = 64;

/// A packet socket that sends on one interface and receives nothing.
#[derive(Debug)]
pub struct Sender {
    socket: OwnedFd,
}

impl Sender {
    /// Opens the socket.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: it needs `CAP_NET_RAW`.
    pub fn open(interface: &Interface) -> Result<Self, Error> {
        let failed = |cause: io::Error| {
            Error::system(format!("a packet socket on {}", interface.name()), cause)
        };
        let socket =
            socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)
                .map_err(|errno| failed(errno.into()))?;
        let address = libc::sockaddr_ll {
            sll_family: 17,
            sll_protocol: 0,
            sll_ifindex: interface.index().cast_signed(),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        };
        let length = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or_default();
        // SAFETY: address and length are those of a `struct sockaddr_ll`.
        let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
        if bound == 0 { Ok(Self { socket }) } else { Err(failed(io::Error::last_os_error())) }
    }

    /// Sends all `frames`, in order.
    ///
    /// # Errors
    ///
    /// [`Error::System`]: the interface is down or gone.
    pub fn send(&self, frames: &[impl AsRef<[u8]>]) -> Result<(), Error> {
        for frames in frames.chunks(BATCH) {
            let mut parts: Vec<_> = frames
                .iter()
                .map(|frame| libc::iovec {
                    iov_base: frame.as_ref().as_ptr().cast_mut().cast(),
                    iov_len: frame.as_ref().len(),
                })
                .collect();
            let mut messages: Vec<_> = parts.iter_mut().map(message).collect();
            let mut rest = &mut messages[..];
            while !rest.is_empty() {
                let sent = self.send_some(rest)?;
                rest = rest.get_mut(sent..).unwrap_or_default();
            }
        }
        Ok(())
    }

    fn send_some(&self, messages: &mut [libc::mmsghdr]) -> Result<usize, Error> {
        let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        // SAFETY: there are so many messages, each of one part that points to a frame, which the
        // kernel only reads; all of it lives until the call returns.
        let sent =
            unsafe { libc::sendmmsg(self.socket.as_raw_fd(), messages.as_mut_ptr(), count, 0) };
        usize::try_from(sent)
            .map_err(|_| Error::system("sending frames", io::Error::last_os_error()))
    }
}

/// A message of one part, to whom the socket is bound to.
fn message(part: &mut libc::iovec) -> libc::mmsghdr {
    // SAFETY: all zero is a value of this struct, which has private padding on some targets.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_name = ptr::null_mut();
    header.msg_iov = part;
    header.msg_iovlen = 1;
    libc::mmsghdr { msg_hdr: header, msg_len: 0 }
}

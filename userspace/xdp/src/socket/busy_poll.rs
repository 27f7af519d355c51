//! Busy polling: the thread that reads a queue runs the card's driver as well, in place of its
//! interrupts (`Documentation/networking/napi.rst`).

use std::{
    io,
    os::fd::{AsRawFd as _, OwnedFd},
    ptr,
};

use super::{Socket, call_driver, open};
use crate::Error;

/// Frames the driver takes in at most each time it is polled; whoever reads takes as many at once.
const BUDGET: libc::c_int = 64;

/// For how long a reader would wait in the driver, microseconds: none does, but 0 is for "not at all".
const PATIENCE: libc::c_int = 20;

impl Socket {
    /// Asks the kernel to leave the queue's driver to whoever reads this socket, by
    /// [`Socket::poll_driver`]; its interrupts wait meanwhile, where the interface is set to let
    /// them (`napi_defer_hard_irqs`, `gro_flush_timeout`).
    ///
    /// That the kernel agrees does not mean that it happens: see [`Socket::napi_id`].
    ///
    /// # Errors
    ///
    /// [`Error::NotPermitted`] without `CAP_NET_ADMIN`, or [`Error::Socket`] before Linux 5.11.
    pub fn prefer_busy_poll(&self) -> Result<(), Error> {
        let options = [
            (libc::SO_PREFER_BUSY_POLL, 1),
            (libc::SO_BUSY_POLL, PATIENCE),
            (libc::SO_BUSY_POLL_BUDGET, BUDGET),
        ];
        for (option, value) in options {
            set(&self.fd, option, value).map_err(|cause| {
                open::refusal(&self.interface, self.queue, "asking for busy polling", cause)
            })?;
        }
        Ok(())
    }

    /// Has the driver take in what has arrived on the queue, up to 64 frames; nothing happens where
    /// it is not polled.
    pub fn poll_driver(&self) {
        // It fails only while the interface is gone or down, which `wait` reports.
        let _ = call_driver(&self.fd);
    }

    /// The kernel's number for the queue's driver (`SO_INCOMING_NAPI_ID`); without one nobody can
    /// poll it.
    ///
    /// Since Linux 6.14 a socket has it from when it is bound, if the driver has told the kernel by
    /// then; before, from its first frame on.
    #[must_use]
    pub fn napi_id(&self) -> Option<u32> {
        let mut id: libc::c_uint = 0;
        #[expect(clippy::cast_possible_truncation, reason = "the size of a number")]
        let mut length = size_of_val(&id) as libc::socklen_t;
        // SAFETY: the kernel writes a number of that length, and the length, to what lives here.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_INCOMING_NAPI_ID,
                ptr::from_mut(&mut id).cast(),
                &raw mut length,
            )
        };
        (result == 0 && id != 0).then_some(id)
    }
}

fn set(fd: &OwnedFd, option: libc::c_int, value: libc::c_int) -> io::Result<()> {
    #[expect(clippy::cast_possible_truncation, reason = "the size of a number")]
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the kernel reads a number of that length from what lives here.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            ptr::from_ref(&value).cast(),
            length,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

//! An AF_XDP socket of one receive queue, with its memory and its rings.
//!
//! A queue may have a second socket, for signalling, which another thread reads: its frames lie in
//! the same memory, and go back to the kernel through the first.
//! One thread owns a socket, and what the two share is lock-free.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use calltap_ebpf::abi::Mark;
use crossbeam::queue::ArrayQueue;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    net::{RecvFlags, recv, xdp::XdpDesc},
};

use crate::{
    Error, Frame, Interface,
    ring::{Consumer, Producer},
    umem::{Left, Umem},
};

mod busy_poll;
mod geometry;
mod joining;
mod open;
mod statistics;

pub use geometry::Geometry;
use joining::{Fault, Joining};
pub use statistics::Statistics;

/// An AF_XDP socket bound to one queue of an interface.
#[derive(Debug)]
pub struct Socket {
    // The kernel's ends of the rings go with the descriptor, so it is closed first.
    fd: OwnedFd,
    receive: Consumer<XdpDesc>,
    fill: Fill,
    umem: Arc<Umem>,
    interface: Interface,
    queue: u32,
    mode: BindMode,
    bad_descriptors: u64,
    /// Chunks on their way back to the kernel from either socket of the queue.
    returning: Arc<ArrayQueue<u64>>,
    joining: Joining,
}

/// How chunks go back to the kernel: a queue has one fill ring, which one thread may fill.
#[derive(Debug)]
enum Fill {
    /// The ring itself.
    Ring(Producer<u64>),
    /// By the queue's first socket.
    OtherSocket,
}

/// How frames reach the socket's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BindMode {
    /// The device writes them there.
    ZeroCopy,
    /// The kernel copies them there.
    Copy,
}

impl Socket {
    /// Opens a socket on `queue`, with all of its chunks ready to be filled, and binds it:
    /// zero-copy where the driver offers it, else copying.
    ///
    /// Nothing arrives until a [`Filter`](crate::Filter) has it registered and is attached.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchQueue`], [`Error::NotPermitted`], [`Error::QueueBusy`], or
    /// [`Error::Socket`] with the step the kernel refused.
    pub fn open(interface: &Interface, queue: u32, geometry: Geometry) -> Result<Self, Error> {
        open::open(interface, queue, geometry)
    }

    /// Opens the queue's second socket, which shares the memory of this one.
    ///
    /// Once it is [registered](crate::Filter::register) after this one, signalling and fragments go
    /// to it and only media comes here.
    /// What it releases goes back to the kernel when this socket receives or releases, so whoever
    /// has this one must not sleep for long.
    ///
    /// # Errors
    ///
    /// As [`Socket::open`].
    pub fn for_signalling(&self, receive_ring: u32) -> Result<Self, Error> {
        open::open_beside(self, receive_ring)
    }

    /// Whether it is a queue's second socket.
    #[must_use]
    pub const fn is_for_signalling(&self) -> bool {
        matches!(self.fill, Fill::OtherSocket)
    }

    /// The interface it is bound to.
    #[must_use]
    pub const fn interface(&self) -> &Interface {
        &self.interface
    }

    /// The queue it is bound to.
    #[must_use]
    pub const fn queue(&self) -> u32 {
        self.queue
    }

    /// How frames reach its memory, as the kernel says (`XDP_OPTIONS`).
    #[must_use]
    pub const fn mode(&self) -> BindMode {
        self.mode
    }

    /// How many frames wait in the receive ring, and how many may.
    #[must_use]
    pub fn waiting(&self) -> (u32, u32) {
        self.receive.waiting()
    }

    /// Appends up to `limit` received frames to `frames`, in the order of their arrival; returns
    /// how many.
    ///
    /// It never waits, and wakes the kernel where the driver sleeps for want of chunks.
    pub fn receive(&mut self, frames: &mut Vec<Frame>, limit: usize) -> usize {
        let before = frames.len();
        let Self { receive, umem, joining, returning, bad_descriptors, .. } = self;
        loop {
            let most = joining.most(limit - (frames.len() - before));
            let most = u32::try_from(most).unwrap_or(u32::MAX);
            let taken = receive.pop(most, |descriptor| {
                let frame = if joining.is_part(&descriptor) {
                    joining.add(umem, &descriptor, returning)
                } else {
                    Some(umem.take(&descriptor).ok_or(Fault::BadDescriptor))
                };
                match frame {
                    Some(Ok(frame)) => frames.push(frame),
                    Some(Err(fault)) => *bad_descriptors += u64::from(fault.is_the_kernels()),
                    None => {}
                }
            });
            // Of parts there are more than frames: whoever gets fewer than asked for is to know
            // that there were no more.
            if taken == 0 || !joining.is_expected() {
                break;
            }
        }
        if frames.len() == before {
            self.refill();
        }
        frames.len() - before
    }

    /// Whether frames that are longer than a chunk arrive in several, and are put together; before
    /// Linux 6.6 they are lost, as `too_long`.
    #[must_use]
    pub const fn takes_long_frames(&self) -> bool {
        self.joining.is_expected()
    }

    /// The mark the program wrote for this frame: arrival time, reason and queue.
    ///
    /// # Panics
    ///
    /// If the frame is another queue's.
    #[must_use]
    pub fn mark(&self, frame: &Frame) -> Mark {
        self.umem.mark(frame)
    }

    /// The frame's bytes, from the link header on.
    ///
    /// # Panics
    ///
    /// If the frame is another queue's.
    #[must_use]
    pub fn bytes<'a>(&'a self, frame: &'a Frame) -> &'a [u8] {
        self.umem.bytes(frame)
    }

    /// Gives frames back to the kernel, all of them in one batch.
    ///
    /// # Panics
    ///
    /// If a frame is another socket's.
    pub fn release(&mut self, frames: impl IntoIterator<Item = Frame>) {
        let Self { umem, joining, fill, returning, .. } = self;
        let chunks = frames.into_iter().filter_map(|frame| match umem.give_up(frame) {
            Left::Chunk(chunk) => Some(chunk),
            Left::Slot(slot) => {
                joining.give_back(slot);
                None
            }
        });
        match fill {
            // The kernel publishes late which chunks it took, but the ring is twice as large as all
            // chunks together.
            Fill::Ring(ring) => {
                ring.push(chunks);
            }
            // There is room for every chunk that there is.
            Fill::OtherSocket => chunks.for_each(|chunk| {
                let _ = returning.push(chunk);
            }),
        }
        self.refill();
    }

    /// Gives the kernel what the queue's other socket has released, and wakes the driver if it
    /// sleeps until there are chunks to fill.
    fn refill(&mut self) {
        let Fill::Ring(ring) = &mut self.fill else { return };
        if !self.returning.is_empty() {
            ring.push(std::iter::from_fn(|| self.returning.pop()));
        }
        if ring.needs_wakeup() {
            // It fails only while the interface is gone or down, which `wait` reports.
            let _ = call_driver(&self.fd);
        }
    }

    /// Waits until a frame is there or `timeout` is over; returns whether one is.
    ///
    /// # Errors
    ///
    /// [`Error::InterfaceGone`] once it is, [`Error::InterfaceDown`] while it is, or
    /// [`Error::System`].
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        let timeout = Timespec::try_from(timeout).ok();
        let mut polled = [PollFd::new(&self.fd, PollFlags::IN)];
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_) => {}
            // A signal: the caller looks at what it means, and comes back.
            Err(Errno::INTR) => return Ok(false),
            Err(cause) => return Err(self.refusal("waiting", cause)),
        }
        if polled[0].revents().contains(PollFlags::IN) {
            return Ok(true);
        }
        // poll(2) is silent about an interface that went away; a wake-up call is not.
        match call_driver(&self.fd) {
            Ok(()) => Ok(false),
            Err(Errno::NXIO) => {
                Err(Error::InterfaceGone { interface: self.interface.name().into() })
            }
            Err(Errno::NETDOWN) => {
                Err(Error::InterfaceDown { interface: self.interface.name().into() })
            }
            Err(cause) => Err(self.refusal("waking the driver", cause)),
        }
    }

    fn refusal(&self, what: &str, cause: Errno) -> Error {
        let what = format!("{what} on queue {} of {}", self.queue, self.interface.name());
        Error::system(what, cause)
    }
}

/// Waits until a frame is there for one of the sockets, or `timeout` is over.
///
/// It says nothing about interfaces that went away: [`Socket::wait`] on their other sockets does.
///
/// # Errors
///
/// [`Error::System`].
pub fn wait_for_any<'a>(
    sockets: impl IntoIterator<Item = &'a Socket>,
    timeout: Duration,
) -> Result<(), Error> {
    let timeout = Timespec::try_from(timeout).ok();
    let polled = sockets.into_iter().map(|socket| PollFd::new(&socket.fd, PollFlags::IN));
    match poll(&mut polled.collect::<Vec<_>>(), timeout.as_ref()) {
        // A signal: the caller looks at what it means, and comes back.
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(cause) => Err(Error::system("waiting for signalling", cause)),
    }
}

/// The wake-up call: an empty receive (`Documentation/networking/af_xdp.rst`).
fn call_driver(fd: &OwnedFd) -> Result<(), Errno> {
    match recv(fd, &mut [0_u8; 0][..], RecvFlags::DONTWAIT) {
        // Busy: the driver is awake.
        Ok(_) | Err(Errno::AGAIN | Errno::BUSY | Errno::INTR) => Ok(()),
        Err(cause) => Err(cause),
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests;

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
    net::{RecvFlags, recv, sockopt, xdp::XdpDesc},
};

use crate::{
    Error, Frame, Interface,
    ring::{Consumer, Producer},
    umem::Umem,
};

mod geometry;
mod open;

pub use geometry::Geometry;

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

/// What a socket has lost, since it was opened (`XDP_STATISTICS`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames lost because none of our chunks was free, or the frame was longer than a chunk.
    pub rx_dropped: u64,
    /// Frames lost because we had not read the receive ring in time.
    pub rx_ring_full: u64,
    /// How often the kernel found the fill ring empty; in copy mode its frames are in
    /// `rx_dropped`.
    pub fill_ring_empty: u64,
    /// Descriptors the kernel had no right to hand over, and which were not followed; each is a
    /// frame lost, and a fault of the driver.
    pub bad_descriptors: u64,
}

impl Statistics {
    /// Frames the program gave to the socket and which never became a [`Frame`].
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.rx_dropped + self.rx_ring_full + self.bad_descriptors
    }
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
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        let (umem, bad_descriptors) = (&self.umem, &mut self.bad_descriptors);
        let taken = self.receive.pop(limit, |descriptor| match umem.take(&descriptor) {
            Some(frame) => frames.push(frame),
            None => *bad_descriptors += 1,
        });
        if taken == 0 {
            self.refill();
        }
        frames.len() - before
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
        match &mut self.fill {
            // The kernel publishes late which chunks it took, but the ring is twice as large as all
            // chunks together.
            Fill::Ring(ring) => {
                let umem = &self.umem;
                ring.push(frames.into_iter().map(|frame| umem.give_up(frame)));
            }
            Fill::OtherSocket => {
                for frame in frames {
                    // There is room for every chunk that there is.
                    let _ = self.returning.push(self.umem.give_up(frame));
                }
            }
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

    /// What it has lost since it was opened.
    ///
    /// # Errors
    ///
    /// [`Error::System`] if the kernel will not say.
    pub fn statistics(&self) -> Result<Statistics, Error> {
        let told = sockopt::xdp_statistics(&self.fd)
            .map_err(|cause| self.refusal("reading the statistics", cause))?;
        Ok(Statistics {
            rx_dropped: told.rx_dropped,
            rx_ring_full: told.rx_ring_full.unwrap_or_default(),
            fill_ring_empty: told.rx_fill_ring_empty_descs.unwrap_or_default(),
            bad_descriptors: self.bad_descriptors,
        })
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

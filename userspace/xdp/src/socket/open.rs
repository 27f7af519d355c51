//! Setting a socket up: memory, rings, chunks, and last of all the queue.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crossbeam::queue::ArrayQueue;
use rustix::{
    io::Errno,
    net::{
        AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt,
        xdp::{
            SocketAddrXdp, SocketAddrXdpFlags, SocketAddrXdpWithSharedUmem, XDP_PGOFF_RX_RING,
            XDP_UMEM_PGOFF_FILL_RING, XdpDesc, XdpOptionsFlags, XdpRingOffset, XdpUmemReg,
            XdpUmemRegFlags,
        },
    },
};

use super::{BindMode, Fill, Geometry, Joining, Socket, geometry, joining};
use crate::{
    Error, Interface, error,
    mapping::Mapping,
    ring::{Consumer, Producer, mapping_length},
    umem::Umem,
};

/// How long a queue may still be taken whose socket was closed: the kernel lets go of it later, by a
/// worker of its own.
const LINGERING: Duration = Duration::from_secs(1);

pub(super) fn open(interface: &Interface, queue: u32, geometry: Geometry) -> Result<Socket, Error> {
    if queue >= interface.queues() {
        return Err(Error::NoSuchQueue {
            interface: interface.name().into(),
            queue,
            queues: interface.queues(),
        });
    }
    let geometry = geometry.rounded();
    let refused = |step| move |cause| refusal(interface, queue, step, cause);

    let fd = socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .map_err(refused("opening an AF_XDP socket"))?;
    // For either socket of the queue.
    let slots = if geometry.exceeds_a_chunk() { 2 * joining::SLOTS } else { 0 };
    let umem = Umem::new((geometry.frames, geometry.chunk_bytes), (slots, geometry.longest_frame))
        .map_err(refused("allocating memory for frames"))?;
    register(&fd, &umem, geometry).map_err(refused("registering memory for frames"))?;
    size_rings(&fd, geometry).map_err(refused("sizing the rings"))?;

    let offsets = sockopt::xdp_mmap_offsets(&fd).map_err(refused("finding the rings"))?;
    let receive = receive_ring(&fd, &offsets.rx, geometry.receive_ring)
        .map_err(refused("mapping the receive ring"))?;
    let size = geometry.fill_ring();
    let mapping = map_ring::<u64>(&fd, &offsets.fr, size, XDP_UMEM_PGOFF_FILL_RING)
        .map_err(refused("mapping the fill ring"))?;
    let mut fill = Producer::new(mapping, &offsets.fr, size)
        .ok_or_else(|| refused("reading the fill ring")(Errno::NOSYS))?;

    // Some drivers never look again at a fill ring that was empty when they took the socket.
    fill.push(umem.chunks());
    let (mode, several) = bind_queue(&fd, interface, queue, geometry.exceeds_a_chunk())?;
    let slots = if several { joining::SLOTS } else { 0 };
    Ok(Socket {
        fd,
        receive,
        fill: Fill::Ring(fill),
        joining: Joining::within(umem.slots().take(slots as usize)),
        umem: Arc::new(umem),
        interface: interface.clone(),
        queue,
        mode,
        bad_descriptors: 0,
        returning: Arc::new(ArrayQueue::new(geometry.frames as usize)),
    })
}

/// Opens a second socket on the queue of `first`: it has a receive ring of its own, and no more.
pub(super) fn open_beside(first: &Socket, receive_ring_size: u32) -> Result<Socket, Error> {
    let (interface, queue) = (&first.interface, first.queue);
    let refused = |step| move |cause| refusal(interface, queue, step, cause);
    let size = geometry::ring_size(receive_ring_size);
    let fd = socket_with(AddressFamily::XDP, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .map_err(refused("opening an AF_XDP socket"))?;
    sockopt::set_xdp_rx_ring_size(&fd, size).map_err(refused("sizing the rings"))?;
    let offsets = sockopt::xdp_mmap_offsets(&fd).map_err(refused("finding the rings"))?;
    let receive =
        receive_ring(&fd, &offsets.rx, size).map_err(refused("mapping the receive ring"))?;
    let flags = SocketAddrXdpFlags::XDP_SHARED_UMEM;
    let address = SocketAddrXdpWithSharedUmem {
        addr: SocketAddrXdp::new(flags, interface.index(), queue),
        shared_umem_fd: first.fd.as_fd(),
    };
    bind(&fd, &address).map_err(refused("binding the queue a second time"))?;
    Ok(beside(first, fd, receive))
}

/// What a second socket is once it is bound: all but its receive ring is that of `first`.
pub(super) fn beside(first: &Socket, fd: OwnedFd, receive: Consumer<XdpDesc>) -> Socket {
    // The kernel takes it to expect what the first does.
    let slots = if first.takes_long_frames() { joining::SLOTS as usize } else { 0 };
    Socket {
        fd,
        receive,
        fill: Fill::OtherSocket,
        joining: Joining::within(first.umem.slots().skip(slots).take(slots)),
        umem: Arc::clone(&first.umem),
        interface: first.interface.clone(),
        queue: first.queue,
        mode: first.mode,
        bad_descriptors: 0,
        returning: Arc::clone(&first.returning),
    }
}

/// Maps a receive ring; `NOSYS` where the kernel does not lay it as is expected.
fn receive_ring(
    fd: &OwnedFd,
    offsets: &XdpRingOffset,
    size: u32,
) -> Result<Consumer<XdpDesc>, Errno> {
    let mapping = map_ring::<XdpDesc>(fd, offsets, size, XDP_PGOFF_RX_RING)?;
    Consumer::new(mapping, offsets, size).ok_or(Errno::NOSYS)
}

fn register(fd: &OwnedFd, umem: &Umem, geometry: Geometry) -> Result<(), Errno> {
    let (addr, len) = umem.range();
    let registration = XdpUmemReg {
        addr,
        len,
        chunk_size: geometry.chunk_bytes,
        headroom: 0,
        flags: XdpUmemRegFlags::empty(),
        tx_metadata_len: 0,
    };
    sockopt::set_xdp_umem_reg(fd, registration)
}

/// Sizes the rings; nothing is ever sent, but the kernel wants a completion ring too.
fn size_rings(fd: &OwnedFd, geometry: Geometry) -> Result<(), Errno> {
    sockopt::set_xdp_umem_fill_ring_size(fd, geometry.fill_ring())?;
    sockopt::set_xdp_umem_completion_ring_size(fd, 64)?;
    sockopt::set_xdp_rx_ring_size(fd, geometry.receive_ring)
}

fn map_ring<T>(
    fd: &OwnedFd,
    offsets: &XdpRingOffset,
    size: u32,
    place: u64,
) -> Result<Mapping, Errno> {
    let length = mapping_length::<T>(offsets, size).ok_or(Errno::OVERFLOW)?;
    Mapping::shared(fd.as_fd(), length, place)
}

/// Binds the socket, and asks the kernel how; also says whether frames may come in several chunks,
/// which kernels before 6.6 refuse.
///
/// A queue that is taken may be that of a program which has just ended, and is waited for.
/// Asked for neither mode, the kernel tries zero-copy and then copies; some drivers fail half-way,
/// so that copying is then asked for by name.
fn bind_queue(
    fd: &OwnedFd,
    interface: &Interface,
    queue: u32,
    mut several: bool,
) -> Result<(BindMode, bool), Error> {
    let wakeup = SocketAddrXdpFlags::XDP_USE_NEED_WAKEUP;
    let chunks = |several| match several {
        true => SocketAddrXdpFlags::XDP_USE_SG,
        false => SocketAddrXdpFlags::empty(),
    };
    let try_bind = |flags| bind(fd, &SocketAddrXdp::new(flags, interface.index(), queue));
    let begun = Instant::now();
    let bound = loop {
        match try_bind(wakeup | chunks(several)) {
            Err(Errno::INVAL) if several => several = false,
            Err(Errno::BUSY) if begun.elapsed() < LINGERING => thread::sleep(LINGERING / 50),
            bound => break bound,
        }
    };
    match bound {
        Ok(()) => {}
        Err(Errno::BUSY) => {
            return Err(Error::QueueBusy { interface: interface.name().into(), queue });
        }
        Err(first) => try_bind(wakeup | chunks(several) | SocketAddrXdpFlags::XDP_COPY)
            .map_err(|_| refusal(interface, queue, "binding the queue", first))?,
    }
    let options = sockopt::xdp_options(fd)
        .map_err(|cause| refusal(interface, queue, "asking how it was bound", cause))?;
    let zero_copy = options.contains(XdpOptionsFlags::XDP_OPTIONS_ZEROCOPY);
    Ok((if zero_copy { BindMode::ZeroCopy } else { BindMode::Copy }, several))
}

/// What the kernel has refused of a queue's set-up, and what is missing for it.
pub(super) fn refusal(
    interface: &Interface,
    queue: u32,
    step: &'static str,
    cause: impl Into<io::Error>,
) -> Error {
    let cause = cause.into();
    match error::not_permitted(&cause) {
        Some(missing) => {
            let what = format!("{step} for queue {queue} of {}", interface.name());
            Error::NotPermitted { what, missing }
        }
        None => Error::Socket { interface: interface.name().into(), queue, step, cause },
    }
}

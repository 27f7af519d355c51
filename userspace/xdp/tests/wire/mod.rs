//! A wire to test on: a veth pair in a network namespace that lives as long as one test thread.
//!
//! ```text
//!    AF_PACKET --> near ======= veth ======= far --> XDP program --> AF_XDP, queue 0 and 1
//! ```
//!
//! The namespace has no name: the kernel takes it down, and all that is in it, when the thread and
//! its sockets are gone, however the test ends.

use std::{
    fs,
    os::fd::{AsRawFd, OwnedFd},
    process::Command,
    time::{Duration, Instant},
};

use calltap_xdp::{Frame, Geometry, Interface, Mark, Socket, missing_capabilities};
use rustix::{
    net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socket_with},
    thread::{UnshareFlags, unshare_unsafe},
};

/// Runs a test on a thread of its own in a network namespace of its own, or says why not.
pub(crate) fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let missing = missing_capabilities();
    if !missing.is_empty() {
        println!("skipped: this test needs {}", missing.join(", "));
        return;
    }
    let thread = std::thread::spawn(|| {
        // SAFETY: a network namespace is the thread's own; no file descriptor changes hands.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.expect("a network namespace");
        // The kernel's own neighbour discovery would be counted among the test's frames.
        for scope in ["all", "default"] {
            let path = format!("/proc/sys/net/ipv6/conf/{scope}/disable_ipv6");
            fs::write(path, "1").expect("IPv6 off");
        }
        ip("link set lo up");
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` with these arguments.
pub(crate) fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status().expect("ip of iproute2");
    assert!(status.success(), "ip {arguments}");
}

/// Both ends of a veth pair, up.
pub(crate) struct Wire {
    near: OwnedFd,
    pub(crate) far: Interface,
}

impl Wire {
    /// Lays a pair with two queues at each end.
    pub(crate) fn lay() -> Self {
        ip("link add near numrxqueues 2 numtxqueues 2 type veth \
            peer name far numrxqueues 2 numtxqueues 2"
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
            .as_str());
        ip("link set near up");
        ip("link set far up");
        Self { near: packet_socket("near"), far: Interface::open("far").expect("far") }
    }

    /// Sends a frame in at the near end.
    pub(crate) fn send(&self, frame: &[u8]) {
        let sent = send(&self.near, frame, SendFlags::empty()).expect("frame sent");
        assert_eq!(sent, frame.len());
    }

    /// A socket on each queue of the far end.
    pub(crate) fn sockets(&self, geometry: Geometry) -> Vec<Socket> {
        (0..self.far.queues())
            .map(|queue| Socket::open(&self.far, queue, geometry).expect("a socket"))
            .collect()
    }
}

/// A packet socket bound to an interface, for sending.
fn packet_socket(name: &str) -> OwnedFd {
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)
        .expect("a packet socket");
    let index = Interface::open(name).expect("interface").index();
    // SAFETY: all zero is a value of this struct.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).expect("17");
    address.sll_ifindex = libc::c_int::try_from(index).expect("an index");
    let length = libc::socklen_t::try_from(size_of_val(&address)).expect("20");
    // SAFETY: address and length are those of a `struct sockaddr_ll`.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    assert_eq!(bound, 0, "{}", std::io::Error::last_os_error());
    socket
}

/// What one received frame was: its mark and its bytes.
pub(crate) type Received = (Mark, Vec<u8>);

/// Receives until `count` frames are there or two seconds are over, and then once more, so that a
/// frame too many is seen too.
pub(crate) fn receive(sockets: &mut [Socket], count: usize) -> Vec<Received> {
    let deadline = Instant::now() + Duration::from_secs(2);
    let mut received = Vec::new();
    while received.len() < count && Instant::now() < deadline {
        for socket in &mut *sockets {
            drain(socket, &mut received);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(20));
    for socket in sockets {
        drain(socket, &mut received);
    }
    received
}

/// Receives what is there.
pub(crate) fn drain(socket: &mut Socket, received: &mut Vec<Received>) {
    let mut frames: Vec<Frame> = Vec::new();
    while socket.receive(&mut frames, 64) > 0 {
        received
            .extend(frames.iter().map(|frame| (socket.mark(frame), socket.bytes(frame).to_vec())));
        socket.release(frames.drain(..));
    }
}

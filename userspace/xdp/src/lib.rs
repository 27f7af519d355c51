//! Frames out of the kernel: the XDP filter loaded and attached, AF_XDP sockets, rings and UMEM.
//!
//! This is the only crate of user space with unsafe code, all of it at the kernel's boundary.
//!
//! A capture opens an [`Interface`], one [`Socket`] for each of its receive queues (or two: see
//! [`Socket::for_signalling`]), registers them
//! with the [`Filter`] and then attaches it, so that no kept frame ever finds its queue unbound:
//!
//! ```no_run
//! use calltap_xdp::{AttachWish, Filter, Geometry, Interface, LoadOptions, Mode, Socket};
//!
//! # fn main() -> Result<(), calltap_xdp::Error> {
//! let interface = Interface::open("eth0")?;
//! let mut filter = Filter::load(LoadOptions::default())?;
//! filter.configure(Mode::Mirror);
//! let mut sockets = Vec::new();
//! for queue in 0..interface.queues() {
//!     let socket = Socket::open(&interface, queue, Geometry::for_mtu(interface.mtu()))?;
//!     filter.register(&socket)?;
//!     sockets.push(socket);
//! }
//! filter.attach(&interface, AttachWish::Auto)?;
//! # Ok(())
//! # }
//! ```

#![allow(unsafe_code, reason = "mapped kernel memory and raw system calls are this crate's work")]

pub mod clock;
pub mod generator;

mod bpf;
mod capability;
mod error;
mod filter;
mod interface;
mod mapping;
mod netlink;
mod ring;
mod socket;
mod umem;

pub use calltap_ebpf::abi::{Counter, Mark, Mode, Reason};
pub use capability::missing_capabilities;
pub use error::{Error, detaching};
pub use filter::{
    AttachMode, AttachWish, Counters, Discrepancy, Filter, Identity, LoadOptions, TestRun,
};
pub use interface::{Abilities, Interface, Offloads, Received};
pub use socket::{BindMode, Geometry, Socket, Statistics, wait_for_any};
pub use umem::Frame;

//! A network interface: its name, index, receive queues and hardware address.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    io::Errno,
    net::{AddressFamily, SocketFlags, SocketType, socket_with},
};

use crate::{Error, Geometry, filter, netlink};

pub use netlink::Received;

mod ethtool;
mod netdev;

pub use netdev::Abilities;

/// What a driver does with frames ahead of every program; `None` where it does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Frames of one flow are merged by the network stack (`gro`).
    pub gro: Option<bool>,
    /// Frames of one flow are merged by the card (`lro`).
    pub lro: Option<bool>,
    /// VLAN tags are taken out of frames (`rxvlan`).
    pub rx_vlan: Option<bool>,
}

/// A socket by which drivers are asked.
fn asking() -> Result<OwnedFd, Errno> {
    socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

/// An interface of this network namespace, as it was when it was opened.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Default))]
pub struct Interface {
    name: String,
    index: u32,
    queues: u32,
    mac: [u8; 6],
    mtu: u32,
    driver: String,
}

impl Interface {
    /// Looks an interface up by its name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchInterface`], or [`Error::System`] if the kernel will not say.
    pub fn open(name: &str) -> Result<Self, Error> {
        // IFNAMSIZ is 16, with the final zero.
        let none = || Error::NoSuchInterface { name: name.into() };
        if name.is_empty() || name.len() > 15 || name.contains('\0') {
            return Err(none());
        }
        let asked = |cause| Error::system(format!("asking the kernel about {name}"), cause);
        let link =
            netlink::link(&netlink::Which::Name(name)).map_err(
                |cause| match Errno::from_io_error(&cause) {
                    Some(Errno::NODEV) => none(),
                    _ => asked(cause),
                },
            )?;
        let socket = asking().map_err(|cause| asked(cause.into()))?;
        Ok(Self {
            // An alternative name was asked for, perhaps: this is the one the kernel uses.
            queues: ethtool::receive_queues(socket.as_fd(), &link.name),
            driver: ethtool::driver(socket.as_fd(), &link.name),
            name: link.name,
            index: link.index,
            mac: link.mac,
            mtu: link.mtu,
        })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its index, by which the kernel knows it.
    #[must_use]
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// How many receive queues it uses, numbered from 0; frames come by all of them.
    #[must_use]
    pub const fn queues(&self) -> u32 {
        self.queues
    }

    /// Its hardware address.
    #[must_use]
    pub const fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Bytes of network-layer packet a frame may carry, link headers not counted.
    #[must_use]
    pub const fn mtu(&self) -> u32 {
        self.mtu
    }

    /// Whether its MTU allows for frames that a driver may give to a program in several buffers.
    #[must_use]
    pub const fn has_long_frames(&self) -> bool {
        Geometry::for_mtu(self.mtu).chunk_bytes > 2048
    }

    /// What it has received, and dropped for want of room, since it came up.
    ///
    /// # Errors
    ///
    /// [`Error::InterfaceGone`], or [`Error::System`] if the kernel will not say.
    pub fn received(&self) -> Result<Received, Error> {
        let link = netlink::link(&netlink::Which::Index(self.index));
        link.map(|link| link.received).map_err(|cause| match Errno::from_io_error(&cause) {
            Some(Errno::NODEV) => Error::InterfaceGone { interface: self.name.clone() },
            _ => Error::system(format!("asking the kernel about {}", self.name), cause),
        })
    }

    /// What its driver does with frames ahead of every program.
    #[must_use]
    pub fn offloads(&self) -> Offloads {
        asking().map(|it| ethtool::offloads(it.as_fd(), &self.name)).unwrap_or_default()
    }

    /// Whether the card can stamp frames as they arrive; `None` if the driver does not say.
    #[must_use]
    pub fn stamps(&self) -> Option<bool> {
        ethtool::stamps(asking().ok()?.as_fd(), &self.name)
    }

    /// Whether both directions of a flow come by one queue (symmetric receive-side scaling); `None`
    /// if the driver does not say.
    #[must_use]
    pub fn is_symmetric(&self) -> Option<bool> {
        ethtool::is_symmetric(asking().ok()?.as_fd(), &self.name)
    }

    /// What its driver can do for XDP programs; `None` on kernels before 6.3, which do not tell.
    #[must_use]
    pub fn abilities(&self) -> Option<Abilities> {
        netdev::abilities(self.index).ok()
    }

    /// The XDP program that is attached to it: its id and its name.
    #[must_use]
    pub fn program(&self) -> Option<(u32, String)> {
        let id = netlink::link(&netlink::Which::Index(self.index)).ok()?.program?;
        Some((id, filter::program_name(id)))
    }

    /// The name of its driver, or `unknown`.
    #[must_use]
    pub fn driver(&self) -> &str {
        &self.driver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_has_one_queue() {
        let loopback = Interface::open("lo").unwrap();
        assert_eq!((loopback.name(), loopback.queues()), ("lo", 1));
        assert_eq!(loopback.mac(), [0; 6]);
    }

    #[test]
    fn the_kernel_tells_what_a_driver_can_do_for_programs() {
        // Loopback has no native mode, and the answer is there all the same.
        let loopback = Interface::open("lo").unwrap();
        if let Some(abilities) = loopback.abilities() {
            assert_eq!((abilities.native, abilities.zero_copy), (false, false));
        }
        assert_eq!(loopback.offloads().lro, Some(false));
    }

    #[test]
    fn a_name_no_interface_can_have_is_refused() {
        for name in ["", "none-such", "a-name-of-over-fifteen-bytes", "a\0b"] {
            assert!(matches!(Interface::open(name), Err(Error::NoSuchInterface { .. })));
        }
    }
}

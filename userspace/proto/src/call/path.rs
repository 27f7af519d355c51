//! The way a message took: one hop, in one direction.

use core::net::SocketAddr;

/// Sender and receiver of a message, as its packets have them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
}

impl Path {
    /// The way an answer takes.
    pub(crate) fn back(self) -> Self {
        Self { source: self.destination, destination: self.source }
    }

    /// Whether both are between the same two hosts: requests of one transaction over TCP may use
    /// several connections.
    pub(crate) fn same_hosts(self, other: Self) -> bool {
        self.source.ip() == other.source.ip() && self.destination.ip() == other.destination.ip()
    }
}

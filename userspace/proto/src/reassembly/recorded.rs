//! Media that was recorded in fragments, put together once more to be counted.

use alloc::vec::Vec;
use core::time::Duration;

use super::ip::{Assembled, Fed, Fragments};
use crate::call::Limits;
use crate::event::Kept;
use crate::packet::{Fragment, Packet};

/// The fragments of one call's media.
#[derive(Debug)]
pub struct Datagrams {
    fragments: Fragments,
}

impl Default for Datagrams {
    /// A second's worth of a call's media at most: what does not become whole is not counted.
    fn default() -> Self {
        let limits = Limits {
            datagrams: 256,
            datagram_bytes: 1 << 20,
            datagram_age: Duration::from_secs(1),
            ..Limits::default()
        };
        Self { fragments: Fragments::new(&limits) }
    }
}

impl Datagrams {
    /// Takes a fragment; gives the datagram that it completes, behind an IP header of its own
    /// ([`LinkType::Raw`](crate::packet::LinkType::Raw)).
    pub fn feed(
        &mut self,
        frame: Kept<'_>,
        packet: &Packet<'_>,
        fragment: &Fragment<'_>,
    ) -> Option<Vec<u8>> {
        let fed = self.fragments.feed(frame.at, &[frame], packet, fragment);
        while self.fragments.give_up(frame.at, |_| false).is_some() {}
        match fed {
            Fed::Whole(Assembled { packet, .. }) => packet,
            Fed::Waits | Fed::Behind(_) => None,
        }
    }
}

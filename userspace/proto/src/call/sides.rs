//! Which side of a call is a target's, where a warrant orders one direction of content alone.
//!
//! A message that names the target in From or To, or asserts him as its sender, shows the tag of his
//! side of the dialog, and the other tag as that of who speaks with him (RFC 3261 §12).
//! A description is its sender's, so an endpoint is the side's whose tag described it, on whichever
//! hop; one that both sides described, or a side that no message ties to a target, is nobody's that
//! can be told: what a back-to-back user agent makes of a call without naming the target is that.

use alloc::boxed::Box;
use core::net::{IpAddr, SocketAddr};

use litemap::LiteMap;

use super::legs::Legs;
use super::matching::{Place, Warrants};
use crate::sip::{self, Header, Message, StartLine, Uri};
use crate::target::{Entry, Identity, within};
use crate::warrant::Side;

/// The tags of a target's side of a call under one warrant, and of the others'.
#[derive(Clone, Debug, Default)]
pub(super) struct Sides {
    targets: LiteMap<Box<[u8]>, ()>,
    peers: LiteMap<Box<[u8]>, ()>,
    /// Whose each open endpoint is, as was told last.
    pub(super) told: LiteMap<SocketAddr, Side>,
}

/// Tags of one call; forks have one each.
const MAX_TAGS: usize = 64;

impl Sides {
    /// Takes note of whose tags a message has; says whose message it is.
    pub(super) fn learn(&mut self, message: &Message<'_>, [from, to]: [bool; 2]) -> Side {
        let tags = [message.from, message.to]
            .map(|value| value.and_then(sip::tag).filter(|tag| !tag.is_empty()));
        let is_target = |known: bool, tag: Option<&[u8]>| {
            known || tag.is_some_and(|tag| self.targets.contains_key(tag))
        };
        let [from, to] = [is_target(from, tags[0]), is_target(to, tags[1])];
        for (tag, is_target, is_peer) in [(tags[0], from, to), (tags[1], to, from)] {
            let Some(tag) = tag else { continue };
            let set = if is_target {
                &mut self.targets
            } else if is_peer {
                &mut self.peers
            } else {
                continue;
            };
            if set.len() < MAX_TAGS {
                set.insert(tag.into(), ());
            }
        }
        let is_request = matches!(message.start, StartLine::Request { .. });
        match if is_request { (from, to) } else { (to, from) } {
            (true, _) => Side::Target,
            (false, true) => Side::Peer,
            (false, false) => Side::Unknown,
        }
    }

    /// Whose an endpoint is by who described it; none where nobody does any more.
    pub(super) fn of(&self, endpoint: SocketAddr, legs: &Legs) -> Option<Side> {
        let sides = legs.describers(endpoint).map(|tag| {
            if self.targets.contains_key(tag) {
                Side::Target
            } else if self.peers.contains_key(tag) {
                Side::Peer
            } else {
                Side::Unknown
            }
        });
        sides.reduce(|one, other| if one == other { one } else { Side::Unknown })
    }
}

/// Whose an address is in a call of an address target; none where the target is none.
pub(super) fn of_address(target: &Identity, address: IpAddr) -> Option<Side> {
    let &Identity::Network { address: network, length } = target else { return None };
    Some(if within(address, network, length) { Side::Target } else { Side::Peer })
}

impl Warrants {
    /// Whether From and To of a message name a target of the warrant, or what asserts them does.
    pub(super) fn ends(&self, id: u32, message: &Message<'_>) -> [bool; 2] {
        let Some(place) = self.list.iter().position(|warrant| warrant.id == id) else {
            return [false; 2];
        };
        let names = |value: &[u8]| {
            let mut named = false;
            for uri in sip::uris(value).filter_map(Uri::parse) {
                let mut note = |Entry { warrant, .. }| named |= warrant == place;
                self.index.uri(&uri, &mut note);
            }
            named
        };
        let asserted = message.fields().any(|field| {
            let place = Header::named(field.name).and_then(|it| Place::of(it, b""));
            let asserts =
                matches!(place, Some(Place::PAssertedIdentity | Place::PPreferredIdentity));
            asserts && names(field.value)
        });
        let is_request = matches!(message.start, StartLine::Request { .. });
        let [from, to] = [message.from, message.to].map(|value| value.is_some_and(names));
        [from || asserted && is_request, to || asserted && !is_request]
    }
}

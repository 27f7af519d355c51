//! Who takes part in a call, so that a stranger who uses its Call-ID does not.
//!
//! A Call-ID alone proves nothing: anybody may send one that he saw, and some user agents use the
//! same again and again.
//! What names a dialog are its tags beside it (RFC 3261 §12), which a stranger cannot guess.
//! Proxies leave tags alone but change hosts; back-to-back user agents in the path may keep the
//! Call-ID and change the tags.
//! So a message of a followed Call-ID that names no target itself is the call's if
//!
//! 1. it has a tag of the call;
//! 2. or it went between two hosts between which a message of the call went before;
//! 3. or a host of the call sent it: in a dialog already, or to begin one while an INVITE of the
//!    call to that host has no answer;
//! 4. or it began a dialog with a host of the call before the message was seen that names the
//!    target, when no stranger could know the Call-ID yet.
//!
//! Rules 2 to 4 do not hold for who was refused before, known again by the tag.

use alloc::boxed::Box;
use core::net::IpAddr;

use litemap::LiteMap;

use super::path::Path;
use crate::sip::{self, Message, StartLine};

/// Tags and hosts of a call.
#[derive(Debug, Default)]
pub(super) struct Parties {
    tags: LiteMap<Box<[u8]>, ()>,
    /// Tags of those who were refused.
    refused: LiteMap<Box<[u8]>, ()>,
    /// Each pair of hosts between which its messages go, the lower first.
    hops: LiteMap<(IpAddr, IpAddr), ()>,
}

/// More than a call has of each; what comes beyond is not learned.
const MAX_TAGS: usize = 256;
const MAX_HOPS: usize = 128;
const MAX_REFUSED: usize = 64;

impl Parties {
    /// Takes note of a message of the call; says whether it shows a party that was not known.
    pub(super) fn learn(&mut self, path: Path, message: Option<&Message<'_>>) -> bool {
        if self.hops.len() < MAX_HOPS {
            self.hops.insert(hop(path), ());
        }
        let mut fresh = false;
        for tag in message.into_iter().flat_map(tags) {
            if self.tags.len() < MAX_TAGS && !self.tags.contains_key(tag) {
                self.tags.insert(tag.into(), ());
                fresh = true;
            }
        }
        fresh
    }

    /// Whether a message of this Call-ID, which names no target, is the call's.
    ///
    /// `awaits` says whether an INVITE of the call to this host has no answer yet.
    pub(super) fn include(
        &self,
        path: Path,
        message: Option<&Message<'_>>,
        awaits: impl FnOnce(IpAddr) -> bool,
    ) -> bool {
        self.has_tag(message)
            || !self.has_refused(message) && {
                let begins = message.is_some_and(begins_dialog);
                let sender = path.source.ip();
                self.hops.contains_key(&hop(path))
                    || message.is_some() && self.has_host(sender) && (!begins || awaits(sender))
            }
    }

    /// The same for a message that was seen before any that names the target.
    pub(super) fn include_early(&self, path: Path, message: &Message<'_>) -> bool {
        let known = || {
            self.has_host(path.source.ip())
                || begins_dialog(message) && self.has_host(path.destination.ip())
        };
        self.has_tag(Some(message)) || !self.has_refused(Some(message)) && known()
    }

    /// Remembers who began a dialog of his own under the call's Call-ID.
    pub(super) fn refuse(&mut self, message: &Message<'_>) {
        let tag = message.from.and_then(sip::tag).filter(|tag| !tag.is_empty());
        if let Some(tag) = tag.filter(|_| begins_dialog(message))
            && self.refused.len() < MAX_REFUSED
        {
            self.refused.insert(tag.into(), ());
        }
    }

    /// Whether both tags of a dialog are the call's; `0` stands for none (RFC 3891 §3).
    pub(super) fn have_dialog(&self, tags: [&[u8]; 2]) -> bool {
        tags != [b"0", b"0"] && tags.iter().all(|tag| *tag == b"0" || self.tags.contains_key(*tag))
    }

    fn has_tag(&self, message: Option<&Message<'_>>) -> bool {
        message.into_iter().flat_map(tags).any(|tag| self.tags.contains_key(tag))
    }

    fn has_refused(&self, message: Option<&Message<'_>>) -> bool {
        message.into_iter().flat_map(tags).any(|tag| self.refused.contains_key(tag))
    }

    fn has_host(&self, host: IpAddr) -> bool {
        self.hops.keys().any(|&(a, b)| a == host || b == host)
    }
}

fn hop(path: Path) -> (IpAddr, IpAddr) {
    let (a, b) = (path.source.ip(), path.destination.ip());
    (a.min(b), a.max(b))
}

/// A request outside any dialog (RFC 3261 §12.1).
fn begins_dialog(message: &Message<'_>) -> bool {
    matches!(message.start, StartLine::Request { .. })
        && message.to.and_then(sip::tag).is_none_or(<[u8]>::is_empty)
}

fn tags<'a>(message: &Message<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let both = [message.from, message.to].into_iter().flatten();
    both.filter_map(sip::tag).filter(|tag| !tag.is_empty())
}

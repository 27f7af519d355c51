//! IP datagrams from their fragments (RFC 791 §3.2, RFC 8200 §4.5), in any order.
//!
//! What waits is bounded in number, bytes and age. What is given up is given out as far as it is
//! there, as it may be a target's; what names a target makes room last.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

pub(crate) use super::datagram::{Assembled, Key};
use super::datagram::{Datagram, may_be_media};
pub(crate) use super::recent::Given;
use super::recent::Recent;
use crate::call::Limits;
use crate::event::Kept;
use crate::packet::{Fragment, Packet};
use crate::time::Timestamp;

/// Fragments that wait for the others of their datagram.
#[derive(Debug)]
pub(crate) struct Fragments {
    datagrams: BTreeMap<Key, Datagram>,
    /// By worth and age: whether a datagram is known to name a target, and its serial number.
    by_worth: BTreeMap<(bool, u64), Key>,
    by_due: BTreeSet<(Timestamp, Key)>,
    next_serial: u64,
    bytes: usize,
    /// Datagrams that were whole a moment ago.
    whole: Recent,
    /// Datagrams that were a target's although fragments were missing.
    cut: Recent,
    limits: Bounds,
    /// Datagrams given up before they were whole.
    pub(crate) given_up: u64,
    /// Fragments that came when their datagram had been given out without them.
    pub(crate) late: u64,
    /// Fragments of datagrams that had just become whole: mirrored duplicates.
    pub(crate) repeated: u64,
}

#[derive(Debug)]
struct Bounds {
    datagrams: usize,
    bytes: usize,
    age: Duration,
    media_age: Duration,
}

/// What a fragment leads to.
#[derive(Debug)]
pub(crate) enum Fed {
    /// Others are missing yet.
    Waits,
    /// The datagram is whole.
    Whole(Assembled),
    /// The datagram was given out before.
    Behind(Given),
}

/// How long a whole datagram is remembered, so that a mirrored duplicate of its last fragment does
/// not wait for, and mix with, the next datagram of the same identification.
const MEMORY: Duration = Duration::from_millis(500);

/// Media is waited for at least so long, however short the grace time is.
const MEDIA_AGE: Duration = Duration::from_secs(1);

impl Fragments {
    pub(crate) fn new(limits: &Limits) -> Self {
        let &Limits { datagrams, datagram_bytes, datagram_age, grace, .. } = limits;
        Self {
            datagrams: BTreeMap::new(),
            by_worth: BTreeMap::new(),
            by_due: BTreeSet::new(),
            next_serial: 0,
            bytes: 0,
            whole: Recent::new(MEMORY, datagrams),
            cut: Recent::new(datagram_age, datagrams),
            limits: Bounds {
                datagrams,
                bytes: datagram_bytes,
                age: datagram_age,
                // What is given up of media finds its endpoint still open.
                media_age: datagram_age.min(grace.max(MEDIA_AGE)),
            },
            given_up: 0,
            late: 0,
            repeated: 0,
        }
    }

    /// Takes a fragment, and the frames that it came in: several where it was in a tunnel whose
    /// packets were fragments too.
    pub(crate) fn feed(
        &mut self,
        at: Timestamp,
        frames: &[Kept<'_>],
        packet: &Packet<'_>,
        fragment: &Fragment<'_>,
    ) -> Fed {
        self.whole.expire(at);
        self.cut.expire(at);
        let protocol = if packet.source.is_ipv4() { fragment.protocol } else { 0 };
        let key = (packet.tunnel, packet.source, packet.destination, protocol, fragment.id);
        if let Some(given) = self.whole.get(&key) {
            self.repeated += 1;
            return Fed::Behind(given.clone());
        }
        if let Some(given) = self.cut.get(&key) {
            self.late += 1;
            return Fed::Behind(given.clone());
        }
        let (serial, due) = (self.next_serial, at.after(self.limits.age));
        let datagram = self.datagrams.entry(key).or_insert_with(|| Datagram::new(serial, due));
        if datagram.serial == serial {
            self.next_serial += 1;
            self.by_worth.insert((false, serial), key);
            self.by_due.insert((due, key));
        }
        let sooner = at.after(self.limits.media_age);
        if sooner < datagram.due && may_be_media(fragment) {
            self.by_due.remove(&(datagram.due, key));
            datagram.due = sooner;
            self.by_due.insert((sooner, key));
        }
        let before = datagram.cost;
        datagram.add(frames, fragment);
        self.bytes += datagram.cost - before;
        match datagram.whole(key) {
            Some(whole) => {
                self.remove(&key);
                Fed::Whole(whole)
            }
            None => Fed::Waits,
        }
    }

    /// Remembers whose a datagram was that was given out at `at`.
    pub(crate) fn remember(&mut self, key: Key, at: Timestamp, is_whole: bool, given: Given) {
        let recent = if is_whole { &mut self.whole } else { &mut self.cut };
        recent.insert(key, at, given);
    }

    /// Gives up a datagram that has waited too long, or one more than there is room for.
    ///
    /// `names_target` looks at what there is of one; what is a target's makes room when nothing
    /// else is left.
    pub(crate) fn give_up(
        &mut self,
        now: Timestamp,
        names_target: impl Fn(&[u8]) -> bool,
    ) -> Option<Assembled> {
        let due = self.by_due.first().filter(|(due, _)| *due <= now).map(|&(_, key)| key);
        let key = due.or_else(|| self.crowded_out(names_target))?;
        self.given_up += 1;
        self.remove(&key).map(|datagram| datagram.cut(key))
    }

    fn crowded_out(&mut self, names_target: impl Fn(&[u8]) -> bool) -> Option<Key> {
        let Bounds { datagrams, bytes, .. } = self.limits;
        if self.datagrams.len() <= datagrams && self.bytes <= bytes {
            return None;
        }
        loop {
            let (&(is_target, serial), &key) = self.by_worth.first_key_value()?;
            let datagram = self.datagrams.get_mut(&key)?;
            if is_target || !datagram.beginning(key).is_some_and(|text| names_target(&text)) {
                return Some(key);
            }
            datagram.target = true;
            self.by_worth.remove(&(false, serial));
            self.by_worth.insert((true, serial), key);
        }
    }

    /// When the next datagram is given up.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        self.by_due.first().map(|&(due, _)| due)
    }

    fn remove(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.by_worth.remove(&(datagram.target, datagram.serial));
        self.by_due.remove(&(datagram.due, *key));
        self.bytes -= datagram.cost;
        Some(datagram)
    }
}

#[cfg(test)]
mod tests;

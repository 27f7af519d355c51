//! User messages from the chunks of SCTP packets (RFC 9260 §6.9, RFC 8260 §2), as SIP uses them (RFC
//! 4168): one SIP message is one user message, on any stream, ordered or not.

mod chunk;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use super::recent::Owners;
use super::shared::{Numbers, Shared};
use super::stream::Framed;
use crate::call::{Limits, Path};
use crate::event::{Flaw, Kept};
use crate::time::Timestamp;
use chunk::Data;
pub(crate) use chunk::{Name, data};

/// Messages of which a part is missing yet.
#[derive(Debug)]
pub(crate) struct Messages {
    waiting: BTreeMap<Key, Parts>,
    /// By age: a number that is drawn anew with each part.
    by_age: BTreeMap<u64, Key>,
    next_serial: u64,
    frames: Shared,
    /// Bytes of user data.
    bytes: usize,
    done: VecDeque<Done>,
    limits: Bounds,
    /// Messages that were given up before they were whole.
    pub(crate) given_up: u64,
    /// Parts that repeat those of messages that were given out.
    pub(crate) repeated: u64,
}

#[derive(Debug)]
struct Bounds {
    messages: usize,
    bytes: usize,
    age: Duration,
}

/// A direction of an association, and what its message is known by.
type Key = (Path, Name);

/// What there is of messages of one name.
#[derive(Debug, Default)]
struct Parts {
    serial: u64,
    last_at: Timestamp,
    parts: BTreeMap<u32, Part>,
}

#[derive(Debug)]
struct Part {
    begins: bool,
    ends: bool,
    user_data: Box<[u8]>,
    /// Of the packet that it came in, and of those that brought it again.
    packets: Vec<Numbers>,
    /// Whether they brought something else.
    conflict: bool,
}

/// A message that was given out: its name, its first and last part, and whose it was.
#[derive(Debug)]
struct Done {
    at: Timestamp,
    key: Key,
    first: u32,
    last: u32,
    owners: Owners,
}

/// A message taken out of its parts.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) path: Path,
    text: Vec<u8>,
    packets: Vec<Numbers>,
    flaw: Option<Flaw>,
}

/// Takes a message and says whose it was.
type Sink<'s> = dyn FnMut(Framed<'_>) -> Owners + 's;

/// More chunks than fit into a packet that anybody sends.
const MAX_CHUNKS: usize = 64;

/// Messages in several parts that are remembered once they were whole, and for how long: a new
/// association may use the same numbers again.
const MAX_DONE: usize = 256;
const MEMORY: Duration = Duration::from_millis(500);

/// Parts of one message; a longer one than this allows is nobody's SIP.
const MAX_PARTS: usize = 1024;

/// A part that is mirrored twice, or retransmitted, so often; further copies are counted only.
const MAX_COPIES: usize = 8;

impl Messages {
    pub(crate) fn new(limits: &Limits) -> Self {
        let &Limits { datagrams: messages, datagram_bytes: bytes, datagram_age: age, .. } = limits;
        Self {
            waiting: BTreeMap::new(),
            by_age: BTreeMap::new(),
            next_serial: 0,
            frames: Shared::default(),
            bytes: 0,
            done: VecDeque::new(),
            limits: Bounds { messages, bytes, age },
            given_up: 0,
            repeated: 0,
        }
    }

    /// Takes the chunks of a packet, and gives each message that is whole to `sink`, with the frames
    /// that formed it; gives the owners of what the packet repeats.
    pub(crate) fn feed(
        &mut self,
        path: Path,
        frames: &[Kept<'_>],
        chunks: &[u8],
        flaw: Option<Flaw>,
        sink: &mut Sink<'_>,
    ) -> Owners {
        let at = frames.iter().map(|frame| frame.at).max().unwrap_or_default();
        while self.done.pop_front_if(|done| at.since(done.at) > MEMORY).is_some() {}
        let packet = self.frames.add(frames);
        let mut repeated = Owners::new();
        for data in data(chunks).take(MAX_CHUNKS) {
            let cut = data.is_cut.then_some(Flaw::BrokenOff);
            let key = (path, data.message);
            if data.begins && data.ends {
                let flaw = flaw.or(cut);
                self.frames.lend(core::slice::from_ref(&packet), |frames| {
                    sink(Framed { bytes: data.user_data, frames, flaw })
                });
            } else if let Some(done) = self.done.iter().find(|done| done.has(&key, data.number)) {
                self.repeated += 1;
                repeated.extend(&done.owners);
            } else if let Some((first, last)) = self.place(key, at, &data, &packet) {
                let mut whole = self.take(key, first, last);
                whole.flaw = flaw.or(cut).or(whole.flaw);
                let owners = self.give(&whole, sink);
                if self.done.len() >= MAX_DONE {
                    self.done.pop_front();
                }
                self.done.push_back(Done { at, key, first, last, owners });
            }
        }
        // A warrant that has the packet for another message in it does not get it twice.
        self.frames.lend(core::slice::from_ref(&packet), |mut frames| {
            repeated.retain(|owner| {
                let fresh = frames.iter_mut().map(|frame| frame.give(owner.warrant));
                fresh.fold(false, |any, fresh| any | fresh)
            });
        });
        self.frames.release(&packet);
        repeated
    }

    /// Gives a message that was taken to `sink`, and lets go of its frames.
    pub(crate) fn give(&mut self, taken: &Taken, sink: &mut Sink<'_>) -> Owners {
        let Taken { text, packets, flaw, .. } = taken;
        let owners =
            self.frames.lend(packets, |frames| sink(Framed { bytes: text, frames, flaw: *flaw }));
        for packet in packets {
            self.frames.release(packet);
        }
        owners
    }

    /// Gives up parts that have waited too long, or more of them than there is room for: what there
    /// is of the message, up to its first gap.
    pub(crate) fn give_up(&mut self, now: Timestamp) -> Option<Taken> {
        let (_, &key) = self.by_age.first_key_value()?;
        let parts = self.waiting.get(&key)?;
        let Bounds { messages, bytes, age } = self.limits;
        let is_crowded = self.waiting.len() > messages || self.bytes + self.frames.bytes() > bytes;
        if !is_crowded && parts.last_at.after(age) > now {
            return None;
        }
        self.given_up += 1;
        let (&first, _) = parts
            .parts
            .iter()
            .find(|(_, part)| part.begins)
            .or_else(|| parts.parts.first_key_value())?;
        let mut last = first;
        while parts.parts.contains_key(&last.wrapping_add(1)) {
            last = last.wrapping_add(1);
        }
        let mut taken = self.take(key, first, last);
        taken.flaw = Some(Flaw::BrokenOff);
        Some(taken)
    }

    /// When the next parts are given up.
    pub(crate) fn next_deadline(&self) -> Option<Timestamp> {
        let (_, key) = self.by_age.first_key_value()?;
        Some(self.waiting.get(key)?.last_at.after(self.limits.age))
    }

    /// Puts a part into its place; gives the first and the last number of the message that it
    /// completes.
    fn place(
        &mut self,
        key: Key,
        at: Timestamp,
        data: &Data<'_>,
        packet: &Numbers,
    ) -> Option<(u32, u32)> {
        let parts = self.waiting.entry(key).or_default();
        self.by_age.remove(&parts.serial);
        self.next_serial += 1;
        (parts.serial, parts.last_at) = (self.next_serial, at);
        self.by_age.insert(self.next_serial, key);
        let &Data { number, begins, ends, user_data, .. } = data;
        let bytes = &mut self.bytes;
        let part = parts.parts.entry(number).or_insert_with(|| {
            *bytes += size_of::<Part>() + user_data.len();
            let (packets, conflict) = (Vec::new(), false);
            Part { begins, ends, user_data: user_data.into(), packets, conflict }
        });
        part.conflict |= *part.user_data != *user_data;
        if part.packets.len() < MAX_COPIES {
            self.frames.hold(packet);
            part.packets.push(packet.clone());
        }
        parts.run(number)
    }

    /// Takes these parts out, as one message.
    fn take(&mut self, key: Key, first: u32, last: u32) -> Taken {
        let (mut text, mut packets, mut conflict) = (Vec::new(), Vec::new(), false);
        let mut number = first;
        while let Some(parts) = self.waiting.get_mut(&key) {
            if let Some(part) = parts.parts.remove(&number) {
                self.bytes -= size_of::<Part>() + part.user_data.len();
                text.extend_from_slice(&part.user_data);
                packets.extend(part.packets);
                conflict |= part.conflict;
            }
            if parts.parts.is_empty() {
                self.by_age.remove(&parts.serial);
                self.waiting.remove(&key);
            }
            if number == last {
                break;
            }
            number = number.wrapping_add(1);
        }
        Taken { path: key.0, text, packets, flaw: conflict.then_some(Flaw::Overlap) }
    }
}

impl Parts {
    /// First and last number of the whole message around this one.
    fn run(&self, around: u32) -> Option<(u32, u32)> {
        let (mut first, mut last) = (around, around);
        for _ in 0..MAX_PARTS {
            match (self.parts.get(&first)?.begins, self.parts.get(&last)?.ends) {
                (true, true) => return Some((first, last)),
                (false, _) => first = first.wrapping_sub(1),
                (true, false) => last = last.wrapping_add(1),
            }
        }
        None
    }
}

impl Done {
    fn has(&self, key: &Key, number: u32) -> bool {
        self.key == *key && number.wrapping_sub(self.first) <= self.last.wrapping_sub(self.first)
    }
}

#[cfg(test)]
mod tests;

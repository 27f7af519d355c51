//! Messages that were seen ahead of the one that shows whose they are.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::arrival::{Arrival, Frames};
use super::followed::Followed;
use super::follower::{Follower, Sink};
use super::hold::{Early, NAMES};
use super::joins::Key;
use super::kinship::{Kin, Kinship, MAX_SHARING};
use super::opening::Opening;
use crate::sip::Message;

/// The kind of name that a Call-ID is; keys that join have the kinds of
/// [`Joins`](super::Joins).
const CALL_ID: usize = usize::MAX;

impl Follower {
    /// Holds a stranger's message in memory for a moment.
    pub(super) fn hold_back(
        &mut self,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        frames: &Frames<'_, '_>,
    ) {
        let Some(call_id) = message.call_id.filter(|_| may_be_early(message)) else { return };
        let mut names = [self.hold.name(CALL_ID, call_id); NAMES];
        let mut count = 1;
        self.calls.kinship.keys(message, &mut |key| {
            let name = self.hold.name(key.kind, key.value());
            if let Some(slot) = names.get_mut(count) {
                *slot = name;
                count += 1;
            }
        });
        self.hold.keep(arrival, frames, names.get(..count).unwrap_or_default());
    }

    /// What is held of a call: all that its parties, as far as they are known, take part in.
    ///
    /// Each message may show further parties, so the rest is asked again.
    pub(super) fn early(&mut self, call: &mut Followed, current: &Frames<'_, '_>) -> Vec<Early> {
        let is_new = call.is_unbound();
        let name = self.hold.name(CALL_ID, &call.call_id);
        let mut all = Vec::new();
        loop {
            let found = self.hold.take(name, |bytes, path| {
                Message::parse(bytes).is_some_and(|message| {
                    let Followed { parties, progress, .. } = &*call;
                    let takes_part = if is_new {
                        parties.include_early(path, &message)
                    } else {
                        parties.include(path, Some(&message), |host| progress.awaits(host))
                    };
                    takes_part && message.call_id == Some(&call.call_id)
                })
            });
            if found.is_empty() {
                break;
            }
            for early in &found {
                call.parties.learn(early.path, Message::parse(&early.bytes).as_ref());
            }
            all.extend(found);
        }
        all.sort_by_key(|early| early.at);
        // A frame is given once, also where several of its messages are.
        let mut before: Vec<Early> = Vec::with_capacity(all.len());
        for mut early in all {
            early.frames.retain(|frame| {
                let is = |other: &crate::reassembly::Held| other.kept() == frame.kept();
                !current.have(&frame.kept()) && !before.iter().any(|it| it.frames.iter().any(is))
            });
            before.push(early);
        }
        before
    }

    /// Gives out what was held.
    pub(super) fn give_early(
        &mut self,
        call: &mut Followed,
        early: Vec<Early>,
        sink: &mut Sink<'_>,
    ) {
        for mut early in early {
            let Early { bytes, path, at, flaw, frames } = &mut early;
            let first = frames.iter().map(|frame| frame.kept().at).min().unwrap_or(*at);
            let Some(message) = Message::parse(bytes) else { continue };
            let arrival = Arrival { bytes, path: *path, first, at: *at, flaw: *flaw };
            let mut frames = Frames::Shared(frames.iter_mut().collect());
            self.take_in(call, &arrival, &message, &mut frames, sink);
        }
    }

    /// Looks for legs of a call that were seen ahead of the message whose keys they have.
    pub(super) fn join_early(
        &mut self,
        call_id: &[u8],
        message: &Message<'_>,
        sink: &mut Sink<'_>,
    ) {
        let mut legs: Vec<(Box<[u8]>, Kin)> = Vec::new();
        let mut crowded = None;
        let Self { hold, calls, .. } = self;
        calls.kinship.keys(message, &mut |key| {
            let mut found: Vec<Box<[u8]>> = Vec::new();
            hold.each(hold.name(key.kind, key.value()), |bytes| {
                let Some(held) = Message::parse(bytes) else { return };
                let Some(other) = held.call_id.filter(|other| *other != call_id) else { return };
                let mut has_key = false;
                calls.kinship.keys(&held, &mut |theirs: Key<'_>| {
                    has_key |= (theirs.kind, theirs.value()) == (key.kind, key.value());
                });
                if has_key && !found.iter().any(|it| **it == *other) {
                    found.push(other.into());
                }
            });
            if found.len() >= MAX_SHARING {
                crowded = Some(key);
                return;
            }
            for leg in found {
                let header = calls.kinship.header(&key).into();
                let value = key.value().into();
                if !legs.iter().any(|(known, _)| *known == leg) {
                    legs.push((leg, Kin { call_id: call_id.into(), header, value }));
                }
            }
        });
        if let Some(key) = crowded {
            calls.kinship.crowd(&key);
        }
        for (leg, kin) in legs {
            self.open_leg(&leg, &kin, sink);
        }
    }

    /// Opens a leg of which all that is known is held.
    fn open_leg(&mut self, call_id: &[u8], kin: &Kin, sink: &mut Sink<'_>) {
        if self.calls.get(call_id).is_some() {
            return;
        }
        let name = self.hold.name(CALL_ID, call_id);
        let mut first = true;
        // The newest shows who takes part.
        let found = self.hold.take(name, |bytes, _| {
            let is_leg = Message::parse(bytes).is_some_and(|it| it.call_id == Some(call_id));
            core::mem::take(&mut first) && is_leg
        });
        let Some(newest) = found.first() else { return };
        let mut call = self.call(call_id, newest.at, sink);
        call.parties.learn(newest.path, Message::parse(&newest.bytes).as_ref());
        let mut early = self.early(&mut call, &Frames::Own(&[]));
        early.extend(found);
        early.sort_by_key(|early| early.at);
        let Some(bytes) = early.first().map(|early| early.bytes.clone()) else { return };
        let Some(message) = Message::parse(&bytes) else { return };
        let at = early.first().map_or(call.due, |early| early.at);
        self.tie(&mut call, &kin.call_id, at, sink);
        let shown = self.shown(at, &message, &early);
        self.exclude(&mut call, &shown, at, sink);
        self.join(&mut call, kin, &Opening::of(&message, at), sink);
        self.give_early(&mut call, early, sink);
        self.calls.put(call);
    }
}

/// What describes media or answers what did: offers, answers, and what comes between them.
fn may_be_early(message: &Message<'_>) -> bool {
    Kinship::concerns(message.method()) && (message.method() != b"ACK" || !message.body.is_empty())
}

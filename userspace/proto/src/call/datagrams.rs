//! Datagrams that came in fragments: whole, cut, or a part of them once more.

use alloc::vec::Vec;

use super::Tracker;
use super::arrival::{Arrival, Frames};
use super::follower::Sink;
use super::path::Path;
use crate::event::{Event, Flaw, Kept};
use crate::packet::{self, Body, Datagram, Fragment, LinkType, Packet};
use crate::reassembly::{Assembled, Fed, Framed, Given, Held, Taken};
use crate::sip;
use crate::time::Timestamp;

/// Levels of fragmentation that are undone: a tunnel's packets, and what was in them.
const MAX_FRAGMENTED: usize = 4;

impl Tracker {
    /// Takes a fragment, which may complete its datagram; says whose that is, if that is known.
    ///
    /// What was in a tunnel may be a fragment in its turn, `level` deep.
    pub(super) fn fragment(
        &mut self,
        frames: &[Kept<'_>],
        packet: &Packet<'_>,
        fragment: &Fragment<'_>,
        level: usize,
        sink: &mut Sink<'_>,
    ) -> Option<Given> {
        let at = frames.iter().map(|frame| frame.at).max().unwrap_or_default();
        match self.fragments.feed(at, frames, packet, fragment) {
            Fed::Waits => None,
            Fed::Behind(given) => {
                let (calls, (source, destination)) = (&*given.owners, given.ends);
                for &frame in frames {
                    sink(Event::Late { frame, calls, source, destination });
                }
                Some(given)
            }
            Fed::Whole(whole) => {
                self.follower.counters.reassembled += 1;
                let given = self.assembled(at, &whole, level, sink);
                let nobodys = || Given { owners: Vec::new(), ends: whole.hosts() };
                let known = given.clone().unwrap_or_else(nobodys);
                self.fragments.remember(whole.key, at, true, known);
                given
            }
        }
    }

    /// Goes on with a datagram that has become whole.
    fn assembled(
        &mut self,
        at: Timestamp,
        whole: &Assembled,
        level: usize,
        sink: &mut Sink<'_>,
    ) -> Option<Given> {
        let frames: Vec<_> = whole.frames.iter().map(Held::kept).collect();
        let parsed = packet::parse(LinkType::Raw, whole.packet.as_deref().unwrap_or_default());
        let Some(packet) = parsed.ok().filter(|_| level < MAX_FRAGMENTED) else {
            self.follower.counters.malformed += 1;
            return None;
        };
        if let Body::Fragment(fragment) = packet.body {
            return self.fragment(&frames, &packet, &fragment, level + 1, sink);
        }
        let owners = self.transport(at, &frames, packet.body, whole.flaw, sink);
        let given = Given { owners, ends: packet.endpoints() };
        give_media(&given, &frames, &packet.body, sink);
        Some(given)
    }

    /// Gives up what has waited too long, and what there is no room for.
    pub(super) fn give_up_fragments(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        loop {
            let Self { fragments, follower, .. } = self;
            let names_target = |text: &[u8]| {
                packet::parse(LinkType::Raw, text).is_ok_and(|packet| match packet.body {
                    Body::Udp(Datagram { source, destination, payload }) => {
                        let (path, flaw) = (Path { source, destination }, None);
                        let at = now;
                        follower.names_target(&Arrival {
                            bytes: payload,
                            path,
                            first: at,
                            at,
                            flaw,
                        })
                    }
                    _ => false,
                })
            };
            let Some(cut) = fragments.give_up(now, names_target) else { break };
            self.cut(now, &cut, sink);
        }
    }

    /// Gives up parts of SCTP messages that have waited too long, or that there is no room for.
    pub(super) fn give_up_messages(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        while let Some(taken) = self.messages.give_up(now) {
            self.cut_message(now, &taken, sink);
        }
    }

    /// Gives up everything: the capture is over.
    pub(super) fn give_up_all(&mut self, now: Timestamp, sink: &mut Sink<'_>) {
        while let Some(cut) = self.fragments.give_up(Timestamp::MAX, |_| false) {
            self.cut(now, &cut, sink);
        }
        while let Some(taken) = self.messages.give_up(Timestamp::MAX) {
            self.cut_message(now, &taken, sink);
        }
    }

    fn cut_message(&mut self, now: Timestamp, taken: &Taken, sink: &mut Sink<'_>) {
        let Self { messages, follower, .. } = self;
        messages.give(taken, &mut |Framed { bytes, frames, flaw }| {
            let times = frames.iter().map(|frame| frame.kept().at);
            let first = times.clone().min().unwrap_or(now);
            let at = times.max().unwrap_or(now);
            let arrival = Arrival { bytes, path: taken.path, first, at, flaw };
            follower.cut(&arrival, Frames::Shared(frames), now, sink)
        });
    }

    /// Gives out what there is of a datagram, if somebody follows it.
    fn cut(&mut self, now: Timestamp, cut: &Assembled, sink: &mut Sink<'_>) {
        let frames: Vec<_> = cut.frames.iter().map(Held::kept).collect();
        let parsed = packet::parse(LinkType::Raw, cut.packet.as_deref().unwrap_or_default()).ok();
        let body = parsed.map(|packet| packet.body);
        let (at, flaw) = (cut.at(), Some(Flaw::FragmentsMissing));
        let owners = match body {
            Some(Body::Udp(Datagram { source, destination, payload })) => {
                let first = frames.iter().map(|frame| frame.at).min().unwrap_or(at);
                let path = Path { source, destination };
                let arrival = Arrival { bytes: payload, path, first, at, flaw };
                self.follower.cut(&arrival, Frames::Own(&frames), now, sink)
            }
            // What of a tunnel's packet is there may be the beginning of a fragment: nobody can
            // tell whose.
            Some(Body::Fragment(_)) => return,
            Some(body) => self.transport(at, &frames, body, flaw, sink),
            None => Vec::new(),
        };
        let ends = parsed.map_or_else(|| cut.hosts(), |packet| packet.endpoints());
        let nothing = Body::Other { protocol: 0, payload: &[] };
        let given = Given { owners, ends };
        give_media(&given, &frames, body.as_ref().unwrap_or(&nothing), sink);
        if !given.owners.is_empty() {
            self.follower.counters.fragments_cut += 1;
            self.fragments.remember(cut.key, now, false, given);
        }
    }
}

/// What is no message of a target's may be media.
fn give_media(given: &Given, frames: &[Kept<'_>], body: &Body<'_>, sink: &mut Sink<'_>) {
    let payload = match body {
        Body::Udp(datagram) if !sip::looks_like_start_line(datagram.payload) => datagram.payload,
        Body::Other { .. } => &[],
        _ => return,
    };
    if given.owners.is_empty() {
        let (source, destination) = given.ends;
        sink(Event::Reassembled { frames, source, destination, payload });
    }
}

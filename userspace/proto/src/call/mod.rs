//! The calls of targets, followed through signalling.

mod arrival;
mod aside;
mod bindings;
mod calls;
mod counters;
mod datagrams;
mod early;
mod exclusion;
mod followed;
mod follower;
mod hold;
mod joins;
mod kinship;
mod legs;
mod limits;
mod matching;
mod numbers;
mod opening;
mod parties;
mod path;
mod progress;
mod replaces;
mod session_id;
mod sides;

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use arrival::{Arrival, Frames};
pub use counters::Counters;
use follower::Follower;
pub use joins::Joins;
pub use limits::Limits;
pub(crate) use path::Path;

use crate::event::{Event, Flaw, Kept};
use crate::packet::{self, Body, Chunks, Datagram};
use crate::reassembly::{Fragments, Framed, Messages, Owners, Streams};
use crate::target::Numbering;
use crate::time::Timestamp;
use crate::warrant::{CallKey, Warrant};

/// Finds the calls of warrants' targets in signalling and follows each to its end.
///
/// Frames and time go in, [`Event`]s come out, in the order in which they follow from the frames.
/// Time is what the frames say: [`Tracker::tick`] only lets it pass where no frame comes.
///
/// Strangers' messages leave nothing behind; what must wait for its second half is bounded by
/// [`Limits`].
#[derive(Debug)]
pub struct Tracker {
    fragments: Fragments,
    streams: Streams,
    messages: Messages,
    follower: Follower,
}

impl Tracker {
    /// A tracker without warrants, which keeps nothing.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            fragments: Fragments::new(&limits),
            streams: Streams::new(&limits),
            messages: Messages::new(&limits),
            follower: Follower::new(limits),
        }
    }

    /// Replaces the warrants.
    ///
    /// Calls of warrants that are no longer among them end with the next frame or tick; those of
    /// the others go on, under the new window and with or without content as the new ones say.
    pub fn set_warrants(&mut self, warrants: Vec<Warrant>) {
        self.follower.set_warrants(warrants);
    }

    /// Says in which national forms numbers are written here; without it, in none.
    pub fn set_numbering(&mut self, numbering: Numbering) {
        self.follower.set_numbering(numbering);
    }

    /// Replaces the [`Limits`] of the same names, for calls that live, too.
    pub fn set_patience(&mut self, grace: Duration, media_silence: Duration) {
        self.follower.set_patience(grace, media_silence);
    }

    /// Says what joins the legs of a call; without it, [`Joins::default`] does.
    ///
    /// To be called before the first frame: what is known of followed calls' keys is forgotten.
    pub fn set_joins(&mut self, joins: Joins) {
        self.follower.set_joins(joins);
    }

    /// Says which CIN a Call-ID had in an earlier session, so that its call goes on under it.
    pub fn remember(&mut self, call: CallKey, call_id: &[u8]) {
        let limit = self.follower.limits.calls;
        self.follower.numbers.remember(call, call_id, limit);
    }

    /// This call may have ended unseen since `at`: until a message of it comes, each of its endpoints
    /// is its own no longer once another call, a stranger's as well, announces it.
    pub fn doubt(&mut self, call: CallKey, at: Timestamp) {
        self.follower.doubt(call, at);
    }

    /// Media of this call was seen: the call is not over although its signalling is silent.
    ///
    /// Once a second or less often is enough; a call of which media was never seen is ended by the
    /// silence of its signalling alone.
    pub fn media_seen(&mut self, call: CallKey, at: Timestamp) {
        self.follower.media_seen(call, at);
    }

    /// Takes a frame that may be signalling, or a fragment of anything.
    ///
    /// It comes back as it is, in the event of the message that it belongs to.
    pub fn feed(&mut self, frame: Kept<'_>, sink: &mut dyn FnMut(Event<'_>)) {
        let at = frame.at;
        self.follower.counters.frames += 1;
        self.tick(at, sink);
        if self.follower.is_idle() {
            return;
        }
        let Ok(packet) = packet::parse(frame.link, frame.bytes) else {
            self.follower.counters.malformed += 1;
            return;
        };
        match packet.body {
            Body::Fragment(fragment) => {
                self.fragment(&[frame], &packet, &fragment, 0, sink);
                self.give_up_fragments(at, sink);
            }
            body => {
                self.transport(at, &[frame], body, None, sink);
            }
        }
    }

    /// Lets time pass up to `now`: grace and linger times, windows, what is waited for.
    pub fn tick(&mut self, now: Timestamp, sink: &mut dyn FnMut(Event<'_>)) {
        self.give_up_fragments(now, sink);
        self.give_up_messages(now, sink);
        let follower = &mut self.follower;
        self.streams.expire(now, &mut |path, framed| give(follower, path, framed, sink));
        self.follower.pass(now, sink);
    }

    /// When [`Tracker::tick`] has something to do, if no frame comes before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let Self { fragments, streams, messages, follower } = self;
        let waiting =
            [fragments.next_deadline(), streams.next_deadline(), messages.next_deadline()];
        waiting.into_iter().chain([follower.next_deadline()]).flatten().min()
    }

    /// Ends everything: what is half there is given out, and all calls end.
    pub fn finish(&mut self, now: Timestamp, sink: &mut dyn FnMut(Event<'_>)) {
        self.tick(now, sink);
        self.give_up_all(now, sink);
        let follower = &mut self.follower;
        self.streams.finish(&mut |path, framed| give(follower, path, framed, sink));
        self.follower.finish(now, sink);
    }

    /// What was seen, kept and given up so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        Counters {
            fragments_given_up: self.fragments.given_up,
            fragments_late: self.fragments.late,
            fragments_repeated: self.fragments.repeated,
            streams_evicted: self.streams.evicted,
            segments_repeated: self.streams.repeated,
            sctp_given_up: self.messages.given_up,
            sctp_repeated: self.messages.repeated,
            ..self.follower.counters()
        }
    }

    fn transport(
        &mut self,
        at: Timestamp,
        frames: &[Kept<'_>],
        body: Body<'_>,
        flaw: Option<Flaw>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Owners {
        let follower = &mut self.follower;
        match body {
            Body::Udp(Datagram { source, destination, payload }) => {
                let path = Path { source, destination };
                let first = frames.iter().map(|frame| frame.at).min().unwrap_or(at);
                let arrival = Arrival { bytes: payload, path, first, at, flaw };
                return follower.message(&arrival, Frames::Own(frames), sink);
            }
            Body::Tcp(segment) => {
                let (source, destination) = (segment.source, segment.destination);
                let repeated = self.streams.feed(frames, at, &segment, &mut |path, framed| {
                    give(follower, path, framed, sink)
                });
                tell_late(frames, &repeated, (source, destination), sink);
            }
            Body::Sctp(Chunks { source, destination, payload }) => {
                let path = Path { source, destination };
                let repeated = self.messages.feed(path, frames, payload, flaw, &mut |framed| {
                    give(follower, path, framed, sink)
                });
                tell_late(frames, &repeated, (source, destination), sink);
                self.give_up_messages(at, sink);
            }
            Body::Fragment(_) | Body::Other { .. } => {}
        }
        Owners::new()
    }
}

/// Tells of frames that brought nothing new of messages of these calls.
fn tell_late(
    frames: &[Kept<'_>],
    calls: &[CallKey],
    (source, destination): (SocketAddr, SocketAddr),
    sink: &mut dyn FnMut(Event<'_>),
) {
    if !calls.is_empty() {
        for &frame in frames {
            sink(Event::Late { frame, calls, source, destination });
        }
    }
}

fn give(
    follower: &mut Follower,
    path: Path,
    framed: Framed<'_>,
    sink: &mut dyn FnMut(Event<'_>),
) -> Owners {
    let Framed { bytes, frames, flaw } = framed;
    let times = frames.iter().map(|frame| frame.kept().at);
    let first = times.clone().min().unwrap_or_default();
    let at = times.max().unwrap_or_default();
    follower.message(&Arrival { bytes, path, first, at, flaw }, Frames::Shared(frames), sink)
}

#[cfg(test)]
mod tests;

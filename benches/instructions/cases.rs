//! The core paths, each for so many pieces that what is done once does not count.

use std::hint::black_box;

use calltap_bench::call::{Call, tracker};
use calltap_bench::desk::Desk;
use calltap_bench::frame::{endpoint, rtp, udp};
use calltap_bench::talk::NOW_NS;
use calltap_evidence::chunk::Chunk;
use calltap_evidence::record::{Kind, Record};
use calltap_proto::packet::LinkType;
use calltap_proto::sip::Message;
use calltap_proto::{Kept, Timestamp, sdp};

use crate::counted;
use crate::media::Path;
use crate::worker::{self, Worker};

/// A case does its work.
type Case = fn();

/// By name.
pub(crate) const ALL: [(&str, Case); 6] = [
    ("parse-an-invite", parse),
    ("follow-a-targets-call", || follow(Call::of_target)),
    ("follow-a-strangers-call", || follow(Call::of_stranger)),
    ("encode-a-frame", encode),
    ("media-of-1k-streams", || media(500)),
    ("media-of-200k-streams", || media(100_000)),
];

/// Media of a thousand streams up to the recorder's door, by one worker and split among two.
///
/// The one is held against the other and not against what was committed: its path is a part of
/// `media-of-1k-streams`.
pub(crate) const WORKERS: [(&str, Case); 2] =
    [("media-of-one-worker", || workers(1)), ("media-of-two-workers", || workers(2))];

/// Whether it takes minutes.
pub(crate) fn is_long(name: &str) -> bool {
    name == "media-of-200k-streams"
}

/// An unoptimised program takes ten times as long for a piece, so it does fewer.
const LESS: u32 = if cfg!(debug_assertions) { 5 } else { 1 };

fn parse() {
    const PIECES: u64 = 2_000 / LESS as u64;
    let [invite, ..] = Call::of_target(1).messages();
    counted(PIECES, &mut || {
        for _ in 0..PIECES {
            let message = Message::parse(black_box(invite.as_bytes())).expect("a SIP message");
            black_box(sdp::scan(message.description().expect("a session description")));
        }
    });
}

fn follow(call: fn(u32) -> Call) {
    const CALLS: u32 = 500 / LESS;
    let mut tracker = tracker();
    let calls: Vec<_> = (0..CALLS).map(|number| call(number).signalling()).collect();
    counted(CALLS.into(), &mut || {
        for (frames, at) in calls.iter().zip((1..).map(|it| Timestamp(it * 3_600_000_000_000))) {
            for frame in frames {
                let kept = Kept::whole(at, 0, LinkType::Ethernet, black_box(frame));
                tracker.feed(kept, &mut |event| {
                    black_box(event);
                });
            }
        }
    });
}

fn encode() {
    const PIECES: u64 = 50_000 / LESS as u64;
    let authority = Desk::lay().authority();
    let frame = udp(endpoint(1), endpoint(2), &rtp(1, 1));
    let length = u32::try_from(frame.len()).expect("a frame");
    let mut chunk = Chunk::default();
    counted(PIECES, &mut || {
        for piece in 0..PIECES {
            let at_ns = NOW_NS + piece;
            let kind = Kind::Content;
            let record =
                Record::new(&authority, at_ns, 1, kind, 0, black_box(&frame), length, None, None);
            let record = record.expect("within the window");
            if chunk.try_push(&record).is_err() {
                chunk.clear();
            }
        }
    });
}

fn media(calls: u32) {
    const PIECES: u64 = 20_000 / LESS as u64;
    let desk = Desk::lay();
    let mut path = Path::of(&desk, calls);
    // Of each stream the first packet, with which its counting begins.
    path.take(2 * u64::from(calls));
    counted(PIECES, &mut || path.take(PIECES));
    path.end();
}

fn workers(count: usize) {
    const PIECES: u64 = 40_000 / LESS as u64;
    let desk = Desk::lay();
    let mut workers: Vec<_> =
        (0..count).map(|queue| Worker::of(&desk, 500, (queue, count))).collect();
    worker::take_all(&mut workers, 1_000);
    counted(PIECES, &mut || worker::take_all(&mut workers, PIECES));
}

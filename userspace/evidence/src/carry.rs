//! The frames of live calls that each new volume repeats at its head, so that it decodes alone.

use std::sync::Arc;

use crate::calls::Calls;
use crate::lines::CallLine;
use crate::pcapng::{self, Packet};
use crate::record::masked_note;

/// The frames kept for one call are bounded in number and bytes: whoever renegotiates media without
/// end pushes out the oldest descriptions, which no longer hold.
const MAX_FRAMES: usize = 64;
const MAX_BYTES: usize = 256 << 10;

/// What a live call has left so far: one line of the cache, which each of its packets needs.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct LiveCall {
    pub(crate) iri: u64,
    pub(crate) content: u64,
    /// The volumes that hold a packet of it, in their order.
    volumes: Vec<Arc<str>>,
    /// Which volume of this session is the last of them; 0 before the first.
    last_volume: u64,
    frames: Option<Box<Frames>>,
}

const _: () = assert!(size_of::<Option<LiveCall>>() == 64);

/// Frames to be repeated.
#[derive(Debug, Default)]
struct Frames(Vec<Frame>);

#[derive(Debug)]
struct Frame {
    key: u64,
    interface: u32,
    at_ns: u64,
    original_len: u32,
    bytes: Box<[u8]>,
    volume: String,
    /// The note that bytes of it were overwritten.
    masked: String,
}

impl LiveCall {
    /// Notes that the session's volume of this number, from 1, holds a packet of the call.
    ///
    /// The number is compared, and not the name, as that is done for every packet.
    pub(crate) fn seen_in(&mut self, number: u64, volume: &Arc<str>) {
        if self.last_volume != number {
            self.last_volume = number;
            self.volumes.push(Arc::clone(volume));
        }
    }

    /// Keeps a frame, recorded in `volume`, to be repeated; a key that is known is not kept again.
    pub(crate) fn carry(&mut self, key: u64, packet: &Packet<'_>, volume: &str) {
        let Frames(frames) = &mut **self.frames.get_or_insert_default();
        if frames.iter().any(|frame| frame.key == key) || packet.frame.len() > MAX_BYTES {
            return;
        }
        let Packet { interface, at_ns, original_len, .. } = *packet;
        let (bytes, volume) = (packet.frame.into(), volume.to_owned());
        let masked = masked_note(packet.comment).unwrap_or_default().to_owned();
        // Most calls have two, an offer and its answer; a list that grows by itself has room for four.
        frames.reserve_exact(1);
        frames.push(Frame { key, interface, at_ns, original_len, bytes, volume, masked });
        while frames.len() > MAX_FRAMES
            || frames.iter().map(|frame| frame.bytes.len()).sum::<usize>() > MAX_BYTES
        {
            frames.remove(0);
        }
    }

    /// Puts what was kept of the call into its line.
    pub(crate) fn fill(self, line: &mut CallLine) {
        line.iri_packets = self.iri;
        line.cc_packets = self.content;
        line.volumes = self.volumes.iter().map(|it| it.to_string()).collect();
    }
}

/// The blocks that a new volume repeats, in order of time, and how many they are.
pub(crate) fn repeated(liid: &str, calls: &Calls<LiveCall>) -> (Vec<u8>, u64) {
    let mut frames: Vec<(u32, &Frame)> = calls
        .iter()
        .filter_map(|(cin, call)| Some((cin, call.frames.as_deref()?)))
        .flat_map(|(cin, Frames(frames))| frames.iter().map(move |frame| (cin, frame)))
        .collect();
    frames.sort_by_key(|(cin, frame)| (frame.at_ns, *cin));
    let mut blocks = Vec::new();
    let mut count = 0_u64;
    for (cin, frame) in frames {
        let comment = format!(
            "calltap LIID={liid} CIN={cin} IRI, repeated from {} so that this volume decodes alone{}",
            frame.volume, frame.masked
        );
        let Frame { interface, at_ns, original_len, ref bytes, .. } = *frame;
        let packet =
            Packet { interface, at_ns, original_len, frame: bytes, comment: Some(&comment) };
        pcapng::encode_packet(&mut blocks, &packet);
        count = count.saturating_add(1);
    }
    (blocks, count)
}

/// What a packet's comment says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Signalling of the call of this number, recorded here first.
    Iri(u32),
    /// Signalling of that call, repeated from an earlier volume.
    Repeated(u32),
    /// No comment of ours: media.
    Content,
}

/// Reads back [`crate::record::comment`] and the comment of a repeated packet.
pub(crate) fn origin(comment: Option<&str>) -> Origin {
    let call = comment.and_then(|text| text.strip_prefix("calltap LIID=")?.split_once(" CIN="));
    let call = call.and_then(|(_, rest)| rest.split_once(" IRI"));
    match call.and_then(|(cin, rest)| Some((cin.parse().ok()?, rest))) {
        Some((cin, rest)) if rest.starts_with(", repeated from ") => Origin::Repeated(cin),
        Some((cin, _)) => Origin::Iri(cin),
        None => Origin::Content,
    }
}

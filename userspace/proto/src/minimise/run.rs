//! What frames carry, put in a row: a datagram, its fragments, segments or chunks that follow one
//! another.

use alloc::vec::Vec;

use crate::event::Kept;
use crate::packet::{self, Body, Fragment};
use crate::reassembly::{self, Name};
use crate::within::offset_in;

/// Bytes in a row, and where they stand in frames.
pub(super) struct Run {
    pub(super) bytes: Vec<u8>,
    /// Bytes of a transport header at the front, which are no part of any message.
    pub(super) header: usize,
    /// Whether its first byte is certainly the first one of a message.
    pub(super) begins: bool,
    spans: Vec<(usize, Span)>,
}

/// Bytes of a frame.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// Number of the frame.
    pub(super) frame: usize,
    /// Offset in the frame.
    pub(super) at: usize,
    pub(super) len: usize,
}

impl Run {
    /// Each offset in the run with the bytes of a frame that stand there.
    pub(super) fn in_frames(&self) -> impl Iterator<Item = (usize, Span)> + '_ {
        self.spans.iter().copied()
    }
}

/// Which parts follow one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Datagram,
    Segments,
    Fragments(u32, u8),
    Chunks(Name),
}

struct Part<'a> {
    group: Group,
    /// Of chunks their number, of others the offset of the first byte.
    order: u32,
    begins: bool,
    span: Span,
    bytes: &'a [u8],
}

/// The runs of these frames.
pub(super) fn runs(frames: &[Kept<'_>]) -> Vec<Run> {
    let mut parts = Vec::new();
    for (frame, kept) in frames.iter().enumerate() {
        if !read(frame, kept, &mut parts) {
            // Nobody can tell what of it is header.
            let span = Span { frame, at: 0, len: kept.bytes.len() };
            let (group, bytes) = (Group::Datagram, kept.bytes);
            parts.push(Part { group, order: 0, begins: false, span, bytes });
        }
    }
    let mut runs = Vec::new();
    while let Some(first) = parts.first() {
        let (group, from) = (first.group, first.order);
        let mut row: Vec<_> = parts.extract_if(.., |part| part.group == group).collect();
        // Numbers begin anew behind 2^32.
        row.sort_by_key(|part| part.order.wrapping_sub(from).cast_signed());
        line_up(row, &mut runs);
    }
    runs
}

fn read<'a>(frame: usize, kept: &Kept<'a>, parts: &mut Vec<Part<'a>>) -> bool {
    let Ok(packet) = packet::parse(kept.link, kept.bytes) else { return false };
    let mut put = |group, order, begins, bytes: &'a [u8]| {
        let at = offset_in(kept.bytes, bytes).unwrap_or(0);
        if !bytes.is_empty() {
            let span = Span { frame, at, len: bytes.len() };
            parts.push(Part { group, order, begins, span, bytes });
        }
    };
    match packet.body {
        Body::Udp(datagram) => put(Group::Datagram, 0, true, datagram.payload),
        Body::Tcp(segment) => {
            let order = segment.sequence.wrapping_add(u32::from(segment.syn));
            put(Group::Segments, order, false, segment.payload);
        }
        Body::Fragment(Fragment { id, protocol, offset, payload, .. }) => {
            put(Group::Fragments(id, protocol), offset.into(), false, payload);
        }
        Body::Sctp(chunks) => {
            for data in reassembly::data(chunks.payload) {
                put(Group::Chunks(data.message), data.number, data.begins, data.user_data);
            }
        }
        Body::Other { .. } => return false,
    }
    true
}

/// Makes runs of the parts of one group, which are in order.
fn line_up(row: Vec<Part<'_>>, runs: &mut Vec<Run>) {
    let mut open: Option<(Run, u32)> = None;
    let mut last: Option<(u32, usize)> = None;
    for part in row {
        let place = open.as_ref().and_then(|(run, from)| match part.group {
            Group::Datagram => None,
            Group::Segments | Group::Fragments(..) => {
                let place = usize::try_from(part.order.wrapping_sub(*from)).ok();
                place.filter(|place| *place <= run.bytes.len())
            }
            Group::Chunks(_) => {
                let (number, place) = last?;
                let again = number == part.order && run.bytes.len() == place + part.bytes.len();
                let follows = number.wrapping_add(1) == part.order && !part.begins;
                again.then_some(place).or_else(|| follows.then_some(run.bytes.len()))
            }
        });
        let place = place.unwrap_or_else(|| {
            let run = Run { bytes: Vec::new(), header: 0, begins: part.begins, spans: Vec::new() };
            runs.extend(open.replace((run, part.order)).map(|(run, _)| run));
            0
        });
        let Some((run, from)) = &mut open else { continue };
        run.spans.push((place, part.span));
        let known = run.bytes.len().saturating_sub(place);
        run.bytes.extend(part.bytes.get(known..).unwrap_or_default());
        if let (Group::Fragments(_, protocol), 0) = (part.group, *from) {
            run.header = header_len(protocol, &run.bytes);
        }
        last = Some((part.order, place));
    }
    runs.extend(open.map(|(run, _)| run));
}

/// Bytes of the transport header at the front of a datagram that came in fragments.
fn header_len(protocol: u8, bytes: &[u8]) -> usize {
    let length = match protocol {
        6 => bytes.get(12).map_or(20, |offset| usize::from(offset >> 4) * 4),
        // The common header, and that of the first chunk.
        132 => 12 + 16,
        17 => 8,
        _ => 0,
    };
    length.min(bytes.len())
}

//! Where a message stands in what its frames carry.
//!
//! The frames of one message may begin ahead of it, end behind it, or lack what was given out with
//! another one, so it is looked for: the place where the most of it agrees is it.
//! Where several do, a byte stays only if it may by each of them.

use alloc::vec;
use alloc::vec::Vec;

use super::run::Run;
use super::{Decision, Rules, message, walk};
use crate::reassembly::WebSocketHeader;

/// What may stay of a run, `message` being what its frames were given out with.
pub(super) fn keep(rules: Rules, run: &Run, message: &[u8]) -> Decision {
    let carried = run.bytes.get(run.header..).unwrap_or_default();
    let mut decision = Decision::none(run);
    if let Some((keep, mask)) = in_websocket(rules, carried, message) {
        decision.keep.splice(run.header.., keep);
        decision.mask = vec![0; run.header];
        decision.mask.extend(mask);
        return decision;
    }
    let kept = message::keep(rules, message);
    let mut all: Option<Vec<bool>> = None;
    for place in places(carried, message) {
        let marks = at(rules, carried, &kept, place);
        all = Some(match all {
            Some(before) => before.iter().zip(marks).map(|(&a, b)| a && b).collect(),
            None => marks,
        });
    }
    if all.is_none() && run.begins {
        let mut marks = vec![false; carried.len()];
        walk::keep(rules, carried, &mut marks);
        all = Some(marks);
    }
    if let Some(marks) = all {
        decision.keep.splice(run.header.., marks);
    }
    decision
}

/// Where a message may begin, from the first byte of what is carried: ahead of it or in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// So many of its bytes are missing.
    Ahead(usize),
    /// At this offset.
    Within(usize),
}

/// The places where the most bytes agree.
fn places(carried: &[u8], message: &[u8]) -> Vec<Place> {
    if carried.is_empty() || message.is_empty() {
        return Vec::new();
    }
    if carried == message {
        return vec![Place::Within(0)];
    }
    let within = agreeing(carried, message).map(|(at, len)| (Place::Within(at), len));
    let ahead = agreeing(message, carried).map(|(at, len)| (Place::Ahead(at), len));
    let found: Vec<_> = within.chain(ahead).collect();
    let most = found.iter().map(|(_, len)| *len).max().unwrap_or(0);
    found.into_iter().filter(|(_, len)| *len == most).map(|(place, _)| place).collect()
}

/// Offsets in `whole` at which `part` stands as far as either goes, with how far that is.
fn agreeing(whole: &[u8], part: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let lengths = common_with_front(&[part, whole].concat());
    let (whole, part) = (whole.len(), part.len());
    (0..whole).filter_map(move |at| {
        let most = part.min(whole - at);
        (lengths.get(part + at).is_some_and(|length| *length >= most)).then_some((at, most))
    })
}

/// For each offset how many bytes there are as at the front, in a time that grows with their number
/// alone (the Z algorithm).
fn common_with_front(bytes: &[u8]) -> Vec<usize> {
    let mut lengths = vec![0; bytes.len()];
    let (mut from, mut to) = (0, 0);
    for at in 1..bytes.len() {
        let known = lengths.get(at - from).copied().unwrap_or(0);
        let mut length = if at < to { known.min(to - at) } else { 0 };
        while bytes.get(at + length).is_some_and(|byte| bytes.get(length) == Some(byte)) {
            length += 1;
        }
        if at + length > to {
            (from, to) = (at, at + length);
        }
        if let Some(slot) = lengths.get_mut(at) {
            *slot = length;
        }
    }
    lengths
}

/// Marks for what is carried, the message whose marks are `kept` standing at `place`.
fn at(rules: Rules, carried: &[u8], kept: &[bool], place: Place) -> Vec<bool> {
    let mut marks = vec![false; carried.len()];
    let (from, missing) = match place {
        Place::Ahead(missing) => (0, missing),
        Place::Within(from) => (from, 0),
    };
    // Empty lines keep connections alive (RFC 5626 §3.5.1).
    let empty = carried.iter().take(from).map(|byte| matches!(byte, b'\r' | b'\n'));
    marks.iter_mut().zip(empty).for_each(|(mark, is_empty)| *mark = is_empty);
    let kept = kept.get(missing..).unwrap_or_default();
    marks.iter_mut().skip(from).zip(kept).for_each(|(mark, kept)| *mark = *kept);
    let behind = from + kept.len();
    if let (Some(rest), Some(marks)) = (carried.get(behind..), marks.get_mut(behind..)) {
        walk::keep(rules, rest, marks);
    }
    marks
}

/// Bytes of a message that tell where it begins.
const GLIMPSE: usize = 24;

/// The same where it stands in WebSocket frames (RFC 6455 §5.2): marks, and masks to combine with.
fn in_websocket(rules: Rules, carried: &[u8], message: &[u8]) -> Option<(Vec<bool>, Vec<u8>)> {
    let glimpse = message.get(..GLIMPSE)?;
    let begins = |at: &usize| {
        let Some(frame) = carried.get(*at..) else { return false };
        let header = WebSocketHeader::parse(frame).filter(|it| it.is_data() && it.is_sound(false));
        header.is_some_and(|header| {
            let payload = frame.get(header.length..).unwrap_or_default();
            let plain = payload.iter().zip(header.mask.iter().cycle()).map(|(a, b)| a ^ b);
            plain.take(GLIMPSE).eq(glimpse.iter().copied())
        })
    };
    let mut at = (0..carried.len()).find(begins)?;
    let mut marks = vec![false; carried.len()];
    let mut masks = vec![0; carried.len()];
    // The bytes of a message, and where each stands.
    let mut said: (Vec<u8>, Vec<usize>) = Default::default();
    let mut is_first = true;
    let mut continues = false;
    while let Some(header) = carried.get(at..).and_then(WebSocketHeader::parse) {
        if !header.is_sound(continues) {
            break;
        }
        marks.iter_mut().skip(at).take(header.length).for_each(|mark| *mark = true);
        let from = at + header.length;
        let length = usize::try_from(header.payload).unwrap_or(usize::MAX);
        let payload = carried.get(from..).unwrap_or_default();
        let payload = payload.get(..length).unwrap_or(payload);
        for ((place, byte), mask) in (from..).zip(payload).zip(header.mask.iter().cycle()) {
            if let Some(slot) = masks.get_mut(place) {
                *slot = *mask;
            }
            if header.is_data() {
                said.0.push(byte ^ mask);
                said.1.push(place);
            }
        }
        at = from.saturating_add(length);
        if header.is_data() {
            continues = !header.fin;
        }
        if header.is_data() && !continues {
            settle(rules, core::mem::take(&mut said), is_first.then_some(message), &mut marks);
            is_first = false;
        }
    }
    settle(rules, said, is_first.then_some(message), &mut marks);
    Some((marks, masks))
}

/// Marks the bytes of one WebSocket message, which is `message` or the first part of it, or another.
fn settle(
    rules: Rules,
    (bytes, places): (Vec<u8>, Vec<usize>),
    message: Option<&[u8]>,
    marks: &mut [bool],
) {
    let kept = match message {
        Some(message) if message.starts_with(&bytes) => message::keep(rules, message),
        _ => {
            let mut kept = vec![false; bytes.len()];
            walk::keep(rules, &bytes, &mut kept);
            kept
        }
    };
    for (place, kept) in places.into_iter().zip(kept) {
        if let Some(mark) = marks.get_mut(place) {
            *mark = kept;
        }
    }
}

//! Frames of a target's messages with what its warrant does not order overwritten in place.
//!
//! A frame is evidence of who spoke to whom and when, and may hold what was said as well.
//! Nothing is cut out of it: lengths, checksums and headers stay, so that it still decodes, and each
//! byte that is not surely allowed is [`FILLER`].

mod alignment;
mod digits;
mod message;
mod run;
mod walk;

use alloc::vec::Vec;

pub use digits::digits;
use run::Run;

use crate::event::Kept;

/// What takes the place of a byte that is not kept.
pub const FILLER: u8 = b'X';

/// What is not to be kept of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Bodies that are content of communication: of MESSAGE and INFO all, of other messages those
    /// that are no signalling by their media type.
    pub content: bool,
    /// The keys of media in session descriptions: `a=crypto` (RFC 4568), `a=key-mgmt` (RFC 4567) and
    /// `k=` (RFC 4566).
    pub keys: bool,
    /// Keys that were pressed, where bodies name them: `application/dtmf-relay`,
    /// `application/dtmf` KPML (RFC 4730) and their like.
    pub digits: bool,
}

impl Rules {
    /// Whether everything is kept.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// A frame that does not stay as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Masked {
    /// It, as long as it was.
    pub frame: Vec<u8>,
    /// How many of its bytes were overwritten.
    pub count: usize,
}

/// What becomes of each of the frames that formed `message`; none stays as it was.
///
/// They may hold parts of other messages too: of what follows in them each message is treated
/// alike, and everything else is overwritten.
#[must_use]
pub fn frames(rules: Rules, message: &[u8], frames: &[Kept<'_>]) -> Vec<Option<Masked>> {
    if rules.is_empty() {
        return frames.iter().map(|_| None).collect();
    }
    apply(frames, |run| alignment::keep(rules, run, message))
}

/// What becomes of a frame of a message that is not known any more: all that it carries is
/// overwritten.
#[must_use]
pub fn late(rules: Rules, frame: &Kept<'_>) -> Option<Masked> {
    if rules.is_empty() {
        return None;
    }
    apply(core::slice::from_ref(frame), Decision::none).pop().flatten()
}

/// Which bytes of a run may stay, and what each must be combined with to be read.
struct Decision {
    keep: Vec<bool>,
    /// The mask of WebSocket frames (RFC 6455 §5.3); 0 for other bytes, and empty without any.
    mask: Vec<u8>,
}

impl Decision {
    /// Nothing of what the run carries stays.
    fn none(run: &Run) -> Self {
        let keep = (0..run.bytes.len()).map(|at| at < run.header).collect();
        Self { keep, mask: Vec::new() }
    }
}

fn apply(frames: &[Kept<'_>], decide: impl Fn(&Run) -> Decision) -> Vec<Option<Masked>> {
    let mut all: Vec<_> = frames.iter().map(|_| None).collect();
    for run in &run::runs(frames) {
        let Decision { keep, mask } = decide(run);
        for (place, span) in run.in_frames() {
            let (Some(original), Some(masked)) = (frames.get(span.frame), all.get_mut(span.frame))
            else {
                continue;
            };
            let is_kept = |nth: usize| {
                let byte = original.bytes.get(span.at + nth);
                // What came twice and differs was not judged.
                keep.get(place + nth) == Some(&true) && byte == run.bytes.get(place + nth)
            };
            for nth in (0..span.len).filter(|nth| !is_kept(*nth)) {
                let whole = || Masked { frame: original.bytes.into(), count: 0 };
                let masked = masked.get_or_insert_with(whole);
                if let Some(byte) = masked.frame.get_mut(span.at + nth) {
                    *byte = FILLER ^ mask.get(place + nth).copied().unwrap_or(0);
                    masked.count += 1;
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests;

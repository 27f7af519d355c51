//! What follows a message in the same frames: further messages, as far as they can be told.

use super::Rules;
use super::message;
use crate::sip::{self, Beginning, Framed};

/// Marks what may stay of bytes at which a message begins, or nothing that can be read.
pub(super) fn keep(rules: Rules, bytes: &[u8], marks: &mut [bool]) {
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let text = sip::past_empty_lines(rest);
        let empty = rest.len() - text.len();
        marks.iter_mut().skip(at).take(empty).for_each(|mark| *mark = true);
        at += empty;
        let length = match sip::beginning(text) {
            Beginning::StartLine => match sip::frame(text, 0, usize::MAX) {
                Framed::Message { length } => length,
                Framed::Incomplete { .. } | Framed::Endless(_) => text.len(),
            },
            Beginning::Unclear if names_somebody(text) => text.len(),
            Beginning::Unclear | Beginning::Other => return,
        };
        let kept = message::keep(rules, text.get(..length).unwrap_or(text));
        marks.iter_mut().skip(at).zip(kept).for_each(|(mark, kept)| *mark = kept);
        at += length.max(1);
    }
}

/// Whether the first part of a line can be that of a start line, and hardly of anything else.
fn names_somebody(line: &[u8]) -> bool {
    let has = |part: &[u8]| line.windows(part.len()).any(|it| it.eq_ignore_ascii_case(part));
    line.starts_with(b"SIP/2.0") || has(b" sip:") || has(b" sips:") || has(b" tel:")
}

//! A ladder as SVG.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use super::html::Inert;
use crate::evidence::ladder::{Kind, Ladder, Step};

const LEFT: usize = 130;
/// Between two participants, as far as the page has room.
const GAP: std::ops::RangeInclusive<usize> = 220..=480;
const PAGE: usize = 1000;
const TOP: usize = 44;
const RUNG: usize = 34;
const LINE: usize = 16;

/// Draws a ladder.
pub(super) fn svg(ladder: &Ladder) -> String {
    let rungs = ladder.steps.iter().map(|step| RUNG + LINE * step.below.len()).sum::<usize>();
    let last = ladder.participants.len().saturating_sub(1);
    let gap = ((PAGE - 2 * LEFT) / last.max(1)).clamp(*GAP.start(), *GAP.end());
    let column = |place: usize| LEFT + place * gap;
    let (width, height) = (column(last) + LEFT - 40, TOP + rungs + 16);
    // A ladder of two is drawn smaller where the page is narrow; a wider one is moved about.
    let class = if last <= 1 { "few" } else { "many" };
    let mut out = format!(
        "<div class=wide><svg class={class} role=img aria-label=\"Ladder of the call\" width=\"{width}\" \
         height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n"
    );
    for (place, name) in ladder.participants.iter().enumerate() {
        let x = column(place);
        let _ = writeln!(
            out,
            "<text class=name x=\"{x}\" y=\"20\" text-anchor=middle>{}</text>\
             <line class=life x1=\"{x}\" y1=\"30\" x2=\"{x}\" y2=\"{height}\"/>",
            Inert(name)
        );
    }
    let start = ladder.steps.first().map_or(0, |step| step.at_ns);
    let mut y = TOP;
    for step in &ladder.steps {
        y += RUNG;
        rung(&mut out, step, start, y, &column);
        y += LINE * step.below.len();
    }
    out + "</svg></div>\n"
}

fn rung(out: &mut String, step: &Step, start: u64, y: usize, column: &dyn Fn(usize) -> usize) {
    let offset = step.at_ns.saturating_sub(start) / 1_000_000;
    let (from, to) = (column(step.from), column(step.to));
    let middle = if from == to { from + GAP.start() / 2 } else { usize::midpoint(from, to) };
    let room = if from == to { *GAP.start() } else { from.abs_diff(to) } - 24;
    let label = match step.kind {
        Kind::Message { number, again: true, .. } => format!("{number}. {}, again", step.label),
        Kind::Message { number, .. } => format!("{number}. {}", step.label),
        Kind::Media => step.label.clone(),
    };
    let _ = write!(
        out,
        "<g class=\"{}\"><text class=small x=\"8\" y=\"{}\">+{}.{:03} s</text>\
         <text x=\"{middle}\" y=\"{}\" text-anchor=middle{}>{}</text>",
        class(step.kind),
        y + 4,
        offset / 1000,
        offset % 1000,
        y - 7,
        squeezed(&label, room),
        Inert(&label)
    );
    if from == to {
        let (side, below) = (from + 26, y + 8);
        let _ = write!(
            out,
            "<path class=arrow d=\"M{from} {y} H{side} V{below} H{}\"/>\
             <path class=head d=\"M{from} {below} l9 -4 v8 z\"/>",
            from + 8
        );
    } else {
        let (tip, back) = if from < to { (to - 1, "-9") } else { (to + 1, "9") };
        let _ = write!(
            out,
            "<line class=arrow x1=\"{from}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>\
             <path class=head d=\"M{tip} {y} l{back} -4.5 v9 z\"/>",
            if from < to { to - 9 } else { to + 9 }
        );
    }
    for (number, line) in step.below.iter().enumerate() {
        let y = y + LINE * (number + 1) - 1;
        let squeezed = squeezed(line, room);
        let _ = write!(
            out,
            "<text class=small x=\"{middle}\" y=\"{y}\" text-anchor=middle{squeezed}>{}</text>",
            Inert(line)
        );
    }
    out.push_str("</g>\n");
}

/// A text that is longer than its arrow is drawn narrower, so that it covers nothing else.
fn squeezed(text: &str, room: usize) -> String {
    match text.width() * 7 > room {
        true => format!(" textLength=\"{room}\" lengthAdjust=spacingAndGlyphs"),
        false => String::new(),
    }
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Media => "media",
        Kind::Message { again: true, status: 0, .. } => "request again",
        Kind::Message { status: 0, .. } => "request",
        Kind::Message { status: 100..=199, .. } => "provisional",
        Kind::Message { status: 200..=299, .. } => "success",
        Kind::Message { .. } => "failure",
    }
}

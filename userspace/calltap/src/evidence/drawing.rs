//! A ladder drawn with characters.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr as _;

use super::inert::fit;
use super::ladder::{Kind, Ladder, Step};

/// Columns of the time offset and of a message's number, ahead of the ladder.
const OFFSET: usize = 12;

/// Between two participants there are so many columns, as far as the terminal has them.
const LEAST: usize = 16;
const MOST: usize = 48;

/// Draws a ladder over so many columns; a wider one is drawn as wide as it gets.
pub fn draw(ladder: &Ladder, columns: usize) -> String {
    let count = ladder.participants.len().max(2);
    let names = ladder.participants.iter().map(|name| name.width() + 2);
    let widest = ladder
        .steps
        .iter()
        .map(|step| shown(step).width() / step.from.abs_diff(step.to).max(1) + 8)
        .chain(names)
        .max()
        .unwrap_or(LEAST);
    // The first participant's name reaches to the left of its line.
    let left = ladder.participants.first().map_or(0, |name| name.width() / 2);
    let right = ladder.participants.last().map_or(0, |name| name.width().div_ceil(2));
    let room = columns.saturating_sub(OFFSET + left + right + 1) / (count - 1);
    let gap = widest.min(room.max(LEAST)).clamp(LEAST, MOST);
    let canvas = Canvas { gap, left, participants: ladder.participants.len() };
    let mut out = canvas.names(ladder);
    let start = ladder.steps.first().map_or(0, |step| step.at_ns);
    for step in &ladder.steps {
        out += &canvas.arrow(step, start);
        for line in &step.below {
            out += &canvas.below(step, line);
        }
    }
    out
}

/// What stands on an arrow.
fn shown(step: &Step) -> Cow<'_, str> {
    match step.kind {
        Kind::Message { again: true, .. } => Cow::Owned(format!("{}, again", step.label)),
        _ => Cow::Borrowed(&step.label),
    }
}

struct Canvas {
    gap: usize,
    left: usize,
    participants: usize,
}

impl Canvas {
    /// The column of a participant's line.
    fn column(&self, place: usize) -> usize {
        OFFSET + self.left + place * self.gap
    }

    fn names(&self, ladder: &Ladder) -> String {
        let mut line = String::new();
        for (place, name) in ladder.participants.iter().enumerate() {
            let at = self.column(place).saturating_sub(name.width() / 2);
            // A name that does not fit between its neighbours is cut.
            let room = self.gap - 1;
            line.extend(std::iter::repeat_n(' ', at.saturating_sub(line.width())));
            fit(&mut line, name, name.width().min(room));
        }
        line + "\n" + &self.finish(self.blank("", ""))
    }

    /// A line with nothing but the participants' lines.
    fn blank(&self, offset: &str, number: &str) -> Vec<char> {
        let mut cells: Vec<char> = format!("{offset:>7} {number:>3} ").chars().collect();
        cells.resize(self.column(self.participants.saturating_sub(1)) + 1, ' ');
        for place in 0..self.participants {
            cells[self.column(place)] = '│';
        }
        cells
    }

    fn arrow(&self, step: &Step, start: u64) -> String {
        let offset = step.at_ns.saturating_sub(start) / 1_000_000;
        let offset = format!("{}.{:03}", offset / 1000, offset % 1000);
        let (number, line) = match step.kind {
            Kind::Message { number, .. } => (number.to_string(), '─'),
            Kind::Media => (String::new(), '═'),
        };
        let mut cells = self.blank(&offset, &number);
        let label = shown(step);
        let (from, to) = (self.column(step.from), self.column(step.to));
        if from == to {
            // What a host sends to itself.
            let tail: String = cells[..=from].iter().collect();
            return format!("{tail}⟲ {label}\n");
        }
        let (low, high) = (from.min(to), from.max(to));
        cells[low + 1..high].fill(line);
        let head = if from < to { (high - 1, '>') } else { (low + 1, '<') };
        cells[head.0] = head.1;
        let room = high - low - 5;
        let mut shown = String::new();
        fit(&mut shown, &label, label.width().min(room));
        let at = low + 2 + (high - low - 4 - shown.width()) / 2;
        // Wide characters take two cells, so the line is put together of three parts.
        let before: String = cells[..at].iter().collect();
        let after: String = cells[at + shown.width() + 2..].iter().collect();
        format!("{} {shown} {}", before, after.trim_end()).trim_end().to_owned() + "\n"
    }

    /// A line below an arrow, at its sender.
    fn below(&self, step: &Step, text: &str) -> String {
        let cells = self.blank("", "");
        let (from, to) = (self.column(step.from), self.column(step.to));
        let (low, high) = (from.min(to), from.max(to));
        let room = if low == high { text.width() } else { high - low - 3 };
        let mut shown = String::new();
        fit(&mut shown, text, text.width().min(room));
        let at = if from <= to { low + 2 } else { high - 1 - shown.width() };
        let before: String = cells[..at].iter().collect();
        let after: String = cells.get(at + shown.width()..).unwrap_or_default().iter().collect();
        format!("{before}{shown}{after}").trim_end().to_owned() + "\n"
    }

    fn finish(&self, cells: Vec<char>) -> String {
        cells.into_iter().collect::<String>() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(from: usize, to: usize, label: &str, kind: Kind) -> Step {
        let (at_ns, below) = (1_500_000_000, Vec::new());
        Step { at_ns, from, to, label: label.to_owned(), below, kind }
    }

    fn message(number: usize, again: bool) -> Kind {
        Kind::Message { number, again, status: 0 }
    }

    #[test]
    fn arrows_go_between_whoever_they_are_of_and_what_is_sent_again_says_so() {
        let ladder = Ladder {
            participants: ["192.0.2.1", "192.0.2.2", "2001:db8::3"].map(str::to_owned).into(),
            steps: vec![
                step(0, 1, "INVITE", message(1, false)),
                step(0, 1, "INVITE", message(2, true)),
                step(1, 2, "漢字", message(3, false)),
                step(2, 0, "200 OK", message(4, false)),
                step(1, 1, "REGISTER", message(5, false)),
                step(2, 0, "G.711", Kind::Media),
            ],
        };
        let drawn = draw(&ladder, 80);
        let expected = "
            192.0.2.1            192.0.2.2           2001:db8::3
                │                    │                    │
  0.000   1     │────── INVITE ─────>│                    │
  0.000   2     │─── INVITE, again ─>│                    │
  0.000   3     │                    │─────── 漢字 ──────>│
  0.000   4     │<──────────────── 200 OK ────────────────│
  0.000   5     │                    │⟲ REGISTER
  0.000         │<════════════════ G.711 ═════════════════│
";
        assert_eq!(format!("\n{drawn}"), expected, "\n{drawn}");
    }

    #[test]
    fn a_call_of_nothing_is_drawn_as_nothing() {
        let ladder = Ladder { participants: Vec::new(), steps: Vec::new() };
        assert!(draw(&ladder, 80).trim().is_empty());
    }
}

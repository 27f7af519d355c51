//! Text from the network made inert: whatever would move the cursor, hide or reorder what stands
//! around it is shown as an escape; letters, emoji and other scripts stay as they are.

use std::borrow::Cow;
use std::io;

use serde_json::ser::{CharEscape, Formatter};
use unicode_width::UnicodeWidthStr;

/// Whether a terminal or a page may act on the character instead of showing it: controls, bidirectional
/// controls (Unicode TR 36 §3.4), invisible marks, separators of lines, tags. The joiner that emoji
/// are put together with stays.
pub fn is_hostile(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Whether the text can be shown as it is: printable ASCII, which most of it is.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// The columns that a text takes.
pub fn columns(text: &str) -> usize {
    if is_plain(text) { text.len() } else { text.width() }
}

/// The text with hostile characters as `\u{202e}`, and the backslash doubled, so that no text can
/// be taken for another.
pub fn inert(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'\\') {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\\' => shown += "\\\\",
            '\n' | '\r' | '\t' => shown.extend(character.escape_default()),
            hostile if is_hostile(hostile) => shown.extend(hostile.escape_unicode()),
            other => shown.push(other),
        }
    }
    Cow::Owned(shown)
}

/// Appends inert text, cut with an ellipsis or padded to so many columns.
pub fn fit(out: &mut String, text: &str, columns: usize) {
    if text.is_ascii() {
        // One byte, one column.
        match text.get(..columns) {
            Some(_) if text.len() > columns => {
                out.push_str(&text[..columns.saturating_sub(1)]);
                out.push('…');
            }
            _ => {
                out.push_str(text);
                out.extend(std::iter::repeat_n(' ', columns - text.len()));
            }
        }
        return;
    }
    let mut shown = text;
    let mut cut = false;
    while shown.width() + usize::from(cut) > columns {
        let last = shown.char_indices().next_back().map_or(0, |(at, _)| at);
        // An emoji is not left with the joiner of a part that is cut off.
        shown = shown[..last].trim_end_matches('\u{200d}');
        cut = true;
    }
    out.push_str(shown);
    if cut {
        out.push('…');
    }
    out.extend(std::iter::repeat_n(' ', columns.saturating_sub(shown.width() + usize::from(cut))));
}

/// JSON whose strings hold hostile characters as escapes, which mean the same to whoever parses it.
#[derive(Debug, Clone, Copy)]
pub struct InertJson;

impl Formatter for InertJson {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if is_plain(fragment) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some(at) = rest.find(is_hostile) {
            let (before, after) = rest.split_at(at);
            writer.write_all(before.as_bytes())?;
            let mut characters = after.chars();
            let hostile = characters.next().unwrap_or_default();
            for unit in hostile.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = characters.as_str();
        }
        writer.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        serde_json::ser::CompactFormatter.write_char_escape(writer, escape)
    }
}

#[cfg(test)]
mod tests {
    use serde::Serialize as _;

    use super::*;

    #[test]
    fn what_a_terminal_acts_on_is_shown_as_an_escape() {
        let cases = [
            ("alice", "alice"),
            ("\u{1b}[2J", "\\u{1b}[2J"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("a\r\nb\tc", "a\\r\\nb\\tc"),
            ("\u{202e}gpj.exe", "\\u{202e}gpj.exe"),
            ("\u{2066}x\u{2069}", "\\u{2066}x\\u{2069}"),
            ("a\u{200b}b\u{feff}", "a\\u{200b}b\\u{feff}"),
            ("C:\\u{1b}", "C:\\\\u{1b}"),
            ("שלום", "שלום"),
            ("👩‍👩‍👧 é 漢字", "👩‍👩‍👧 é 漢字"),
        ];
        for (text, shown) in cases {
            assert_eq!(inert(text), shown);
        }
    }

    #[test]
    fn columns_are_counted_as_they_are_seen() {
        let cases = [
            ("alice", 7, "alice  "),
            ("alice", 5, "alice"),
            ("alice", 4, "ali…"),
            ("漢字漢字", 5, "漢字…"),
            ("漢字漢字", 4, "漢… "),
            ("👩‍👩‍👧", 2, "👩‍👩‍👧"),
            ("👩‍👩‍👧x", 3, "👩‍👩‍👧x"),
            ("é", 3, "é  "),
            ("", 2, "  "),
        ];
        for (text, columns, shown) in cases {
            let mut out = String::new();
            fit(&mut out, text, columns);
            assert_eq!(out, shown, "{text:?} in {columns}");
        }
    }

    #[test]
    fn json_says_the_same_and_shows_it_inert() {
        let text = "\u{1b}[2J\u{9b}\u{202e}\u{e0041}\u{7f}\"\\ é 漢";
        let mut json = Vec::new();
        text.serialize(&mut serde_json::Serializer::with_formatter(&mut json, InertJson)).unwrap();
        let written = String::from_utf8(json).unwrap();
        assert!(!written.contains(is_hostile), "{written:?}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }
}

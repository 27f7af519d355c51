//! The chunks in the bytes of one direction (RFC 4975 §7.1): each ends at the line that repeats
//! its transaction's name, as no length is told.

use alloc::vec::Vec;

use super::chunk::{DASHES, End, Front, Head, MAX_HEAD, MAX_TRANSACTION, end_line, front};

/// Bytes of a chunk that are looked at; what is longer is no text that was typed, and is passed
/// over up to its end line.
pub(super) const MAX_CHUNK: usize = 64 << 10;

/// Finds chunks in bytes that come in any pieces.
#[derive(Clone, Debug, Default)]
pub(super) struct Framing {
    head: Vec<u8>,
    /// Bytes of `head` in which no end line was found.
    scanned: usize,
    /// The transaction whose bytes are passed over.
    passing: Option<Vec<u8>>,
}

/// A chunk: its bytes, and how it ends; none of a chunk that was too long.
pub(super) type Chunk<'a> = (Head<'a>, Option<(&'a [u8], End)>);

impl Framing {
    /// Takes bytes and gives the chunks that they complete.
    pub(super) fn feed(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Chunk<'_>)) {
        self.head.extend_from_slice(bytes);
        while self.step(sink) {}
    }

    /// Bytes are missing here: goes on with the next chunk that can be seen.
    pub(super) fn gap(&mut self) {
        *self = Self::default();
    }

    /// Whether there may be more.
    fn step(&mut self, sink: &mut dyn FnMut(Chunk<'_>)) -> bool {
        if let Some(transaction) = &self.passing {
            let end = find_end(&self.head, 0, transaction);
            if end.is_some() {
                self.passing = None;
            }
            let passed = self.head.len().saturating_sub(MAX_END);
            let length = end.map_or(passed, |(_, after, _)| after);
            self.discard(length);
            return end.is_some();
        }
        match front(&self.head) {
            Front::Incomplete => false,
            Front::Other => self.resynchronize(),
            Front::Empty { length } => {
                self.discard(length);
                true
            }
            Front::Head { head, length } => {
                // The line end ahead of an end line belongs to the end line.
                let from = length.saturating_sub(2).max(self.scanned);
                match find_end(&self.head, from, head.transaction) {
                    Some((at, after, end)) => {
                        let bytes = self.head.get(length..at.max(length)).unwrap_or_default();
                        sink((head, Some((bytes, end))));
                        self.discard(after);
                        true
                    }
                    None if self.head.len() > MAX_HEAD + MAX_CHUNK => {
                        sink((head, None));
                        self.passing = Some(head.transaction.to_vec());
                        self.discard(length.saturating_sub(2));
                        true
                    }
                    None => {
                        self.scanned = self.head.len().saturating_sub(MAX_END);
                        false
                    }
                }
            }
        }
    }

    /// Goes on with the next line that begins a chunk; says whether there is one.
    fn resynchronize(&mut self) -> bool {
        const BEGINNING: &[u8] = b"\nMSRP ";
        let at = memchr::memmem::find(&self.head, BEGINNING);
        // The last bytes may be the first of such a line.
        let kept = self.head.len().saturating_sub(BEGINNING.len() - 1);
        self.discard(at.map_or(kept, |at| at + 1));
        at.is_some()
    }

    fn discard(&mut self, length: usize) {
        self.head.drain(..length.min(self.head.len()));
        self.scanned = 0;
    }
}

/// Longest end line with the line ends around it.
const MAX_END: usize = 2 + DASHES.len() + MAX_TRANSACTION + 1 + 2;

/// Where the first end line at or behind `from` begins, what is behind it, and its flag; the line
/// end ahead of it belongs to it.
fn find_end(bytes: &[u8], from: usize, transaction: &[u8]) -> Option<(usize, usize, End)> {
    let mut from = from;
    loop {
        let rest = bytes.get(from..)?;
        let dashes = from + memchr::memmem::find(rest, b"\n-------")? + 1;
        let line_end = dashes + memchr::memchr(b'\n', bytes.get(dashes..)?)?;
        let line = bytes.get(dashes..line_end)?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(end) = end_line(line, transaction) {
            let at = dashes - 1;
            let at = if bytes.get(..at)?.ends_with(b"\r") { at - 1 } else { at };
            return Some((at, line_end + 1, end));
        }
        from = dashes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::format;
    use std::string::String;

    /// Chunks as texts: transaction, flag, bytes.
    fn chunks(parts: &[&[u8]]) -> Vec<String> {
        let (mut framing, mut found) = (Framing::default(), Vec::new());
        for part in parts {
            framing.feed(part, &mut |(head, body)| {
                let transaction = String::from_utf8_lossy(head.transaction);
                found.push(match body {
                    Some((bytes, end)) => {
                        format!("{transaction} {end:?} {}", String::from_utf8_lossy(bytes))
                    }
                    None => format!("{transaction} too long"),
                });
            });
            assert!(framing.head.len() <= MAX_HEAD + MAX_CHUNK + part.len());
        }
        found
    }

    fn send(transaction: &str, body: &str, flag: char) -> String {
        format!(
            "MSRP {transaction} SEND\r\nTo-Path: msrp://b/x;tcp\r\nContent-Type: text/plain\r\n\r\n\
             {body}\r\n-------{transaction}{flag}\r\n"
        )
    }

    /// Ten chunks, some of whose bytes look like the ends and beginnings of others.
    fn stream() -> (String, Vec<String>) {
        let bodies = [
            "hello",
            "",
            "-------aaa0$",
            "a\r\n-------aaa9$\r\nb",
            "MSRP aaa1 SEND\r\n\r\n",
            "\r\n\r\n",
            "\u{1f44b}\u{1f3fd}",
            "x\r\n-------aaa7",
            "-------",
            "last",
        ];
        let (mut text, mut expected) = (String::new(), Vec::new());
        for (nth, body) in bodies.iter().enumerate() {
            text += &send(&format!("aaa{nth}"), body, '$');
            text +=
                &format!("MSRP aab{nth} 200 OK\r\nTo-Path: msrp://a/y;tcp\r\n-------aab{nth}$\r\n");
            expected.push(format!("aaa{nth} Complete {body}"));
        }
        (text, expected)
    }

    #[test]
    fn a_stream_cut_at_any_byte_gives_the_same_chunks() {
        let (text, expected) = stream();
        let bytes = text.as_bytes();
        for cut in 0..bytes.len() {
            let (one, two) = bytes.split_at(cut);
            assert_eq!(chunks(&[one, two]), expected, "cut at {cut}");
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(chunks(&single), expected);
    }

    #[test]
    fn bytes_that_are_no_chunk_are_passed_over() {
        let text = format!("rest of something\r\nMSRP? {}", send("abc1", "one", '+'));
        assert_eq!(chunks(&[text.as_bytes()]), [""; 0], "it begins within a line");
        let text = format!("rest of something\r\n{}", send("abc1", "one", '+'));
        assert_eq!(chunks(&[text.as_bytes()]), ["abc1 Continued one"]);
        let single: Vec<_> = text.as_bytes().chunks(1).collect();
        assert_eq!(chunks(&single), ["abc1 Continued one"]);
    }

    #[test]
    fn a_chunk_that_is_too_long_is_told_of_and_passed_over_within_a_bound() {
        let text = send("abc1", &"x".repeat(300_000), '$') + &send("abc2", "two", '#');
        let expected = ["abc1 too long", "abc2 Aborted two"];
        for size in [1_000, 1_460, 65_536] {
            let parts: Vec<_> = text.as_bytes().chunks(size).collect();
            assert_eq!(chunks(&parts), expected, "{size}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_grow(
            parts in proptest::collection::vec(
                prop_oneof![
                    proptest::collection::vec(any::<u8>(), 0..40),
                    Just(b"MSRP abcd SEND\r\n".to_vec()),
                    Just(b"\r\n\r\n".to_vec()),
                    Just(b"\r\n-------abcd$\r\n".to_vec()),
                ],
                0..30,
            )
        ) {
            let parts: Vec<_> = parts.iter().map(Vec::as_slice).collect();
            chunks(&parts);
        }
    }
}

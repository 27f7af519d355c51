//! Messages put together from their chunks, by Message-ID and place (RFC 4975 §7.3.1).

use alloc::vec::Vec;

use super::Sent;
use super::chunk::End;
use super::framing::{Chunk, MAX_CHUNK};
use crate::fnv::fnv;
use crate::reassembly::Pieces;

/// Messages that wait for more chunks.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    begun: Vec<Begun>,
}

#[derive(Clone, Debug)]
struct Begun {
    copy: u64,
    pieces: Pieces,
    bytes: usize,
    /// How long it is, where its last chunk came or a chunk said so.
    length: Option<usize>,
    /// It is told of, and not put together.
    told: bool,
}

/// Messages begun at once; who interleaves more has the first told of without their bytes.
const MAX_BEGUN: usize = 32;

impl Messages {
    pub(super) fn chunk(&mut self, chunk: &Chunk<'_>, sink: &mut dyn FnMut(Sent<'_>)) {
        let (head, body) = chunk;
        if head.method != b"SEND" || head.content_type.is_empty() {
            return;
        }
        let copy = fnv([head.message_id, b"\n", last(head.from_path)]);
        let sent = |bytes| Sent {
            copy,
            from: last(head.from_path),
            to: last(head.to_path),
            content_type: head.content_type,
            bytes,
        };
        let place = match self.begun.iter().position(|it| it.copy == copy) {
            Some(place) => place,
            None => {
                if self.begun.len() >= MAX_BEGUN {
                    self.begun.remove(0);
                }
                let (pieces, bytes) = (Pieces::default(), 0);
                self.begun.push(Begun { copy, pieces, bytes, length: None, told: false });
                self.begun.len() - 1
            }
        };
        let Some(begun) = self.begun.get_mut(place) else { return };
        let first = usize::try_from(head.first - 1).unwrap_or(usize::MAX);
        let fits = body.filter(|(bytes, _)| first.saturating_add(bytes.len()) <= MAX_CHUNK);
        let is_text = may_be_text(head.content_type);
        let Some((bytes, end)) = fits.filter(|_| is_text && !begun.told) else {
            if !begun.told {
                sink(sent(None));
            }
            begun.told = true;
            begun.pieces = Pieces::default();
            if !body.is_some_and(|(_, end)| end == End::Continued) {
                self.begun.remove(place);
            }
            return;
        };
        begun.bytes += begun.pieces.insert(first as u64, bytes);
        let told = head.total.and_then(|total| usize::try_from(total).ok());
        match end {
            End::Complete => begun.length = Some(told.unwrap_or(first + bytes.len())),
            End::Continued => begun.length = begun.length.or(told),
            End::Aborted => {
                self.begun.remove(place);
                return;
            }
        }
        let length = begun.length.filter(|&length| length <= begun.bytes);
        if let Some(whole) = length.and_then(|length| begun.pieces.whole(length)) {
            self.begun.remove(place);
            // An empty one says only that the connection is there (§7.1).
            if !whole.is_empty() {
                sink(sent(Some(&whole)));
            }
        }
    }
}

/// Anything else is a file.
fn may_be_text(content_type: &[u8]) -> bool {
    let begins = |name: &[u8]| {
        content_type.get(..name.len()).is_some_and(|it| it.eq_ignore_ascii_case(name))
    };
    begins(b"text/") || begins(b"message/cpim")
}

/// The last URI of a path: whose it is, behind all relays.
fn last(path: &[u8]) -> &[u8] {
    path.rsplit(u8::is_ascii_whitespace).find(|uri| !uri.is_empty()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::framing::Framing;
    use super::*;
    use std::format;
    use std::string::{String, ToString};

    /// A chunk: Message-ID, Byte-Range, Content-Type, bytes, flag.
    type Line<'a> = (&'a str, &'a str, &'a str, &'a str, char);

    fn said(lines: &[Line<'_>]) -> Vec<String> {
        let (mut framing, mut messages, mut said) =
            (Framing::default(), Messages::default(), Vec::new());
        for (nth, (id, range, kind, bytes, flag)) in lines.iter().enumerate() {
            let text = format!(
                "MSRP tr{nth} SEND\r\nTo-Path: msrp://b/x;tcp\r\nFrom-Path: msrp://a/y;tcp\r\n\
                 Message-ID: {id}\r\nByte-Range: {range}\r\nContent-Type: {kind}\r\n\r\n\
                 {bytes}\r\n-------tr{nth}{flag}\r\n"
            );
            framing.feed(text.as_bytes(), &mut |chunk| {
                messages.chunk(&chunk, &mut |sent| {
                    let bytes = sent.bytes.map(|bytes| String::from_utf8_lossy(bytes).to_string());
                    said.push(bytes.unwrap_or_else(|| "not told".to_string()));
                });
            });
            assert!(messages.begun.len() <= MAX_BEGUN);
        }
        said
    }

    #[test]
    fn chunks_of_interleaved_messages_are_put_together_in_any_order() {
        let text = "text/plain";
        let found = said(&[
            ("1", "1-*/11", text, "Hello ", '+'),
            ("2", "1-3/3", text, "two", '$'),
            ("1", "7-11/11", text, "Alice", '$'),
            ("3", "4-6/6", text, "def", '$'),
            ("3", "1-3/6", text, "abc", '+'),
            ("3", "1-3/6", text, "abc", '+'),
        ]);
        assert_eq!(found, ["two", "Hello Alice", "abcdef"]);
    }

    #[test]
    fn what_was_given_up_or_lacks_bytes_says_nothing() {
        let text = "text/plain";
        let found = said(&[
            ("1", "1-*/*", text, "Never ", '+'),
            ("1", "7-*/*", text, "mind", '#'),
            ("2", "5-8/8", text, "only", '$'),
            ("3", "1-2/99", text, "no", '$'),
            ("4", "1-0/0", text, "", '$'),
        ]);
        assert_eq!(found, [""; 0]);
    }

    #[test]
    fn a_file_and_a_text_beyond_the_bound_are_told_of_once_and_without_bytes() {
        let long = "x".repeat(40_000);
        let found = said(&[
            ("1", "1-3/6", "image/png", "abc", '+'),
            ("1", "4-6/6", "image/png", "def", '$'),
            ("2", "1-40000/80000", "text/plain", &long, '+'),
            ("2", "40001-80000/80000", "text/plain", &long, '$'),
            ("3", "18446744073709551615-*/*", "text/plain", "far", '$'),
        ]);
        assert_eq!(found, ["not told"; 3]);
    }

    #[test]
    fn many_messages_begun_and_never_ended_stay_within_a_bound() {
        let ids: Vec<String> = (0..100).map(|id| id.to_string()).collect();
        let lines: Vec<Line<'_>> =
            ids.iter().map(|id| (id.as_str(), "1-*/*", "text/plain", "x", '+')).collect();
        assert_eq!(said(&lines), [""; 0]);
    }
}

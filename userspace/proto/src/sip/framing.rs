//! Where a message ends (RFC 3261 §18.3): by the empty line in a datagram, by Content-Length in a
//! stream.

use super::{Fields, Header};
use crate::event::Flaw;

/// What the bytes at the front of a stream are, a start line ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framed {
    /// More bytes are needed; the search for the header's end goes on from this offset.
    Incomplete {
        /// Bytes that need no second look.
        scanned: usize,
    },
    /// A message of this length.
    Message {
        /// Start line, header and body.
        length: usize,
    },
    /// Nobody can tell where it ends.
    Endless(Flaw),
}

/// A header of this size has no end.
const MAX_HEADER: usize = 64 << 10;

/// Finds the end of the first message in `stream`; one longer than `limit` is not waited for.
///
/// Content-Length is read as 64 bits: 2^32 + 32 is not 32 (CVE-2026-23457).
pub(crate) fn frame(stream: &[u8], scanned: usize, limit: usize) -> Framed {
    let Some(body_at) = body_offset(stream, scanned) else {
        return if stream.len() > MAX_HEADER.min(limit) {
            Framed::Endless(Flaw::NoHeaderEnd)
        } else {
            // The last three bytes may be the beginning of the empty line.
            Framed::Incomplete { scanned: stream.len().saturating_sub(3) }
        };
    };
    let header = stream.get(..body_at).unwrap_or(stream);
    let mut declared = Declared::default();
    let lengths = Fields::new(header, 0)
        .flatten()
        .filter(|field| Header::named(field.name) == Some(Header::ContentLength));
    for field in lengths {
        if let Err(flaw) = declared.read(field.value) {
            return Framed::Endless(flaw);
        }
    }
    // A stream needs one (§18.3); without, the message is its header.
    match body_at.checked_add(declared.length().unwrap_or(0)) {
        Some(length) if length <= stream.len() => Framed::Message { length },
        Some(length) if length <= limit => {
            Framed::Incomplete { scanned: body_at.saturating_sub(4) }
        }
        _ => Framed::Endless(Flaw::ContentLength),
    }
}

/// Offset behind the empty line that ends the header, looked for from `scanned` on.
pub(crate) fn body_offset(message: &[u8], scanned: usize) -> Option<usize> {
    let mut from = scanned;
    loop {
        let line_end = from + memchr::memchr(b'\n', message.get(from..)?)? + 1;
        match message.get(line_end..)? {
            [b'\n', ..] => return Some(line_end + 1),
            [b'\r', b'\n', ..] => return Some(line_end + 2),
            _ => from = line_end,
        }
    }
}

/// What the Content-Length fields of a header say, read one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Declared(Option<u64>);

impl Declared {
    /// # Errors
    ///
    /// [`Flaw::ContentLength`] where it is no number, too large to be one, or said twice
    /// differently.
    pub(super) fn read(&mut self, value: &[u8]) -> Result<(), Flaw> {
        let length = number(value).ok_or(Flaw::ContentLength)?;
        if self.0.is_some_and(|before| before != length) {
            return Err(Flaw::ContentLength);
        }
        self.0 = Some(length);
        Ok(())
    }

    /// None without any; a length that no memory holds is the longest that could be.
    pub(super) fn length(self) -> Option<usize> {
        self.0.map(|length| usize::try_from(length).unwrap_or(usize::MAX))
    }
}

/// Decimal digits and nothing else, as a number.
pub(super) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, &byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    const LIMIT: usize = 1 << 16;

    fn framed(length: &str) -> Framed {
        let text = format!("INFO sip:a SIP/2.0\r\n{length}\r\n0123456789");
        frame(text.as_bytes(), 0, LIMIT)
    }

    #[test]
    fn content_length_ends_a_message_in_a_stream() {
        let cases = [
            ("Content-Length: 0\r\n", Framed::Message { length: 41 }),
            ("l: 4\r\n", Framed::Message { length: 32 }),
            ("", Framed::Message { length: 22 }),
            ("l:\t010 \r\n", Framed::Message { length: 41 }),
            ("l: 11\r\n", Framed::Incomplete { scanned: 25 }),
            ("l: 4294967328\r\n", Framed::Endless(Flaw::ContentLength)),
            ("l: 2147483648\r\n", Framed::Endless(Flaw::ContentLength)),
            ("l: 18446744073709551616\r\n", Framed::Endless(Flaw::ContentLength)),
            ("l: -1\r\n", Framed::Endless(Flaw::ContentLength)),
            ("l:\r\n", Framed::Endless(Flaw::ContentLength)),
            ("l: 4\r\nl: 5\r\n", Framed::Endless(Flaw::ContentLength)),
        ];
        for (length, expected) in cases {
            assert_eq!(framed(length), expected, "{length}");
        }
    }

    #[test]
    fn a_header_without_end_is_not_waited_for() {
        let endless = [b'x'; MAX_HEADER + 1];
        assert_eq!(frame(&endless, 0, 1 << 20), Framed::Endless(Flaw::NoHeaderEnd));
        assert_eq!(frame(&endless[..9], 0, 1 << 20), Framed::Incomplete { scanned: 6 });
    }

    #[test]
    fn the_empty_line_is_found_wherever_the_last_search_stopped() {
        for text in ["INFO a SIP/2.0\r\nTo: b\r\n\r\n", "INFO a SIP/2.0\nTo: b\n\n"] {
            for first in 0..text.len() {
                let Framed::Incomplete { scanned } = frame(&text.as_bytes()[..first], 0, LIMIT)
                else {
                    panic!("{first}");
                };
                let expected = Framed::Message { length: text.len() };
                assert_eq!(frame(text.as_bytes(), scanned, LIMIT), expected, "{first}");
            }
        }
    }
}

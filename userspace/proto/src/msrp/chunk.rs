//! One chunk of an MSRP message (RFC 4975 §5, §7, §9).
//!
//! ```text
//! MSRP a786hjs2 SEND
//! To-Path: msrp://192.0.2.2:2855/9di4ea;tcp
//! From-Path: msrp://192.0.2.1:2855/iau39;tcp
//! Message-ID: 87652491
//! Byte-Range: 1-25/25
//! Content-Type: text/plain
//!
//! Hey Bob, are you there?
//! -------a786hjs2$
//! ```

use crate::sip::{Fields, split_line};

/// What stands ahead of a chunk's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// What its end line repeats.
    pub(super) transaction: &'a [u8],
    /// `SEND`, `REPORT`; of a response its code.
    pub(super) method: &'a [u8],
    pub(super) to_path: &'a [u8],
    pub(super) from_path: &'a [u8],
    pub(super) message_id: &'a [u8],
    pub(super) content_type: &'a [u8],
    /// Place of its first byte in the message, from 1.
    pub(super) first: u64,
    /// Bytes of the whole message, where they are known.
    pub(super) total: Option<u64>,
}

/// How a chunk ends (RFC 4975 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// `$`: the message is complete.
    Complete,
    /// `+`: more follows.
    Continued,
    /// `#`: its sender gave it up.
    Aborted,
}

/// What is at the front of the bytes of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front<'a> {
    /// Not enough to say.
    Incomplete,
    /// No chunk.
    Other,
    /// A chunk without bytes, so long.
    Empty { length: usize },
    /// The head of a chunk with bytes, so long.
    Head { head: Head<'a>, length: usize },
}

/// Longest start line and header; paths through a few relays are some hundred bytes.
pub(super) const MAX_HEAD: usize = 8 << 10;

/// A transaction's name has 4 to 32 characters (RFC 4975 §9), and shorter ones occur.
pub(super) const MAX_TRANSACTION: usize = 32;

/// Reads the front up to the empty line behind the header, or the end line of a chunk without
/// bytes.
pub(super) fn front(bytes: &[u8]) -> Front<'_> {
    let incomplete = if bytes.len() > MAX_HEAD { Front::Other } else { Front::Incomplete };
    let known = bytes.get(..5).unwrap_or(bytes);
    if !b"MSRP ".starts_with(known) {
        return Front::Other;
    }
    let (start, Some(after)) = split_line(bytes) else { return incomplete };
    let mut words = start.split(|&byte| byte == b' ').skip(1);
    let (Some(transaction), Some(method)) = (words.next(), words.next()) else {
        return Front::Other;
    };
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || b".-+%=".contains(byte);
    if !(1..=MAX_TRANSACTION).contains(&transaction.len()) || !transaction.iter().all(is_name) {
        return Front::Other;
    }
    let header_at = bytes.len() - after.len();
    let mut rest = after;
    while let (line, Some(after)) = split_line(rest) {
        let length = bytes.len() - after.len();
        if end_line(line, transaction).is_some() {
            return Front::Empty { length };
        }
        if line.is_empty() {
            let header = bytes.get(header_at..bytes.len() - rest.len()).unwrap_or_default();
            return Front::Head { head: head(transaction, method, header, header_at), length };
        }
        rest = after;
    }
    incomplete
}

fn head<'a>(transaction: &'a [u8], method: &'a [u8], header: &'a [u8], at: usize) -> Head<'a> {
    let (mut first, mut total) = (1, None);
    let mut head = Head {
        transaction,
        method,
        to_path: b"",
        from_path: b"",
        message_id: b"",
        content_type: b"",
        first,
        total,
    };
    for field in Fields::new(header, at).flatten() {
        let is = |name: &str| field.name.eq_ignore_ascii_case(name.as_bytes());
        if is("To-Path") {
            head.to_path = field.value;
        } else if is("From-Path") {
            head.from_path = field.value;
        } else if is("Message-ID") {
            head.message_id = field.value;
        } else if is("Content-Type") {
            head.content_type = field.value;
        } else if is("Byte-Range") {
            (first, total) = byte_range(field.value).unwrap_or((first, total));
        }
    }
    Head { first, total, ..head }
}

/// `1-25/25`, `26-*/*`: place of the first byte, and the whole if it is known.
fn byte_range(value: &[u8]) -> Option<(u64, Option<u64>)> {
    let text = core::str::from_utf8(value).ok()?;
    let (range, total) = text.split_once('/')?;
    let (first, _last) = range.split_once('-')?;
    let first = first.trim().parse().ok().filter(|&first| first > 0)?;
    Some((first, total.trim().parse().ok()))
}

/// The flag of `-------transaction$`, if this line is the end line of this transaction.
pub(super) fn end_line(line: &[u8], transaction: &[u8]) -> Option<End> {
    match line.strip_prefix(DASHES)?.strip_prefix(transaction)? {
        b"$" => Some(End::Complete),
        b"+" => Some(End::Continued),
        b"#" => Some(End::Aborted),
        _ => None,
    }
}

/// What an end line begins with.
pub(super) const DASHES: &[u8] = b"-------";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEND: &str = "MSRP a786hjs2 SEND\r\nTo-Path: msrp://b.example:2855/9di4ea;tcp\r\n\
        From-Path: msrp://a.example:2855/iau39;tcp\r\nMessage-ID: 87652491\r\n\
        Byte-Range: 26-*/200\r\nContent-Type: text/plain\r\n\r\n";

    #[test]
    fn a_head_says_what_its_bytes_belong_to() {
        let Front::Head { head, length } = front(SEND.as_bytes()) else { panic!() };
        assert_eq!(length, SEND.len());
        assert_eq!((head.transaction, head.method), (&b"a786hjs2"[..], &b"SEND"[..]));
        assert_eq!((head.message_id, head.content_type), (&b"87652491"[..], &b"text/plain"[..]));
        assert_eq!((head.first, head.total), (26, Some(200)));
        for cut in 0..SEND.len() {
            assert_eq!(front(&SEND.as_bytes()[..cut]), Front::Incomplete, "{cut}");
        }
    }

    #[test]
    fn a_response_and_a_report_are_chunks_without_bytes() {
        let response = "MSRP a786hjs2 200 OK\r\nTo-Path: msrp://a/x;tcp\r\n-------a786hjs2$\r\n";
        assert_eq!(front(response.as_bytes()), Front::Empty { length: response.len() });
        // The end line of another transaction ends nothing.
        let other = response.replace("-------a786hjs2", "-------a786hjs3");
        assert_eq!(front(other.as_bytes()), Front::Incomplete);
    }

    #[test]
    fn what_is_no_chunk_is_told_at_once() {
        for text in ["INVITE sip:", "MSRP  SEND\r\n", "MSRP abc\r\n", "MSRP a\0cd SEND\r\n", "M\r"]
        {
            assert_eq!(front(text.as_bytes()), Front::Other, "{text:?}");
        }
        assert_eq!(front(&[SEND.as_bytes(), b"x"].concat().repeat(1)[..9]), Front::Incomplete);
        let endless = [b"MSRP abcd SEND\r\n".as_slice(), &[b'x'; MAX_HEAD]].concat();
        assert_eq!(front(&endless), Front::Other);
    }

    #[test]
    fn a_byte_range_that_is_none_says_nothing() {
        for (text, expected) in [
            ("1-25/25", Some((1, Some(25)))),
            ("26-*/*", Some((26, None))),
            ("0-25/25", None),
            ("1-25", None),
            ("-1-2/3", None),
            ("18446744073709551616-*/*", None),
        ] {
            assert_eq!(byte_range(text.as_bytes()), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = front(&bytes);
            let _ = front(&[b"MSRP abcd SEND\r\n", bytes.as_slice()].concat());
        }
    }
}

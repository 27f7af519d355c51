//! SIP messages (RFC 3261) as a borrowed scan: what a listener needs of them, and nothing refused.
//!
//! A listener is no SIP endpoint: a message that an endpoint would answer with 400 may still be
//! a target's, so the scan goes on past what it cannot read and says where the first flaw is.

mod address;
mod body;
mod contact;
mod field;
mod framing;
mod grammar;
mod message;
mod start_line;
mod unparsed;
mod uri;

pub(crate) use address::{credential, parameter};
pub use address::{tag, uris};
pub(crate) use body::{Part, parts};
pub use body::{other_bodies, session_description, text};
pub(crate) use contact::{Comparable, Contact, contacts};
pub use field::{Field, Fields, Header};
pub(crate) use framing::{Framed, body_offset, frame};
pub(crate) use grammar::flaw;
pub use message::{CSeq, Message};
pub(crate) use start_line::{Beginning, beginning};
pub use start_line::{StartLine, looks_like_start_line};
pub(crate) use unparsed::{Clue, clues};
pub use uri::{Scheme, Uri};

/// The bytes behind the empty lines that may precede a start line (RFC 3261 §7.5), and that keep
/// connections alive (RFC 5626 §3.5.1).
pub(crate) fn past_empty_lines(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'));
    first.and_then(|first| bytes.get(first..)).unwrap_or_default()
}

/// Up to the first line feed, without it and a carriage return ahead of it; and what follows.
pub(crate) fn split_line(bytes: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'\n', bytes).and_then(|end| bytes.split_at_checked(end)) {
        Some((line, rest)) => (line.strip_suffix(b"\r").unwrap_or(line), rest.get(1..)),
        None => (bytes, None),
    }
}

/// Parts of a token: RFC 3261 §25.1.
pub(crate) fn is_token_byte(byte: u8) -> bool {
    // Ranges and single bytes compile to a bit test, which every byte of every name goes through.
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9'
            | b'-' | b'.' | b'!' | b'%' | b'*' | b'_' | b'+' | b'`' | b'\'' | b'~'
    )
}

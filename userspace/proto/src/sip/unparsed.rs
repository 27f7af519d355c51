//! Clues to whose message it is, in bytes that are no SIP message.

use super::Uri;
use super::split_line;

/// Something that may tie unreadable bytes to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clue<'a> {
    /// What stands in a line that would be a Call-ID header field.
    CallId(&'a [u8]),
    /// What would be a URI.
    Uri(&'a [u8]),
}

/// More lines and URIs than this are not looked at.
const MAX_LINES: usize = 256;
const MAX_URIS: usize = 32;

/// The clues in a payload, Call-IDs first; none where it shows no sign of SIP.
///
/// A message that went wrong still begins as text; a tunnel that holds a message does not.
pub(crate) fn clues(payload: &[u8]) -> impl Iterator<Item = Clue<'_>> {
    let has_sip = || {
        [b"SIP/2.0".as_slice(), b"sip:", b"tel:"]
            .iter()
            .any(|sign| memchr::memmem::find(payload, sign).is_some())
    };
    let is_text = super::past_empty_lines(payload)
        .first_chunk::<4>()
        .is_some_and(|start| start.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' '));
    let payload = if is_text && has_sip() { payload } else { b"" };
    let call_ids = Lines { rest: Some(payload) }.take(MAX_LINES).filter_map(call_id);
    call_ids.map(Clue::CallId).chain(uris(payload).take(MAX_URIS).map(Clue::Uri))
}

struct Lines<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = split_line(self.rest?);
        self.rest = rest;
        Some(line)
    }
}

fn call_id(line: &[u8]) -> Option<&[u8]> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.get(1..)?.trim_ascii();
    let is_call_id = super::Header::named(name.trim_ascii()) == Some(super::Header::CallId);
    (is_call_id && !value.is_empty()).then_some(value)
}

fn uris(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b':', payload).filter_map(move |colon| {
        let start = [4, 3].iter().find_map(|&length| {
            let start = colon.checked_sub(length)?;
            let scheme = payload.get(start..colon)?;
            let known = [b"sips".as_slice(), b"sip", b"tel"];
            known.iter().any(|name| name.eq_ignore_ascii_case(scheme)).then_some(start)
        })?;
        let rest = payload.get(start..)?;
        let end =
            rest.iter().position(|&byte| byte <= b' ' || b"<>\",".contains(&byte) || byte == 0x7f);
        let uri = rest.get(..end.unwrap_or(rest.len()))?;
        Uri::parse(uri).map(|_| uri)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    #[test]
    fn call_ids_and_uris_are_found_where_no_message_is() {
        let payload = b"INVITE\x00sip:bob@example.org\r\nCall-ID : 1@x\r\nFrom <sip:alice@example.net>;\xff\r\n";
        let found: Vec<_> = clues(payload).collect();
        let expected = [
            Clue::CallId(b"1@x"),
            Clue::Uri(b"sip:bob@example.org"),
            Clue::Uri(b"sip:alice@example.net"),
        ];
        assert_eq!(found, expected);
        assert_eq!(clues(b"text i: 1@x\r\n").count(), 0, "text without a sign of SIP");
        assert_eq!(clues(b"\x30\xff\x00\x10sip:a@b\r\n").count(), 0, "a tunnel");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = clues(&bytes).count();
            prop_assert!(clues(&[b"sip:", bytes.as_slice()].concat()).count() <= MAX_LINES + MAX_URIS);
        }
    }
}

//! Request line and status line (RFC 3261 §7.1, §7.2).

use super::{is_token_byte, past_empty_lines, split_line};

/// The first line of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLine<'a> {
    /// `INVITE sip:bob@example.net SIP/2.0`
    Request {
        /// Any token: extensions define methods of their own.
        method: &'a [u8],
        /// Request-URI as sent.
        uri: &'a [u8],
    },
    /// `SIP/2.0 200 OK`
    Response {
        /// 100 to 699.
        status: u16,
    },
}

impl<'a> StartLine<'a> {
    /// Reads one line, given without its line end.
    #[must_use]
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        if let Some(rest) = after_version(line) {
            return status(rest.strip_prefix(b" ")?.trim_ascii_start())
                .map(|status| Self::Response { status });
        }
        let space = memchr::memchr(b' ', line)?;
        let (method, rest) = line.split_at_checked(space)?;
        let last = memchr::memrchr(b' ', rest)?;
        let (uri, version) = rest.split_at_checked(last)?;
        let uri = uri.trim_ascii();
        let is_request = is_method(method)
            && !uri.is_empty()
            && after_version(version.trim_ascii()).is_some_and(<[u8]>::is_empty);
        is_request.then_some(Self::Request { method, uri })
    }
}

/// Whether a payload begins with a SIP start line, after empty lines.
///
/// Cheap enough for every UDP payload of a capture: HTTP, SSDP and media fail within a few bytes.
#[must_use]
pub fn looks_like_start_line(bytes: &[u8]) -> bool {
    matches!(beginning(past_empty_lines(bytes)), Beginning::StartLine)
}

/// What the bytes at the beginning of a line are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// A whole start line.
    StartLine,
    /// The first part of what may become one.
    Unclear,
    /// Something else.
    Other,
}

/// Longer lines are no start lines: nothing waits for their end.
const MAX_LINE: usize = 8192;
const MAX_METHOD: usize = 64;

pub(crate) fn beginning(bytes: &[u8]) -> Beginning {
    // The method's end decides before a line end is looked for.
    let token = bytes.iter().take(MAX_METHOD + 1).position(|&byte| !is_token_byte(byte));
    match token.and_then(|end| Some((end, *bytes.get(end)?))) {
        Some((1.., b' ')) => {}
        // `SIP/2.0` is no token.
        Some((3, b'/')) if bytes.get(..3).is_some_and(|t| t.eq_ignore_ascii_case(b"SIP")) => {}
        None if bytes.len() <= MAX_METHOD => return Beginning::Unclear,
        _ => return Beginning::Other,
    }
    let within = bytes.get(..MAX_LINE).unwrap_or(bytes);
    match split_line(within) {
        (line, Some(_)) if StartLine::parse(line).is_some() => Beginning::StartLine,
        (_, None) if bytes.len() < MAX_LINE => Beginning::Unclear,
        _ => Beginning::Other,
    }
}

fn is_method(method: &[u8]) -> bool {
    !method.is_empty() && method.len() <= MAX_METHOD && method.iter().all(|&b| is_token_byte(b))
}

/// What follows `SIP/2.0`; the version is compared without case (§7.1) and may be another one.
fn after_version(text: &[u8]) -> Option<&[u8]> {
    let (name, rest) = text.split_at_checked(4)?;
    if !name.eq_ignore_ascii_case(b"SIP/") {
        return None;
    }
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let major = digits(rest);
    let rest = rest.get(major..)?.strip_prefix(b".")?;
    let minor = digits(rest);
    if major == 0 || minor == 0 {
        return None;
    }
    rest.get(minor..)
}

fn status(text: &[u8]) -> Option<u16> {
    let (&[a @ b'1'..=b'6', b @ b'0'..=b'9', c @ b'0'..=b'9'], rest) = text.split_first_chunk()?
    else {
        return None;
    };
    if !matches!(rest, [] | [b' ' | b'\t', ..]) {
        return None;
    }
    Some([a, b, c].iter().fold(0, |sum, digit| sum * 10 + u16::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn start_lines_are_told_from_what_looks_like_them() {
        let cases: [(&str, bool); 18] = [
            ("INVITE sip:bob@example.net SIP/2.0\r\n", true),
            ("INVITE sip:bob@example.net SIP/2.0\n", true),
            ("\r\n\r\nOPTIONS sip:bob@example.net SIP/2.0\r\n", true),
            ("!interesting-Method0123456789_*+`.%indeed'~ sip:a SIP/2.0\r\n", true),
            ("INVITE  sip:bob@example.net; lr  SIP/2.0 \r\n", true),
            ("invite tel:+3225550100 sip/2.0\r\n", true),
            ("SIP/2.0 200 OK\r\n", true),
            ("SIP/2.0 200\r\n", true),
            ("SIP/2.0 180 \r\n", true),
            ("SIP/2.0 99 No\r\n", false),
            ("SIP/2.0 2000 OK\r\n", false),
            ("SIP/2.0200 OK\r\n", false),
            ("NOTIFY * HTTP/1.1\r\n", false),
            ("GET /index.html HTTP/1.1\r\n", false),
            ("HTTP/1.1 200 OK\r\n", false),
            ("INVITE SIP/2.0\r\n", false),
            ("INVITE sip:bob@example.net SIP/2.0", false),
            ("", false),
        ];
        for (text, expected) in cases {
            assert_eq!(looks_like_start_line(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn every_part_of_a_start_line_may_become_one() {
        for line in ["INVITE sip:bob@example.net SIP/2.0\r\n", "SIP/2.0 200 OK\r\n"] {
            for end in 0..line.len() - 1 {
                let part = &line.as_bytes()[..end];
                assert_eq!(beginning(part), Beginning::Unclear, "{:?}", &line[..end]);
            }
            assert_eq!(beginning(line.as_bytes()), Beginning::StartLine);
        }
        assert_eq!(beginning(b"\x16\x03\x01"), Beginning::Other);
        assert_eq!(beginning(&[b'A'; 65]), Beginning::Other, "no method is that long");
        assert_eq!(beginning(&[&b"A "[..], &[b'x'; 8190]].concat()), Beginning::Other);
    }

    #[test]
    fn the_parts_are_given_as_sent() {
        let line = b"INVITE sip:Bob@Example.net;x SIP/2.0";
        let expected = StartLine::Request { method: b"INVITE", uri: b"sip:Bob@Example.net;x" };
        assert_eq!(StartLine::parse(line), Some(expected));
        assert_eq!(StartLine::parse(b"SIP/2.0 486"), Some(StartLine::Response { status: 486 }));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = looks_like_start_line(&bytes);
            let _ = StartLine::parse(&bytes);
        }
    }
}

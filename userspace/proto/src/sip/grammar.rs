//! What breaks the grammar of a message that can be read all the same (RFC 3261 §25.1).
//!
//! An endpoint would refuse such a message, and some do not: it is read as well as it can be, and
//! flagged. Only messages that are kept are looked at so closely.

use super::address::{Elements, outside_quotes};
use super::{Header, Message, StartLine, Uri, is_token_byte};
use crate::event::Flaw;

/// The first flaw of the start line and of the header fields that say who and where.
pub(crate) fn flaw(message: &Message<'_>) -> Option<Flaw> {
    if !is_start_line(message) {
        return Some(Flaw::StartLine);
    }
    let is_request = matches!(message.start, StartLine::Request { .. });
    if is_request && message.cseq.is_some_and(|cseq| cseq.method != message.method()) {
        return Some(Flaw::Method);
    }
    let mut seen = [None; SINGLE.len()];
    for field in message.fields() {
        let header = Header::named(field.name);
        let fits = match header {
            Some(Header::From | Header::To | Header::Contact) => {
                Elements::of(field.value).all(is_address)
            }
            Some(Header::Via) => Elements::of(field.value).all(has_parameters),
            None if field.name.eq_ignore_ascii_case(b"Date") => field.value.ends_with(b" GMT"),
            _ => true,
        };
        if !fits {
            return Some(Flaw::Value { at: field.at });
        }
        let Some(header) = header.filter(|header| SINGLE.contains(header)) else { continue };
        if seen.contains(&Some(header)) {
            return Some(Flaw::Repeated(header.name()));
        }
        if let Some(free) = seen.iter_mut().find(|slot| slot.is_none()) {
            *free = Some(header);
        }
    }
    None
}

/// Header fields that a message has one of (RFC 3261 §7.3.1).
const SINGLE: [Header; 4] = [Header::CallId, Header::CSeq, Header::From, Header::To];

/// `INVITE sip:bob@example.net SIP/2.0` with single spaces, or `SIP/2.0 200 OK`.
fn is_start_line(message: &Message<'_>) -> bool {
    let line = message.start_line;
    let is_version = |text: &[u8]| text.eq_ignore_ascii_case(b"SIP/2.0");
    let StartLine::Request { uri, .. } = message.start else {
        // A reason phrase may be empty; the space ahead of it stays.
        let is_status = matches!(line.get(7..), Some([b' ', _, _, _, b' ', ..]));
        return is_status && line.get(..7).is_some_and(is_version);
    };
    let mut parts = line.split(|&byte| byte == b' ');
    let [_, _, version] = [parts.next(), parts.next(), parts.next()];
    parts.next().is_none() && version.is_some_and(is_version) && is_request_uri(uri)
}

/// A Request-URI has no header fields of its own (RFC 3261 §19.1.1) and no angle brackets; an IPv6
/// address in it has brackets (RFC 5118 §4.2).
fn is_request_uri(text: &[u8]) -> bool {
    let Some(uri) = Uri::parse(text) else {
        // Of another scheme; what it must look like is not known here.
        return memchr::memchr2(b'<', b'>', text).is_none();
    };
    let behind_user = text.rsplit(|&byte| byte == b'@').next().unwrap_or_default();
    let has_headers = memchr::memchr(b'?', behind_user).is_some();
    let colons = uri.host.iter().filter(|&&byte| byte == b':').count();
    !has_headers && (colons < 2 || memchr::memchr(b'[', behind_user).is_some())
}

/// One of From, To or Contact: name-addr or addr-spec, and parameters.
fn is_address(element: &[u8]) -> bool {
    if element == b"*" {
        return true;
    }
    if !quotes_close(element) {
        return false;
    }
    let Some(open) = outside_quotes(element, |byte| byte == b'<') else {
        let end = memchr::memchr(b';', element).unwrap_or(element.len());
        let (address, _) = element.split_at_checked(end).unwrap_or((element, b""));
        let address = address.trim_ascii();
        return memchr::memchr(b':', address).is_some()
            && memchr::memchr(b'?', address).is_none()
            && !address.iter().any(u8::is_ascii_whitespace)
            && has_parameters(element);
    };
    let (name, rest) = element.split_at_checked(open).unwrap_or((element, b""));
    let Some(close) = memchr::memchr(b'>', rest) else { return false };
    let (inside, behind) = rest.split_at_checked(close).unwrap_or((rest, b""));
    is_display_name(name.trim_ascii())
        && !inside.iter().any(u8::is_ascii_whitespace)
        && has_parameters(behind) // The closing bracket stands first in it.
}

/// Tokens, or one quoted string.
fn is_display_name(name: &[u8]) -> bool {
    match name {
        [b'"', inner @ .., b'"'] => outside_quotes(name, |_| true).is_none() || inner.is_empty(),
        _ => name.iter().all(|&byte| is_token_byte(byte) || byte.is_ascii_whitespace()),
    }
}

/// Whether every quote that opens is closed.
fn quotes_close(text: &[u8]) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for &byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
    }
    !quoted
}

/// Whether something stands ahead of the first semicolon, and behind each.
fn has_parameters(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        let end = outside_quotes(rest, |byte| byte == b';').unwrap_or(rest.len());
        let Some((one, more)) = rest.split_at_checked(end) else { return true };
        if one.trim_ascii().is_empty() {
            return false;
        }
        let Some(more) = more.get(1..) else { return true };
        rest = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn addresses_that_fit_the_grammar_are_told_from_others() {
        let cases = [
            ("<sip:a@x>;tag=1", true),
            ("sip:a@x;tag=1", true),
            ("sip:a@x ; tag = 1", true),
            ("tel:+3225550100", true),
            ("\"A, \\\" B\" <sip:a@x>;q=\"1;;2\"", true),
            ("token1~` t2'+_ <sip:a@x>", true),
            ("A<sip:a@x?b=c>", true),
            ("*", true),
            ("\"A <sip:a@x>", false),
            ("A, B <sip:a@x>", false),
            ("\"A\" \"B\" <sip:a@x>", false),
            ("A < sip:a@x >", false),
            ("<sip:a@x", false),
            ("<sip:a@x>;;", false),
            ("<sip:a@x>;", false),
            ("sip:a@x?Route=b", false),
            ("alice", false),
        ];
        for (value, expected) in cases {
            let found = Elements::of(value.as_bytes()).all(is_address);
            assert_eq!(found, expected, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(header in proptest::collection::vec(any::<u8>(), 0..100)) {
            for name in ["From", "Via", "Date", "Contact"] {
                let head = std::format!("INFO sip:a SIP/2.0\r\n{name}: ");
                let text = [head.as_bytes(), &header, b"\r\n\r\n"].concat();
                let _ = Message::parse(&text).as_ref().and_then(flaw);
            }
        }
    }
}

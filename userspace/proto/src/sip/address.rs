//! Addresses in header fields: `"Alice" <sip:alice@example.net>;tag=x, <tel:+3225550100>`
//! (RFC 3261 §20.10, §25.1 name-addr and addr-spec).

use super::framing::number;

/// The URIs of a header field value, in order, as sent and without angle brackets.
///
/// Display names are passed over, also where they hold an address themselves.
pub fn uris(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    Elements { rest: value }.filter_map(uri)
}

/// The `tag` parameter of a From or To value (RFC 3261 §19.3).
#[must_use]
pub fn tag(value: &[u8]) -> Option<&[u8]> {
    if memchr::memchr(b'"', value).is_some() {
        return element_parameter(Elements { rest: value }.next()?, b"tag");
    }
    // Most values quote nothing, and each of a call's messages is asked for both its tags.
    let parameters = match memchr::memchr(b'>', value) {
        Some(close) => value.get(close + 1..)?,
        None => value,
    };
    let element = parameters.split(|&byte| byte == b',').next()?;
    element.split(|&byte| byte == b';').skip(1).find_map(|one| name_and_value(one, b"tag"))
}

/// A parameter of credentials: `Digest username="alice", realm="example.net"` (RFC 3261 §20.7).
#[must_use]
pub(crate) fn credential<'a>(value: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let scheme = value.iter().position(u8::is_ascii_whitespace)?;
    let parameters = Elements { rest: value.get(scheme..)? };
    parameters.filter_map(|one| name_and_value(one, name)).next()
}

/// The longest `expires` parameter of the contacts in a Contact value (RFC 3261 §20.10).
pub(super) fn expires(value: &[u8]) -> Option<u64> {
    Elements { rest: value }
        .filter_map(|element| number(element_parameter(element, b"expires")?))
        .max()
}

/// A parameter of one element; those of a URI in angle brackets are not the header field's.
pub(super) fn element_parameter<'a>(element: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let parameters = match outside_quotes(element, |byte| byte == b'>') {
        Some(close) => element.get(close + 1..)?,
        None => element,
    };
    parameter(parameters, name)
}

/// The value of a `;name=value` parameter; white space around the parts is allowed.
pub(crate) fn parameter<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut rest = text;
    while let Some(at) = outside_quotes(rest, |byte| byte == b';') {
        rest = rest.get(at + 1..)?;
        let end = outside_quotes(rest, |byte| byte == b';').unwrap_or(rest.len());
        let (one, _) = rest.split_at_checked(end)?;
        if let Some(value) = name_and_value(one, name) {
            return Some(value);
        }
    }
    None
}

/// The value in `name=value` or `name="value"`.
fn name_and_value<'a>(text: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let (key, value) = text.split_at_checked(memchr::memchr(b'=', text)?)?;
    if !key.trim_ascii().eq_ignore_ascii_case(name) {
        return None;
    }
    let value = value.get(1..)?.trim_ascii();
    Some(value.strip_prefix(b"\"").map_or(value, |quoted| {
        let end = memchr::memchr(b'"', quoted).unwrap_or(quoted.len());
        quoted.get(..end).unwrap_or_default()
    }))
}

/// Comma-separated elements; commas in quotes and angle brackets do not count.
pub(super) struct Elements<'a> {
    rest: &'a [u8],
}

impl<'a> Elements<'a> {
    pub(super) fn of(value: &'a [u8]) -> Self {
        Self { rest: value }
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let (element, rest) = self.rest.split_at_checked(element_end(self.rest))?;
        self.rest = rest.get(1..).unwrap_or_default();
        Some(element.trim_ascii())
    }
}

fn element_end(text: &[u8]) -> usize {
    let mut bracketed = false;
    outside_quotes(text, |byte| {
        bracketed = (bracketed || byte == b'<') && byte != b'>';
        byte == b',' && !bracketed
    })
    .unwrap_or(text.len())
}

/// The first place that `wanted` takes and that is not within a quoted string.
///
/// A quote that is never closed quotes nothing: it is part of a display name that was escaped
/// twice, or of one that was cut.
pub(super) fn outside_quotes(text: &[u8], mut wanted: impl FnMut(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if byte == b'"'
            && let Some(length) = quoted_length(text.get(at..)?)
        {
            at += length;
            continue;
        }
        if wanted(byte) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Length of the quoted string at the front, with its quotes (RFC 3261 §25.1).
fn quoted_length(text: &[u8]) -> Option<usize> {
    let mut escaped = true; // The opening quote.
    let close = text.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    });
    close.map(|close| close + 1)
}

pub(super) fn uri(element: &[u8]) -> Option<&[u8]> {
    let uri = match outside_quotes(element, |byte| byte == b'<') {
        Some(open) => {
            let inside = element.get(open + 1..)?;
            let close = memchr::memchr(b'>', inside).unwrap_or(inside.len());
            inside.get(..close)?
        }
        // Without angle brackets the parameters are the header field's (§20.10), but those of a
        // user part stand ahead of the host.
        None => {
            let from = memchr::memchr(b'@', element).unwrap_or(0);
            let tail = element.get(from..)?;
            let end = tail.iter().position(|byte| b";? \t\r\n".contains(byte));
            element.get(..from + end.unwrap_or(tail.len()))?
        }
    };
    let uri = uri.trim_ascii();
    (!uri.is_empty()).then_some(uri)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;
    use std::vec::Vec;

    #[test]
    fn uris_are_found_behind_display_names_and_ahead_of_parameters() {
        let cases: [(&str, &[&str]); 14] = [
            ("<sip:alice@example.net>;tag=1", &["sip:alice@example.net"]),
            ("sip:alice@example.net;tag=1", &["sip:alice@example.net"]),
            ("sip:alice@example.net", &["sip:alice@example.net"]),
            ("Alice <sip:alice@example.net;x=y?a=b>", &["sip:alice@example.net;x=y?a=b"]),
            ("\"<sip:eve@example.org>\" <sip:alice@example.net>", &["sip:alice@example.net"]),
            ("\"a\\\", <sip:eve@x>\" <sip:alice@example.net>", &["sip:alice@example.net"]),
            ("\"A, B\" <sip:a@x>, <tel:+3225550100>", &["sip:a@x", "tel:+3225550100"]),
            ("<sip:a,b@x>,sip:c@y;q=1", &["sip:a,b@x", "sip:c@y"]),
            ("sip:+32;ext=1@example.net;tag=1", &["sip:+32;ext=1@example.net"]),
            ("<sip:alice@example.net", &["sip:alice@example.net"]),
            ("\r\n <sip:a@x>\r\n ,\r\n <sip:b@y>", &["sip:a@x", "sip:b@y"]),
            ("*", &["*"]),
            ("\\\"arik\\\" <sip:alice@example.net>;tag=1", &["sip:alice@example.net"]),
            ("\"cut <sip:alice@example.net>", &["sip:alice@example.net"]),
        ];
        for (value, expected) in cases {
            let found: Vec<_> = uris(value.as_bytes()).map(String::from_utf8_lossy).collect();
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn the_tag_is_the_header_fields_not_the_uris() {
        let cases: [(&str, Option<&str>); 7] = [
            ("<sip:a@x;tag=no>;tag=yes", Some("yes")),
            ("sip:a@x;tag=yes", Some("yes")),
            ("\";tag=no\" <sip:a@x> ; TAG = yes ;x=y", Some("yes")),
            ("<sip:a@x>;tag=\"yes\"", Some("yes")),
            ("<sip:a@x>;tag=", Some("")),
            ("<sip:a@x>", None),
            ("", None),
        ];
        for (value, expected) in cases {
            assert_eq!(tag(value.as_bytes()), expected.map(str::as_bytes), "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            prop_assert!(uris(&bytes).count() <= bytes.len());
            let _ = tag(&bytes);
        }
    }
}

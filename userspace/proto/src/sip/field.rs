//! Header fields one after the other (RFC 3261 §7.3), and the names that matter here.

use super::{is_token_byte, split_line};
use crate::event::Flaw;

/// A header field as sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    /// Name as sent: any case, long or compact.
    pub name: &'a [u8],
    /// Value without surrounding white space; a folded one still has its line ends.
    pub value: &'a [u8],
    /// Offset of the line in the message.
    pub at: usize,
}

/// The header fields of a message in order, with the lines that are none.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// Fields of the lines in `header`, which begins at offset `at` of the message.
    #[must_use]
    pub fn new(header: &'a [u8], at: usize) -> Self {
        Self { rest: header, at }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Flaw>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let (lines, rest) = self.rest.split_at_checked(folded_end(self.rest))?;
        let at = self.at;
        self.at += lines.len();
        self.rest = rest;
        let Some((name, value)) =
            memchr::memchr(b':', lines).and_then(|colon| lines.split_at_checked(colon))
        else {
            return Some(Err(Flaw::HeaderLine { at }));
        };
        // White space ahead of the colon is allowed (§7.3.1), ahead of the name is not.
        let name = name.trim_ascii_end();
        if name.is_empty() || !name.iter().all(|&byte| is_token_byte(byte)) {
            return Some(Err(Flaw::HeaderLine { at }));
        }
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        Some(Ok(Field { name, value, at }))
    }
}

/// End of the first line and those that continue it by beginning with white space.
fn folded_end(text: &[u8]) -> usize {
    let mut rest = text;
    while let (_, Some(after)) = split_line(rest) {
        if !matches!(after, [b' ' | b'\t', ..]) {
            return text.len() - after.len();
        }
        rest = after;
    }
    text.len()
}

macro_rules! headers {
    ($($(#[$doc:meta])* $variant:ident = $long:literal $(or $compact:literal)?,)*) => {
        /// Header fields that are looked into.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Header {
            $($(#[$doc])* $variant,)*
        }

        impl Header {
            /// The header field of this name, in any case, long or compact.
            #[must_use]
            pub fn named(name: &[u8]) -> Option<Self> {
                // The length tells most names apart before any byte is compared.
                $(if (name.len() == $long.len() && name.eq_ignore_ascii_case($long.as_bytes()))
                    $(|| name.eq_ignore_ascii_case($compact.as_bytes()))?
                {
                    return Some(Self::$variant);
                })*
                None
            }

            /// Its long name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $long,)*
                }
            }
        }
    };
}

headers! {
    /// Via, passed over in the most messages and so tested first.
    Via = "Via" or "v",
    /// From (RFC 3261 §20.20).
    From = "From" or "f",
    /// To (RFC 3261 §20.39).
    To = "To" or "t",
    /// Call-ID (RFC 3261 §20.8).
    CallId = "Call-ID" or "i",
    /// CSeq (RFC 3261 §20.16).
    CSeq = "CSeq",
    /// Contact (RFC 3261 §20.10).
    Contact = "Contact" or "m",
    /// Content-Type (RFC 3261 §20.15).
    ContentType = "Content-Type" or "c",
    /// Content-Length (RFC 3261 §20.14).
    ContentLength = "Content-Length" or "l",
    /// Content-Encoding (RFC 3261 §20.12).
    ContentEncoding = "Content-Encoding" or "e",
    /// Expires (RFC 3261 §20.19).
    Expires = "Expires",
    /// Authorization (RFC 3261 §20.7).
    Authorization = "Authorization",
    /// Proxy-Authorization (RFC 3261 §20.28).
    ProxyAuthorization = "Proxy-Authorization",
    /// P-Asserted-Identity (RFC 3325 §9.1).
    PAssertedIdentity = "P-Asserted-Identity",
    /// P-Preferred-Identity (RFC 3325 §9.2).
    PPreferredIdentity = "P-Preferred-Identity",
    /// Remote-Party-ID (draft-ietf-sip-privacy-04, still sent).
    RemotePartyId = "Remote-Party-ID",
    /// Diversion (RFC 5806).
    Diversion = "Diversion",
    /// History-Info (RFC 7044).
    HistoryInfo = "History-Info",
    /// Session-ID (RFC 7989, RFC 7329).
    SessionId = "Session-ID",
    /// Replaces (RFC 3891).
    Replaces = "Replaces",
    /// Join (RFC 3911).
    Join = "Join",
    /// Refer-To (RFC 3515).
    ReferTo = "Refer-To" or "r",
    /// Referred-By (RFC 3892).
    ReferredBy = "Referred-By" or "b",
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    type Scanned<'a> = Vec<Result<(&'a [u8], &'a [u8]), Flaw>>;

    fn scan(header: &[u8]) -> Scanned<'_> {
        Fields::new(header, 0).map(|field| field.map(|f| (f.name, f.value))).collect()
    }

    #[test]
    fn fields_come_in_order_with_folds_and_either_line_end() {
        let header = b"Subject: one\r\n\ttwo\r\n three\nTo :<sip:a@b>\r\nv:x";
        let expected: Scanned<'_> = vec![
            Ok((b"Subject", b"one\r\n\ttwo\r\n three")),
            Ok((b"To", b"<sip:a@b>")),
            Ok((b"v", b"x")),
        ];
        assert_eq!(scan(header), expected);
    }

    #[test]
    fn a_bad_line_is_told_with_its_place_and_the_scan_goes_on() {
        let header = b"From: a\r\nno colon here\r\nT o: b\r\n: c\r\nTo: \xff\xfe\r\n";
        let expected: Scanned<'_> = vec![
            Ok((b"From", b"a")),
            Err(Flaw::HeaderLine { at: 9 }),
            Err(Flaw::HeaderLine { at: 24 }),
            Err(Flaw::HeaderLine { at: 32 }),
            Ok((b"To", b"\xff\xfe")),
        ];
        assert_eq!(scan(header), expected);
    }

    #[test]
    fn names_are_known_in_any_case_and_compact() {
        let cases: [(&str, Option<Header>); 8] = [
            ("call-id", Some(Header::CallId)),
            ("I", Some(Header::CallId)),
            ("FROM", Some(Header::From)),
            ("f", Some(Header::From)),
            ("P-asserted-identity", Some(Header::PAssertedIdentity)),
            ("b", Some(Header::ReferredBy)),
            ("L", Some(Header::ContentLength)),
            ("X-Call-ID", None),
        ];
        for (name, expected) in cases {
            assert_eq!(Header::named(name.as_bytes()), expected, "{name}");
        }
        assert_eq!(Header::ReferTo.name(), "Refer-To");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_or_go_on_for_ever(
            bytes in proptest::collection::vec(any::<u8>(), 0..200)
        ) {
            prop_assert!(Fields::new(&bytes, 0).count() <= bytes.len());
        }
    }
}

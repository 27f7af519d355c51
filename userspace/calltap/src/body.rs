//! What the recorder is told of a message's body: a text, a key that was pressed, or its type alone.

use calltap_evidence::lines::{DigitLine, TextLine};
use calltap_proto::msrp::Sent;
use calltap_proto::sip;

use crate::recorder::rfc3339;

/// What a body says.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// A text, of a page-mode message (RFC 3428) or sent in a session (RFC 4975).
    Text(TextLine),
    /// A key that was pressed (RFC 6086, `application/dtmf-relay`).
    Key(DigitLine),
}

/// A body and the message that it stands in.
#[derive(Debug, Clone, Copy)]
pub struct Body<'a> {
    /// When it was received, nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// Method.
    pub method: &'a [u8],
    /// From URI.
    pub from: &'a [u8],
    /// To URI.
    pub to: &'a [u8],
    /// Media type.
    pub media_type: &'a [u8],
    /// The body.
    pub bytes: &'a [u8],
}

impl Body<'_> {
    /// What it says: content of communication, to be told under a warrant for content alone.
    pub fn said(&self) -> Option<Said> {
        let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
        if self.method.eq_ignore_ascii_case(b"MESSAGE") {
            let text = sip::text(self.media_type, self.bytes)?;
            return Some(Said::Text(TextLine {
                at: rfc3339(self.at_ns),
                from: lossy(self.from),
                to: lossy(self.to),
                content_type: lossy(self.media_type),
                text: lossy(text),
            }));
        }
        let (digit, duration_ms) = key(self.media_type, self.bytes)?;
        let at = rfc3339(self.at_ns);
        Some(Said::Key(DigitLine { at, digit, by: "info".to_owned(), duration_ms }))
    }
}

/// The text that was sent in a session (RFC 4975), where it is one.
pub fn text_line(at_ns: u64, sent: &Sent<'_>) -> Option<TextLine> {
    let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let content_type = media_type(sent.content_type);
    let text = sip::text(content_type.as_bytes(), sent.bytes?)?;
    let (from, to) = (lossy(sent.from), lossy(sent.to));
    Some(TextLine { at: rfc3339(at_ns), from, to, content_type, text: lossy(text) })
}

/// The media type alone of a Content-Type.
pub fn media_type(content_type: &[u8]) -> String {
    let name = content_type.split(|&byte| byte == b';').next().unwrap_or_default();
    String::from_utf8_lossy(name.trim_ascii()).into_owned()
}

/// `Signal=5`, `Duration=160` in `application/dtmf-relay`, or the key alone in `application/dtmf`.
fn key(media_type: &[u8], bytes: &[u8]) -> Option<(String, Option<u64>)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let (signal, duration) = if media_type.eq_ignore_ascii_case(b"application/dtmf-relay") {
        let field = |name: &str| {
            text.lines().find_map(|line| {
                let (found, value) = line.split_once('=')?;
                found.trim().eq_ignore_ascii_case(name).then_some(value.trim())
            })
        };
        (field("Signal")?, field("Duration"))
    } else if media_type.eq_ignore_ascii_case(b"application/dtmf") {
        (text.trim(), None)
    } else {
        return None;
    };
    let key = match signal {
        // Some devices number the keys as RFC 4733 does.
        "10" => "*".to_owned(),
        "11" => "#".to_owned(),
        _ => {
            let mut letters = signal.chars();
            let key = letters.next().filter(|it| it.is_ascii_digit() || "*#ABCDabcd".contains(*it));
            key.filter(|_| letters.next().is_none())?.to_ascii_uppercase().to_string()
        }
    };
    Some((key, duration.and_then(|it| it.parse().ok())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body<'a>(method: &'a str, media_type: &'a str, bytes: &'a str) -> Body<'a> {
        let (from, to) = (&b"sip:a@example.net"[..], &b"sip:b@example.org"[..]);
        let (method, media_type, bytes) =
            (method.as_bytes(), media_type.as_bytes(), bytes.as_bytes());
        Body { at_ns: 0, method, from, to, media_type, bytes }
    }

    #[test]
    fn a_text_is_told_as_it_was_written() {
        let text = "Gr\u{fc}\u{df}e \u{1f44b}\u{1f3fd}\r\n";
        let Some(Said::Text(line)) = body("MESSAGE", "text/plain", text).said() else { panic!() };
        assert_eq!((line.text.as_str(), line.from.as_str()), (text, "sip:a@example.net"));
        assert_eq!(body("MESSAGE", "application/im-iscomposing+xml", "<x/>").said(), None);
        assert_eq!(body("NOTIFY", "text/plain", text).said(), None);
    }

    #[test]
    fn keys_are_read_in_the_forms_that_devices_write() {
        let cases = [
            ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n", Some(("5", Some(160)))),
            ("application/dtmf-relay", "Signal= #\nDuration= 90", Some(("#", Some(90)))),
            ("application/dtmf-relay", "signal=10\r\n", Some(("*", None))),
            ("application/DTMF", "a\r\n", Some(("A", None))),
            ("application/dtmf-relay", "Signal=55\r\n", None),
            ("application/dtmf-relay", "Duration=1\r\n", None),
            ("application/dtmf", "", None),
            ("text/plain", "5", None),
        ];
        for (media_type, text, expected) in cases {
            let expected = expected.map(|(key, ms): (&str, _)| (key.to_owned(), ms));
            assert_eq!(key(media_type.as_bytes(), text.as_bytes()), expected, "{text:?}");
        }
    }
}

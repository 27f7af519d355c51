//! Which bytes of a message may stay.

use alloc::vec;
use alloc::vec::Vec;

use super::Rules;
use crate::sip::{self, Message, Part};
use crate::within::offset_in;

/// Bodies that say how calls are made and not what is said in them; all others are content.
const SIGNALLING: [&[u8]; 9] = [
    b"application/sdp",
    b"application/isup",
    b"application/qsig",
    b"application/reginfo+xml",
    b"application/dialog-info+xml",
    b"application/conference-info+xml",
    b"application/resource-lists+xml",
    b"application/simple-message-summary",
    b"message/sipfrag",
];

/// Bodies that name the keys that were pressed: of INFO, and what KPML reports (RFC 4730).
const DIGITS: [&[u8]; 6] = [
    b"application/dtmf",
    b"application/dtmf-relay",
    b"application/vnd.nortelnetworks.digits",
    b"audio/telephone-event",
    b"application/kpml-request+xml",
    b"application/kpml-response+xml",
];

/// A mark for each byte: whether it may stay.
pub(super) fn keep(rules: Rules, bytes: &[u8]) -> Vec<bool> {
    let mut marks = Marks { bytes, marks: vec![true; bytes.len()] };
    match Message::parse(bytes) {
        Some(message) => body(rules, &message, &mut marks),
        None if rules.content || rules.digits && may_name_digits(bytes) => unparsed(&mut marks),
        None => {}
    }
    if rules.keys {
        inline_keys(&mut marks);
    }
    marks.marks
}

struct Marks<'a> {
    bytes: &'a [u8],
    marks: Vec<bool>,
}

impl<'a> Marks<'a> {
    fn set(&mut self, part: &[u8], to: bool) {
        let Some(at) = offset_in(self.bytes, part) else { return };
        self.marks.iter_mut().skip(at).take(part.len()).for_each(|mark| *mark = to);
    }

    /// What stands behind the header, beyond Content-Length too.
    fn behind_header(&self) -> &'a [u8] {
        let bytes = self.bytes;
        let text = sip::past_empty_lines(bytes);
        sip::body_offset(text, 0).and_then(|at| text.get(at..)).unwrap_or_default()
    }
}

fn body<'a>(rules: Rules, message: &Message<'a>, marks: &mut Marks<'a>) {
    let all = marks.behind_header();
    if all.is_empty() {
        return;
    }
    let is_encoded = message.is_encoded || is_transfer_encoded(message);
    if is_encoded {
        // It is not looked into, and may hold anything.
        marks.set(all, false);
        return;
    }
    if rules.content {
        marks.set(all, false);
    }
    let is_said = matches!(message.method(), b"MESSAGE" | b"INFO");
    sip::parts(message.content_type, message.body, &mut |part| match part {
        Part::Frame(bytes) if rules.content && !is_said => marks.set(bytes, true),
        Part::Frame(_) => {}
        Part::Leaf { media_type, header, body } => {
            let is_signalling = SIGNALLING.iter().any(|it| it.eq_ignore_ascii_case(media_type));
            if rules.content && !is_said && is_signalling {
                marks.set(without_body(media_type, body), true);
            }
            if rules.digits && names_digits(media_type) {
                // Where it is the whole body, what stands beyond Content-Length is a part of it.
                marks.set(if header.is_empty() { all } else { body }, false);
            }
            if (rules.keys || rules.digits) && says_encoding(header) {
                marks.set(body, false);
            }
            if rules.keys && media_type.eq_ignore_ascii_case(b"application/sdp") {
                description_keys(body, marks);
            }
        }
    });
}

fn names_digits(media_type: &[u8]) -> bool {
    DIGITS.iter().any(|it| it.eq_ignore_ascii_case(media_type))
}

/// Whether bytes that are no message may be of one that names keys.
fn may_name_digits(bytes: &[u8]) -> bool {
    let has = |word: &[u8]| bytes.windows(word.len()).any(|it| it.eq_ignore_ascii_case(word));
    [&b"dtmf"[..], b"digits", b"telephone-event", b"kpml"].iter().any(|word| has(word))
}

/// A fragment of a message (RFC 3420) may have a body of its own.
fn without_body<'a>(media_type: &[u8], body: &'a [u8]) -> &'a [u8] {
    if !media_type.eq_ignore_ascii_case(b"message/sipfrag") {
        return body;
    }
    let end = sip::body_offset(body, 0).unwrap_or(body.len());
    body.get(..end).unwrap_or(body)
}

/// `k=` (RFC 4566 §5.12) and `a=key-mgmt` (RFC 4567 §3.1): the values.
fn description_keys<'a>(description: &'a [u8], marks: &mut Marks<'a>) {
    for line in description.split(|&byte| matches!(byte, b'\r' | b'\n')) {
        let has = |start: &[u8]| {
            line.get(..start.len()).is_some_and(|found| found.eq_ignore_ascii_case(start))
        };
        let from = if has(b"k=") {
            2
        } else if has(b"a=key-mgmt:") {
            11
        } else {
            continue;
        };
        let value = line.get(from..).unwrap_or_default();
        // The method stays: `base64:`, `mikey `.
        let method = value.iter().position(|&byte| matches!(byte, b':' | b' '));
        marks.set(value.get(method.map_or(0, |at| at + 1)..).unwrap_or_default(), false);
    }
}

/// `inline:` and the key behind it (RFC 4568 §9.2), wherever it stands.
fn inline_keys(marks: &mut Marks<'_>) {
    const INLINE: &[u8] = b"inline:";
    let bytes = marks.bytes;
    let mut at = 0;
    while let Some(rest) = bytes.get(at..) {
        let found = rest.windows(INLINE.len()).position(|it| it.eq_ignore_ascii_case(INLINE));
        let Some(found) = found else { return };
        let value = rest.get(found + INLINE.len()..).unwrap_or_default();
        let value = value.trim_ascii_start();
        let is_end =
            |byte: &u8| matches!(byte, b'|' | b';' | b'"' | b'<') || byte.is_ascii_whitespace();
        let key = value.get(..value.iter().position(is_end).unwrap_or(value.len()));
        let key = key.unwrap_or_default();
        marks.set(key, false);
        at += found + INLINE.len();
    }
}

/// Whether Content-Transfer-Encoding makes other bytes of the body (RFC 2045 §6).
fn is_transfer_encoded(message: &Message<'_>) -> bool {
    let encodings = message.fields().filter(|field| is_transfer_encoding(field.name));
    encodings.map(|field| field.value).any(|value| !is_plain(value))
}

fn says_encoding(header: &[u8]) -> bool {
    header.split(|&byte| byte == b'\n').any(|line| {
        let mut halves = line.splitn(2, |&byte| byte == b':');
        let name = halves.next().unwrap_or_default().trim_ascii();
        is_transfer_encoding(name) && halves.next().is_some_and(|value| !is_plain(value))
    })
}

fn is_transfer_encoding(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"Content-Transfer-Encoding")
}

fn is_plain(encoding: &[u8]) -> bool {
    let encoding = encoding.trim_ascii();
    [&b"7bit"[..], b"8bit", b"binary"].iter().any(|it| it.eq_ignore_ascii_case(encoding))
}

/// Of bytes that are no message, header lines alone stay, as far as they go.
fn unparsed(marks: &mut Marks<'_>) {
    let bytes = marks.bytes;
    marks.set(bytes, false);
    let mut rest = sip::past_empty_lines(bytes);
    // The first line is none that a message begins with.
    while let (_, Some(after)) = sip::split_line(rest) {
        let (line, behind) = sip::split_line(after);
        if line.is_empty() {
            return;
        }
        let name = line.iter().position(|&byte| byte == b':').and_then(|at| line.get(..at));
        if name.is_some_and(|name| sip::Header::named(name.trim_ascii()).is_some()) {
            let length = after.len() - behind.map_or(0, <[u8]>::len);
            marks.set(after.get(..length).unwrap_or(after), true);
        }
        rest = after;
    }
}

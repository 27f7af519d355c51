//! What a message body holds, alone or as parts of several (RFC 2046 §5.1): the session description,
//! and anything else.

use super::address::parameter;
use super::split_line;
use super::{Fields, Header};
use crate::within::offset_in;

/// Multipart bodies nested deeper are not searched: `multipart/alternative` in `multipart/mixed`
/// is what occurs.
const MAX_DEPTH: usize = 3;

/// The `application/sdp` body of a message, or the first such part of a multipart body.
///
/// A body without a Content-Type that begins as a description does is taken for one.
#[must_use]
pub fn session_description<'a>(content_type: Option<&[u8]>, body: &'a [u8]) -> Option<&'a [u8]> {
    find(content_type, body, MAX_DEPTH)
}

/// Gives each part of a body that is no session description, with its media type; bodies without a
/// type and empty ones are left out.
pub fn other_bodies<'a>(
    content_type: Option<&'a [u8]>,
    body: &'a [u8],
    each: &mut dyn FnMut(&'a [u8], &'a [u8]),
) {
    let mut left = MAX_PARTS;
    leaves(content_type, body, MAX_DEPTH, &mut |media_type, body| {
        if left > 0 && !media_type.eq_ignore_ascii_case(b"application/sdp") {
            left -= 1;
            each(media_type, body);
        }
    });
}

/// The text that a body is (RFC 2046 §4.1), also where it is wrapped for several hops
/// (`message/cpim`, RFC 3862).
#[must_use]
pub fn text<'a>(media_type: &[u8], body: &'a [u8]) -> Option<&'a [u8]> {
    if media_type.eq_ignore_ascii_case(b"message/cpim") {
        // The header of the message, an empty line, the header of its content, and again.
        let (_, content) = split_part(body);
        let (content_type, text) = split_part(content);
        return self::text(media_type_of(content_type?)?.0, text);
    }
    let is_text = media_type.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"text/"));
    is_text.then_some(body)
}

/// A piece of a body: of several parts, or the whole of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// What holds parts together: delimiters, and the headers of parts.
    Frame(&'a [u8]),
    /// A part that has no parts itself.
    Leaf {
        /// Media type without its parameters; empty where none is said.
        media_type: &'a [u8],
        /// Its own header, behind a delimiter; empty for a body alone.
        header: &'a [u8],
        /// What it holds.
        body: &'a [u8],
    },
}

/// Gives every piece of a body that can be told apart; what stands ahead of the first delimiter and
/// behind the last one is in none.
pub(crate) fn parts<'a>(
    content_type: Option<&'a [u8]>,
    body: &'a [u8],
    each: &mut dyn FnMut(Part<'a>),
) {
    pieces(content_type, b"", body, MAX_DEPTH, each);
}

fn pieces<'a>(
    content_type: Option<&'a [u8]>,
    header: &'a [u8],
    body: &'a [u8],
    depth: usize,
    each: &mut dyn FnMut(Part<'a>),
) {
    let (media_type, parameters) = content_type.and_then(media_type_of).unwrap_or_default();
    let boundary = parameter(parameters, b"boundary").filter(|_| depth > 0);
    let Some(boundary) = boundary.filter(|_| is_multipart(media_type)) else {
        let is_bare = content_type.is_none() && super::past_empty_lines(body).starts_with(b"v=0");
        let media_type = if is_bare { b"application/sdp" } else { media_type };
        each(Part::Leaf { media_type, header, body });
        return;
    };
    let mut end =
        Parts { rest: body, boundary }.until_delimiter(body).map(|(ahead, _)| ahead.len());
    for part in (Parts { rest: body, boundary }) {
        let Some(at) = offset_in(body, part) else { return };
        let (content_type, inner) = split_part(part);
        let Some(inner_at) = offset_in(part, inner) else { return };
        each(Part::Frame(body.get(end.unwrap_or(at)..at).unwrap_or_default()));
        let header = part.get(..inner_at).unwrap_or_default();
        each(Part::Frame(header));
        // The line end ahead of a delimiter belongs to the delimiter.
        let text = inner.strip_suffix(b"\n").unwrap_or(inner);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        pieces(content_type, header, text, depth - 1, each);
        each(Part::Frame(inner.get(text.len()..).unwrap_or_default()));
        end = Some(at + part.len());
    }
    let rest = end.and_then(|end| body.get(end..)).unwrap_or_default();
    let (line, after) = split_line(rest);
    if line.strip_prefix(b"--").is_some_and(|line| line.starts_with(boundary)) {
        each(Part::Frame(
            rest.get(..rest.len() - after.map_or(0, <[u8]>::len)).unwrap_or_default(),
        ));
    }
}

/// Parts of one message that are given; whoever sends more says nothing by them.
const MAX_PARTS: usize = 16;

fn leaves<'a>(
    content_type: Option<&'a [u8]>,
    body: &'a [u8],
    depth: usize,
    each: &mut dyn FnMut(&'a [u8], &'a [u8]),
) {
    let Some((media_type, parameters)) = content_type.and_then(media_type_of) else { return };
    if !is_multipart(media_type) {
        if !body.is_empty() && !media_type.is_empty() {
            each(media_type, body);
        }
        return;
    }
    let Some(boundary) = parameter(parameters, b"boundary").filter(|_| depth > 0) else { return };
    for part in (Parts { rest: body, boundary }) {
        let (content_type, body) = split_part(part);
        // The line end ahead of a delimiter belongs to the delimiter.
        let body = body.strip_suffix(b"\n").unwrap_or(body);
        let body = body.strip_suffix(b"\r").unwrap_or(body);
        leaves(content_type, body, depth - 1, each);
    }
}

/// Type and parameters of a Content-Type field.
fn media_type_of(content_type: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = content_type.iter().position(|&byte| byte == b';').unwrap_or(content_type.len());
    let (media_type, parameters) = content_type.split_at_checked(end)?;
    Some((media_type.trim_ascii(), parameters))
}

fn is_multipart(media_type: &[u8]) -> bool {
    media_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"))
}

fn find<'a>(content_type: Option<&[u8]>, body: &'a [u8], depth: usize) -> Option<&'a [u8]> {
    let body = super::past_empty_lines(body);
    let Some(content_type) = content_type else {
        return body.starts_with(b"v=0").then_some(body);
    };
    let (media_type, parameters) = media_type_of(content_type)?;
    if media_type.eq_ignore_ascii_case(b"application/sdp") {
        return (!body.is_empty()).then_some(body);
    }
    if !is_multipart(media_type) || depth == 0 {
        return None;
    }
    let boundary = parameter(parameters, b"boundary")?;
    Parts { rest: body, boundary }.find_map(|part| {
        let (content_type, body) = split_part(part);
        // RFC 2046 §5.2: a part without a type is text; descriptions without one do occur.
        find(content_type, body, depth - 1)
    })
}

/// The Content-Type and the body of a part.
fn split_part(part: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let mut rest = part;
    loop {
        let (line, after) = split_line(rest);
        let after = after.unwrap_or_default();
        if line.is_empty() || after.is_empty() {
            let header = part.get(..part.len() - rest.len()).unwrap_or_default();
            let content_type = Fields::new(header, 0)
                .flatten()
                .find(|field| Header::named(field.name) == Some(Header::ContentType))
                .map(|field| field.value);
            return (content_type, if line.is_empty() { after } else { part });
        }
        rest = after;
    }
}

/// The bytes between the delimiter lines of a multipart body.
struct Parts<'a, 'b> {
    rest: &'a [u8],
    boundary: &'b [u8],
}

impl<'a> Iterator for Parts<'a, '_> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (_, part) = self.until_delimiter(self.rest)?;
        let part = part?;
        // The last part of a cut body has no delimiter behind it.
        let (inside, _) = self.until_delimiter(part).unwrap_or((part, None));
        self.rest = part.get(inside.len()..).unwrap_or_default();
        Some(inside)
    }
}

impl Parts<'_, '_> {
    /// The bytes ahead of the next delimiter line, and those behind it unless it is the closing
    /// one.
    fn until_delimiter<'a>(&self, text: &'a [u8]) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let mut rest = text;
        loop {
            let (line, after) = split_line(rest);
            let tail = line.strip_prefix(b"--").and_then(|l| l.strip_prefix(self.boundary));
            // A longer boundary is another one: that of a multipart body within this one.
            let tail = tail.map(<[u8]>::trim_ascii).filter(|t| matches!(*t, b"" | b"--"));
            if let Some(tail) = tail {
                let ahead = text.get(..text.len() - rest.len())?;
                return Some((ahead, after.filter(|_| tail.is_empty())));
            }
            rest = after?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SDP: &str = "v=0\r\no=- 0 0 IN IP4 192.0.2.1\r\n";

    fn found<'a>(content_type: &str, body: &'a str) -> Option<&'a str> {
        let content_type = (!content_type.is_empty()).then_some(content_type.as_bytes());
        session_description(content_type, body.as_bytes()).map(|f| str::from_utf8(f).unwrap())
    }

    #[test]
    fn a_description_is_found_alone_and_among_other_parts() {
        let isup = "--x\r\nContent-Type: application/isup\r\n\r\n\u{1}\u{2}\r\n";
        let sdp = std::format!("--x\r\nc: application/SDP ;a=b\r\n\r\n{SDP}\r\n");
        let mixed = [isup, &sdp, "--x--\r\n"].concat();
        let swapped = [&sdp, isup, "--x--\r\n"].concat();
        let nested = std::format!(
            "preamble\r\n--o\r\nContent-Type: multipart/alternative;boundary=x\r\n\r\n{mixed}\r\n--o--"
        );
        let longer = nested.replace("--x", "--o-x").replace("boundary=x", "boundary=o-x");
        let cut = std::format!("--x\r\nContent-Type: application/sdp\r\n\r\n{SDP}");
        let unended = mixed.trim_end().replace("\r\n--x--", "\n--x-- ");
        let cases: [(&str, &str, bool); 12] = [
            ("multipart/mixed;boundary=\"o\"", &longer, true),
            ("multipart/mixed;boundary=x", &unended, true),
            ("application/sdp", SDP, true),
            ("Application/SDP; charset=utf-8", SDP, true),
            ("", SDP, true),
            ("", "hello", false),
            ("text/plain", SDP, false),
            ("multipart/mixed;boundary=x", &mixed, true),
            ("multipart/mixed; boundary=\"x\"", &swapped, true),
            ("multipart/mixed;boundary=\"o\"", &nested, true),
            ("multipart/mixed;boundary=x", &cut, true),
            ("multipart/mixed", &mixed, false),
        ];
        for (content_type, body, expected) in cases {
            let found = found(content_type, body).map(str::trim_end);
            assert_eq!(found, expected.then_some(SDP.trim_end()), "{content_type}: {body}");
        }
    }

    fn others(
        content_type: &str,
        body: &str,
    ) -> std::vec::Vec<(std::string::String, std::string::String)> {
        let mut found = std::vec::Vec::new();
        let text = |bytes| std::string::String::from_utf8_lossy(bytes).into_owned();
        other_bodies(Some(content_type.as_bytes()), body.as_bytes(), &mut |kind, body| {
            found.push((text(kind), text(body)));
        });
        found
    }

    #[test]
    fn every_other_part_is_given_with_its_type() {
        let body = std::format!(
            "--x\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n\
             --x\r\nContent-Type: application/ISUP;version=itu\r\n\r\n\u{1}\u{2}\r\n\
             --x\r\n\r\nno type\r\n--x--\r\n"
        );
        let isup = ("application/ISUP".into(), "\u{1}\u{2}".into());
        assert_eq!(others("multipart/mixed;boundary=x", &body), [isup]);
        let hello = ("text/plain".into(), "hello\r\n".into());
        assert_eq!(others("text/plain ;charset=UTF-8", "hello\r\n"), [hello]);
        assert_eq!(others("application/sdp", SDP), []);
    }

    #[test]
    fn a_wrapped_text_is_unwrapped() {
        let cpim = "From: <im:a@example.net>\r\nTo: <im:b@example.net>\r\n\r\n\
            Content-type: text/plain; charset=utf-8\r\n\r\nhello \u{1f44b}";
        assert_eq!(text(b"Message/CPIM", cpim.as_bytes()), Some("hello \u{1f44b}".as_bytes()));
        assert_eq!(text(b"text/plain", b"hello"), Some(&b"hello"[..]));
        assert_eq!(text(b"application/isup", b"hello"), None);
        assert_eq!(text(b"message/cpim", b"hello"), None);
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic_or_go_on_for_ever(body in "(--x\r?\n|[a-z]: ?application/sdp\n|\r\n|.){0,30}") {
            let _ = session_description(Some(b"multipart/mixed;boundary=x"), body.as_bytes());
            other_bodies(Some(b"multipart/mixed;boundary=x"), body.as_bytes(), &mut |_, _| {});
            let _ = text(b"message/cpim", body.as_bytes());
        }
    }
}

//! One message: start line, the header fields every message has, and the body.

use core::net::IpAddr;

use super::address::{Elements, parameter};
use super::framing::{Declared, body_offset, number};
use super::{Field, Fields, Header, StartLine, past_empty_lines, session_description, split_line};
use crate::event::Flaw;

/// A SIP message, borrowed.
///
/// Of a header field that may occur once the first counts; values are as sent.
#[derive(Clone, Debug)]
pub struct Message<'a> {
    /// Request or response.
    pub start: StartLine<'a>,
    /// The start line without its line end.
    pub start_line: &'a [u8],
    /// Call-ID, never empty.
    pub call_id: Option<&'a [u8]>,
    /// Topmost Via: the hop the message came over.
    pub via: Option<&'a [u8]>,
    /// From.
    pub from: Option<&'a [u8]>,
    /// To.
    pub to: Option<&'a [u8]>,
    /// CSeq.
    pub cseq: Option<CSeq<'a>>,
    /// Expires in seconds, or the longest `expires` parameter of a Contact.
    pub expires: Option<u64>,
    /// Content-Type.
    pub content_type: Option<&'a [u8]>,
    /// Whether the body is compressed or encoded otherwise (RFC 3261 §20.12).
    pub is_encoded: bool,
    /// Session-ID.
    pub session_id: Option<&'a [u8]>,
    /// Replaces or Join, and which of them.
    pub replaces: Option<(Header, &'a [u8])>,
    /// The body, as long as Content-Length says or as long as it is.
    pub body: &'a [u8],
    /// The first flaw found.
    pub flaw: Option<Flaw>,
    header: &'a [u8],
    header_at: usize,
}

/// Number and method of a transaction (RFC 3261 §20.16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CSeq<'a> {
    /// Sequence number.
    pub number: u32,
    /// Method.
    pub method: &'a [u8],
}

impl<'a> Message<'a> {
    /// Reads a datagram, or what was framed in a stream.
    ///
    /// None without a start line; anything else that is wrong is told in [`Message::flaw`].
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let whole = past_empty_lines(bytes);
        let (start_line, after) = split_line(whole);
        let start = StartLine::parse(start_line)?;
        let after = after.unwrap_or_default();
        let header_at = whole.len() - after.len();
        // A message without header fields has the empty line right behind the start line.
        let body_at = body_offset(whole, header_at.saturating_sub(1));
        let header = whole.get(header_at..body_at.unwrap_or(whole.len())).unwrap_or_default();
        let mut message = Self {
            start,
            start_line,
            call_id: None,
            via: None,
            from: None,
            to: None,
            cseq: None,
            expires: None,
            content_type: None,
            is_encoded: false,
            session_id: None,
            replaces: None,
            body: body_at.and_then(|at| whole.get(at..)).unwrap_or_default(),
            flaw: None,
            header: header.trim_ascii_end(),
            header_at,
        };
        if body_at.is_none() {
            message.flaw = Some(Flaw::NoHeaderEnd);
        }
        let declared = message.read_fields();
        message.cut_body(declared);
        Some(message)
    }

    /// The header fields in order; lines that are none are left out.
    pub fn fields(&self) -> impl Iterator<Item = Field<'a>> + use<'a> {
        Fields::new(self.header, self.header_at).flatten()
    }

    /// Method of the request, or of the request that this response answers.
    #[must_use]
    pub fn method(&self) -> &'a [u8] {
        match (self.start, self.cseq) {
            (StartLine::Request { method, .. }, _) => method,
            (StartLine::Response { .. }, Some(cseq)) => cseq.method,
            (StartLine::Response { .. }, None) => b"",
        }
    }

    /// Where the first proxy says that the request came to it from, where its sender's Via says
    /// something else (RFC 3261 §18.2.1).
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let vias = self.fields().filter(|field| Header::named(field.name) == Some(Header::Via));
        let senders = Elements::of(vias.last()?.value).last()?;
        let address = core::str::from_utf8(parameter(senders, b"received")?).ok()?;
        address.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// What names its transaction on this hop (RFC 3261 §8.1.1.7).
    #[must_use]
    pub fn branch(&self) -> Option<&'a [u8]> {
        parameter(self.via?, b"branch")
    }

    /// Its session description (RFC 8866); none can be read in an encoded body.
    #[must_use]
    pub fn description(&self) -> Option<&'a [u8]> {
        if self.is_encoded {
            return None;
        }
        session_description(self.content_type, self.body)
    }

    fn read_fields(&mut self) -> Declared {
        let mut declared = Declared::default();
        for field in Fields::new(self.header, self.header_at) {
            match field {
                Ok(field) => self.read(&field, &mut declared),
                Err(flaw) => self.note(flaw),
            }
        }
        let missing = [
            (self.call_id.is_none(), "Call-ID"),
            (self.from.is_none(), "From"),
            (self.to.is_none(), "To"),
            (self.cseq.is_none(), "CSeq"),
        ];
        if let Some((_, name)) = missing.iter().find(|(missing, _)| *missing) {
            self.note(Flaw::Missing(name));
        }
        declared
    }

    fn read(&mut self, field: &Field<'a>, declared: &mut Declared) {
        let value = field.value;
        match Header::named(field.name) {
            Some(Header::CallId) if !value.is_empty() => {
                self.call_id.get_or_insert(value);
            }
            Some(Header::Via) => {
                self.via.get_or_insert(value);
            }
            Some(Header::From) => {
                self.from.get_or_insert(value);
            }
            Some(Header::To) => {
                self.to.get_or_insert(value);
            }
            Some(Header::ContentType) => {
                self.content_type.get_or_insert(value);
            }
            Some(Header::ContentEncoding) if !value.eq_ignore_ascii_case(b"identity") => {
                self.is_encoded = true;
                self.note(Flaw::Encoded);
            }
            Some(Header::SessionId) => {
                self.session_id.get_or_insert(value);
            }
            Some(header @ (Header::Replaces | Header::Join)) => {
                self.replaces.get_or_insert((header, value));
            }
            Some(Header::CSeq) if self.cseq.is_none() => match cseq(value) {
                Some(cseq) => self.cseq = Some(cseq),
                None => self.note(Flaw::CSeq { at: field.at }),
            },
            Some(Header::ContentLength) => {
                if let Err(flaw) = declared.read(value) {
                    self.note(flaw);
                }
            }
            Some(Header::Expires) => self.expires = self.expires.max(number(value)),
            Some(Header::Contact) => {
                self.expires = self.expires.max(super::address::expires(value));
            }
            _ => {}
        }
    }

    /// RFC 3261 §18.3: bytes beyond Content-Length are discarded.
    fn cut_body(&mut self, declared: Declared) {
        let Some(need) = declared.length() else { return };
        match self.body.get(..need) {
            Some(body) => self.body = body,
            None => self.note(Flaw::ShortBody { need, have: self.body.len() }),
        }
    }

    fn note(&mut self, flaw: Flaw) {
        self.flaw.get_or_insert(flaw);
    }
}

fn cseq(value: &[u8]) -> Option<CSeq<'_>> {
    let end = value.iter().position(|byte| !byte.is_ascii_digit())?;
    let (digits, method) = value.split_at_checked(end)?;
    let number = u32::try_from(number(digits)?).ok()?;
    let method = method.trim_ascii();
    (!method.is_empty()).then_some(CSeq { number, method })
}

#[cfg(test)]
mod tests;

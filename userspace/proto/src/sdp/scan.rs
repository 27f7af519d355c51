//! The line scan of a session description (RFC 8866 §5).

use alloc::vec::Vec;
use core::net::IpAddr;

use super::media::{Direction, Media};
use crate::event::Flaw;
use crate::rtp::PayloadClocks;
use crate::sip::split_line;

/// What a session description says about media.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Session<'a> {
    /// Media descriptions in order; that order ties offer and answer together.
    pub media: Vec<Media<'a>>,
    /// The first line that cannot be understood; what follows it was read nevertheless.
    pub flaw: Option<Flaw>,
}

/// Media descriptions beyond this number are flawed and not followed.
const MAX_MEDIA: usize = 64;

/// Reads a session description of any bytes.
#[must_use]
pub fn scan(description: &[u8]) -> Session<'_> {
    let mut scan = Scan::default();
    let mut rest = Some(description);
    while let Some(text) = rest {
        let (line, after) = split_line(text);
        rest = after;
        if !line.trim_ascii().is_empty() && scan.line(line.trim_ascii_end()).is_none() {
            let at = description.len() - text.len();
            scan.session.flaw.get_or_insert(Flaw::Description { at });
        }
    }
    scan.session
}

#[derive(Default)]
struct Scan<'a> {
    session: Session<'a>,
    /// `c=` and `a=rtcp-mux` ahead of the first `m=` are the session's.
    address: Option<IpAddr>,
    direction: Direction,
    /// Within a media description whose `m=` line could not be understood: its lines are nobody's.
    unknown_media: bool,
}

impl<'a> Scan<'a> {
    /// `None` for a line that cannot be understood.
    fn line(&mut self, line: &'a [u8]) -> Option<()> {
        match line {
            [b'm', b'=', value @ ..] => {
                let media = self.media(value);
                self.unknown_media = media.is_none();
                media
            }
            [b'a'..=b'z', b'=', ..] if self.unknown_media => Some(()),
            [b'c', b'=', value @ ..] => self.connection(value),
            [b'a', b'=', value @ ..] => self.attribute(value),
            // Types that say nothing of where media goes, and those of the future.
            [b'a'..=b'z', b'=', ..] => Some(()),
            _ => None,
        }
    }

    /// `m=audio 49170/2 RTP/AVP 0 96`
    fn media(&mut self, value: &'a [u8]) -> Option<()> {
        let mut words = words(value);
        let kind = words.next()?;
        let mut port_and_count = words.next()?.split(|&byte| byte == b'/');
        let port = decimal(port_and_count.next()?)?;
        let ports = port_and_count.next().map_or(Some(1), decimal)?;
        let transport = words.next()?;
        if self.session.media.len() >= MAX_MEDIA {
            return None;
        }
        self.session.media.push(Media {
            kind,
            transport,
            port,
            ports,
            address: self.address,
            rtcp: None,
            rtcp_mux: false,
            direction: self.direction,
            clocks: PayloadClocks::new(),
        });
        Some(())
    }

    /// `c=IN IP4 192.0.2.1/127`
    fn connection(&mut self, value: &[u8]) -> Option<()> {
        let address = address(value);
        match self.session.media.last_mut() {
            Some(media) => media.address = address,
            None => self.address = address,
        }
        // A name is no flaw of the sender, but its media cannot be followed.
        address.map(|_| ())
    }

    fn attribute(&mut self, value: &[u8]) -> Option<()> {
        let (name, value) = match memchr::memchr(b':', value) {
            Some(colon) => (value.get(..colon)?, value.get(colon + 1..)?),
            None => (value, &[][..]),
        };
        let direction = match name.trim_ascii() {
            b"sendrecv" => Direction::SendReceive,
            b"sendonly" => Direction::SendOnly,
            b"recvonly" => Direction::ReceiveOnly,
            b"inactive" => Direction::Inactive,
            name => {
                let Some(media) = self.session.media.last_mut() else { return Some(()) };
                match name {
                    b"rtcp-mux" => media.rtcp_mux = true,
                    b"rtcp" => media.rtcp = Some(rtcp(value)?),
                    b"rtpmap" => rtpmap(value, &mut media.clocks)?,
                    _ => {}
                }
                return Some(());
            }
        };
        match self.session.media.last_mut() {
            Some(media) => media.direction = direction,
            None => self.direction = direction,
        }
        Some(())
    }
}

/// `53020 IN IP4 192.0.2.1`, the address being optional (RFC 3605 §2.1).
fn rtcp(value: &[u8]) -> Option<(u16, Option<IpAddr>)> {
    let value = value.trim_ascii();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (port, rest) = value.split_at_checked(end)?;
    Some((decimal(port)?, address(rest)))
}

/// `96 opus/48000/2`
fn rtpmap(value: &[u8], clocks: &mut PayloadClocks) -> Option<()> {
    let mut words = words(value);
    let payload_type = decimal(words.next()?)?;
    let mut encoding = words.next()?.split(|&byte| byte == b'/');
    let name = encoding.next()?;
    clocks.map(payload_type, name, decimal(encoding.next()?)?);
    Some(())
}

/// `IN IP4 192.0.2.1/127` or `IN IP6 2001:db8::1`; the type that stands there is not believed.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = words(value).nth(2)?;
    let text = text.split(|&byte| byte == b'/').next()?;
    let text = text.strip_prefix(b"[").and_then(|t| t.strip_suffix(b"]")).unwrap_or(text);
    core::str::from_utf8(text).ok()?.parse().ok()
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| matches!(byte, b' ' | b'\t')).filter(|word| !word.is_empty())
}

fn decimal<T: core::str::FromStr>(text: &[u8]) -> Option<T> {
    // A sign is no digit, though `parse` takes it.
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits.then(|| core::str::from_utf8(text).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;

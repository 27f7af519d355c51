//! The line scan of a session description (RFC 8866 §5).

use alloc::vec::Vec;
use core::net::IpAddr;

use super::bundle::Bundles;
use super::candidate::{Candidate, candidate, remote_candidates};
use super::keying::Keys;
use super::media::{Direction, Media};
use super::words::{decimal, ip_address, split_line, words};
use crate::event::Flaw;
use crate::media::Keying;
use crate::rtp::PayloadClocks;

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

/// Candidates of one media description beyond this number are flawed and not followed: a host has
/// a few for each of its addresses.
const MAX_CANDIDATES: usize = 64;

/// There are so many payload types.
const MAX_ENCODINGS: usize = 128;

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
    scan.finish()
}

#[derive(Default)]
struct Scan<'a> {
    session: Session<'a>,
    /// `c=` and `a=rtcp-mux` ahead of the first `m=` are the session's.
    address: Option<IpAddr>,
    direction: Direction,
    ufrag: Option<&'a [u8]>,
    keys: Keys,
    bundles: Bundles<'a>,
    /// Within a media description whose `m=` line could not be understood: its lines are nobody's.
    unknown_media: bool,
}

impl<'a> Scan<'a> {
    /// What only the whole description says of each medium.
    fn finish(mut self) -> Session<'a> {
        for media in &mut self.session.media {
            if media.is_rtp() {
                media.keying = media.keys.keying(self.keys, media.transport);
            }
        }
        self.bundles.apply(&mut self.session.media);
        self.session
    }

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
            encodings: Vec::new(),
            mid: None,
            bundle_only: false,
            keying: Keying::None,
            ufrag: self.ufrag,
            candidates: Vec::new(),
            relayed: false,
            keys: Keys::default(),
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

    fn attribute(&mut self, value: &'a [u8]) -> Option<()> {
        let (name, value) = match memchr::memchr(b':', value) {
            Some(colon) => (value.get(..colon)?.trim_ascii(), value.get(colon + 1..)?),
            None => (value.trim_ascii(), &[][..]),
        };
        let media = self.session.media.last_mut();
        let keys = media.map_or(&mut self.keys, |media| &mut media.keys);
        if keys.attribute(name, value) {
            return Some(());
        }
        match (name, self.session.media.last_mut()) {
            (b"sendrecv", media) => {
                *direction_of(media, &mut self.direction) = Direction::SendReceive
            }
            (b"sendonly", media) => *direction_of(media, &mut self.direction) = Direction::SendOnly,
            (b"recvonly", media) => {
                *direction_of(media, &mut self.direction) = Direction::ReceiveOnly;
            }
            (b"inactive", media) => *direction_of(media, &mut self.direction) = Direction::Inactive,
            (b"ice-ufrag", Some(media)) => media.ufrag = Some(value.trim_ascii()),
            (b"ice-ufrag", None) => self.ufrag = Some(value.trim_ascii()),
            (b"group", _) => self.bundles.group(value),
            (name, Some(media)) => return media_attribute(media, name, value),
            (_, None) => {}
        }
        Some(())
    }
}

fn direction_of<'d>(
    media: Option<&'d mut Media<'_>>,
    session: &'d mut Direction,
) -> &'d mut Direction {
    media.map_or(session, |media| &mut media.direction)
}

/// An attribute that says something of one medium alone.
fn media_attribute<'a>(media: &mut Media<'a>, name: &[u8], value: &'a [u8]) -> Option<()> {
    match name {
        // RFC 8858: only, or as well.
        b"rtcp-mux" | b"rtcp-mux-only" => media.rtcp_mux = true,
        b"rtcp" => media.rtcp = Some(rtcp(value)?),
        b"rtpmap" => rtpmap(value, media)?,
        b"mid" => media.mid = Some(value.trim_ascii()),
        b"bundle-only" => media.bundle_only = true,
        b"path" => media.relayed = words(value).nth(1).is_some(),
        b"candidate" => {
            let found = candidate(value)?;
            found.map_or(Some(()), |found| add_candidate(media, found))?;
        }
        b"remote-candidates" => {
            for candidate in remote_candidates(value) {
                add_candidate(media, candidate)?;
            }
        }
        _ => {}
    }
    Some(())
}

fn add_candidate(media: &mut Media<'_>, candidate: Candidate) -> Option<()> {
    if !media.candidates.contains(&candidate) {
        if media.candidates.len() >= MAX_CANDIDATES {
            return None;
        }
        media.candidates.push(candidate);
    }
    Some(())
}

/// `53020 IN IP4 192.0.2.1`, the address being optional (RFC 3605 §2.1).
fn rtcp(value: &[u8]) -> Option<(u16, Option<IpAddr>)> {
    let value = value.trim_ascii();
    let end = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (port, rest) = value.split_at_checked(end)?;
    Some((decimal(port)?, address(rest)))
}

/// `96 opus/48000/2`
fn rtpmap<'a>(value: &'a [u8], media: &mut Media<'a>) -> Option<()> {
    let mut words = words(value);
    let payload_type = decimal(words.next()?)?;
    let mut encoding = words.next()?.split(|&byte| byte == b'/');
    let name = encoding.next()?;
    media.clocks.map(payload_type, name, decimal(encoding.next()?)?);
    if media.encodings.len() < MAX_ENCODINGS {
        media.encodings.push((payload_type, name));
    }
    Some(())
}

/// `IN IP4 192.0.2.1/127` or `IN IP6 2001:db8::1`; the type that stands there is not believed.
fn address(value: &[u8]) -> Option<IpAddr> {
    let text = words(value).nth(2)?;
    ip_address(text.split(|&byte| byte == b'/').next()?)
}

#[cfg(test)]
mod tests;

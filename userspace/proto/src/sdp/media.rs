//! One media description: an `m=` line with what belongs to it (RFC 8866 §5.14).

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::candidate::{Candidate, DISCARD};
use super::keying::Keys;
use crate::event::MediaKind;
use crate::media::Keying;
use crate::rtp::PayloadClocks;

/// A media description.
#[derive(Clone, Debug, PartialEq)]
pub struct Media<'a> {
    /// `audio`, `video`, `image`, `message`...
    pub kind: &'a [u8],
    /// `RTP/AVP`, `UDP/TLS/RTP/SAVPF`, `udptl`, `TCP/MSRP`...
    pub transport: &'a [u8],
    /// Where media is received; 0 where the media is refused or taken away (RFC 3264 §6, §8.2).
    pub port: u16,
    /// How many ports follow each other, two apart in RTP (RFC 8866 §5.14).
    pub ports: u16,
    /// Address of its own `c=` line or the session's; none where it is a name.
    pub address: Option<IpAddr>,
    /// Where RTCP is received, if not beside RTP (RFC 3605).
    pub rtcp: Option<(u16, Option<IpAddr>)>,
    /// Whether RTCP may share the RTP port (RFC 5761).
    pub rtcp_mux: bool,
    /// Which way media flows.
    pub direction: Direction,
    /// Clock rates of its payload types; in a bundle, those of all its members.
    pub clocks: PayloadClocks,
    /// Encoding names of its payload types, as `a=rtpmap` has them.
    pub encodings: Vec<(u8, &'a [u8])>,
    /// Its name within the session (RFC 5888 §4).
    pub mid: Option<&'a [u8]>,
    /// Its port is 0 because it is received where the others of its bundle are (RFC 9143 §6).
    pub bundle_only: bool,
    /// How keys for its media are agreed upon; none where it is no RTP.
    pub keying: Keying,
    /// ICE user name fragment of its own, or the session's (RFC 8839 §5.4).
    pub ufrag: Option<&'a [u8]>,
    /// ICE candidates, its own and its peer's that were chosen.
    pub candidates: Vec<Candidate>,
    /// Its messages go by relays (RFC 4976), whose connections carry strangers' messages too: there
    /// is no endpoint of its own.
    pub relayed: bool,
    pub(super) keys: Keys,
}

/// Direction attribute (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    #[default]
    SendReceive,
    /// From the describing party only.
    SendOnly,
    /// To the describing party only.
    ReceiveOnly,
    /// Neither way: on hold.
    Inactive,
}

/// Ports after the first one of `m=audio 49170/2` that are believed.
const MAX_PORTS: u16 = 8;

impl Media<'_> {
    /// Whether it is RTP by its transport (RFC 8866 §8.2.3: the names all say so).
    #[must_use]
    pub fn is_rtp(&self) -> bool {
        self.transport.windows(4).any(|part| part.eq_ignore_ascii_case(b"RTP/"))
            && !self.transport.eq_ignore_ascii_case(b"TCP/MSRP")
    }

    /// What comes to its own port.
    fn kind_of_media(&self) -> MediaKind {
        if self.is_rtp() {
            MediaKind::Rtp
        } else if self.transport.eq_ignore_ascii_case(b"udptl") {
            MediaKind::Udptl
        } else {
            MediaKind::Other
        }
    }

    /// Whether media on hold in the old way hides where it went before (RFC 2543 §B.5: an
    /// unspecified address).
    #[must_use]
    pub fn is_held_by_address(&self) -> bool {
        // Port 9 at an unspecified address is no hold: the candidates say where, or will
        // (RFC 8840 §4.1.1).
        let is_awaited = self.port == DISCARD || !self.candidates.is_empty();
        self.port != 0
            && !is_awaited
            && self.address.is_some_and(|address| address.is_unspecified())
    }

    /// The endpoints at which media and RTCP are received.
    ///
    /// `muxed`: both parties let RTCP share the RTP port; while that is not known of the other
    /// one, RTCP may still come to the port beside (RFC 5761 §5.1.1).
    pub fn endpoints(&self, muxed: bool) -> impl Iterator<Item = (SocketAddr, MediaKind)> + '_ {
        let is_port = !self.relayed && !matches!(self.port, 0 | DISCARD);
        let address = self.address.filter(|a| !a.is_unspecified() && is_port);
        let is_rtp = self.is_rtp();
        let step = if is_rtp { 2 } else { 1 };
        let kind = self.kind_of_media();
        let media = (0..self.ports.clamp(1, MAX_PORTS))
            .filter_map(move |nth| self.port.checked_add(nth * step));
        let beside = self.rtcp.is_none() && !muxed;
        let endpoints = media.filter_map(move |port| {
            let address = address?;
            let rtcp = (is_rtp && beside).then(|| port.checked_add(1)).flatten();
            let rtcp = rtcp.map(|port| (SocketAddr::new(address, port), MediaKind::Rtcp));
            Some([Some((SocketAddr::new(address, port), kind)), rtcp])
        });
        let named = self.rtcp.filter(|_| is_rtp && !muxed).and_then(|(port, at)| {
            let address = at.filter(|a| !a.is_unspecified()).or(address)?;
            // The same port for both says nothing more than a=rtcp-mux does.
            let apart = port != self.port || Some(address) != self.address;
            let is_port = is_port && !matches!(port, 0 | DISCARD);
            (apart && is_port).then_some((SocketAddr::new(address, port), MediaKind::Rtcp))
        });
        endpoints.flatten().flatten().chain(named)
    }

    /// The endpoints of its ICE candidates, `muxed` as for [`Media::endpoints`].
    pub fn candidate_endpoints(
        &self,
        muxed: bool,
    ) -> impl Iterator<Item = (SocketAddr, MediaKind)> + '_ {
        let is_rtp = self.is_rtp();
        let live = self
            .candidates
            .iter()
            .filter(move |it| self.port != 0 && (it.component == 1 || is_rtp && !muxed));
        live.map(move |candidate| {
            let kind = match (is_rtp, candidate.component) {
                (true, 2..) => MediaKind::Rtcp,
                _ => self.kind_of_media(),
            };
            (candidate.endpoint, kind)
        })
    }
}

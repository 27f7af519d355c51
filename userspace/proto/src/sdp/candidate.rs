//! ICE candidates: addresses at which media may be received, beside that of `c=` and `m=`
//! (RFC 8839 §5.1, §5.2).

use core::net::{IpAddr, SocketAddr};

use super::words::{decimal, ip_address, words};

/// An address that a party offers for connectivity checks.
///
/// Which pair carries the media is agreed upon by STUN on the media path, so each is an endpoint.
/// Its related address (`raddr`) is not: nothing is received there from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// 1 for RTP, 2 for RTCP (RFC 8445 §4).
    pub component: u16,
    /// Where connectivity checks and media are received.
    pub endpoint: SocketAddr,
}

/// The port of a TCP candidate that only connects, and of media whose address is not known yet
/// (RFC 6544 §4.5, RFC 8840 §4.1.1): nothing is received there.
pub(super) const DISCARD: u16 = 9;

/// `1 1 UDP 2130706431 192.0.2.1 8998 typ host raddr 10.0.0.1 rport 9`
///
/// `Ok(None)` is a candidate that names nothing to listen to: a host name (RFC 8839 §5.1, as
/// browsers hide their addresses), a TCP candidate that only connects.
pub(super) fn candidate(value: &[u8]) -> Option<Option<Candidate>> {
    let mut words = words(value);
    let _foundation = words.next()?;
    let component = decimal(words.next()?)?;
    let _transport = words.next()?;
    let _priority = words.next()?;
    let address = words.next()?;
    let port: u16 = decimal(words.next()?)?;
    if !words.next()?.eq_ignore_ascii_case(b"typ") {
        return None;
    }
    Some(at(component, ip_address(address), port))
}

/// `1 192.0.2.1 8998 2 192.0.2.1 8999`: the peer's candidates that were chosen.
pub(super) fn remote_candidates(value: &[u8]) -> impl Iterator<Item = Candidate> + '_ {
    let mut words = words(value);
    core::iter::from_fn(move || {
        let component = decimal(words.next()?)?;
        let address = ip_address(words.next()?);
        Some(at(component, address, decimal(words.next()?)?))
    })
    .flatten()
}

/// Loopback, multicast and unspecified addresses are nobody's own: what is sent there is not to
/// be kept because a description says so.
fn at(component: u16, address: Option<IpAddr>, port: u16) -> Option<Candidate> {
    let own = |a: &IpAddr| !a.is_loopback() && !a.is_multicast() && !a.is_unspecified();
    let address = address.filter(own)?;
    let is_port = port != 0 && port != DISCARD && matches!(component, 1 | 2);
    is_port.then(|| Candidate { component, endpoint: SocketAddr::new(address, port) })
}

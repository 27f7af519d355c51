//! The endpoints of a call: what is announced for each, and who was learned to be at its other end.
//!
//! A party may name new ones for as long as the call lasts, which is nobody's but its own to end.
//! So those of which no media was heard are forgotten, the oldest first, where there are too many;
//! of the others there are no more than streams are told apart.

use std::net::SocketAddr;

use calltap_proto::MediaKind;
use calltap_proto::media::{Keying, MediaTerms};
use litemap::LiteMap;

/// Endpoints that are remembered, and how many of the newest always are.
const MOST: usize = 1024;
const NEWEST: u32 = 256;

/// The same of peers that were learned.
const MOST_LEARNED: usize = 512;
const NEWEST_LEARNED: usize = 128;

/// What is known of a call's endpoints.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    announced: LiteMap<SocketAddr, Announced>,
    /// How often something was announced.
    announcements: u32,
    /// Endpoints, each with a peer that no description named, in the order of learning.
    learned: Vec<(SocketAddr, SocketAddr)>,
}

/// What is announced for an endpoint.
#[derive(Debug)]
pub(super) struct Announced {
    pub(super) kind: MediaKind,
    /// Which announcement of the call it was.
    number: u32,
    pub(super) terms: Box<MediaTerms>,
}

impl Endpoints {
    /// An endpoint was announced, or other terms for it; `is_heard` says of which there is media.
    pub(super) fn announce(
        &mut self,
        endpoint: SocketAddr,
        (kind, terms): (MediaKind, Box<MediaTerms>),
        is_heard: impl Fn(SocketAddr) -> bool,
    ) {
        self.announcements = self.announcements.saturating_add(1);
        let number = self.announcements;
        self.announced.insert(endpoint, Announced { kind, number, terms });
        if self.announced.len() > MOST {
            let oldest = number.saturating_sub(NEWEST);
            self.announced.retain(|end, it| it.number > oldest || is_heard(*end));
        }
    }

    /// What is announced for an endpoint.
    pub(super) fn at(&self, endpoint: SocketAddr) -> Option<&Announced> {
        self.announced.get(&endpoint)
    }

    /// How the media of an endpoint is to be encrypted, as its party announced it.
    pub(super) fn keying(&self, endpoint: SocketAddr) -> Option<Keying> {
        self.at(endpoint).map(|it| it.terms.keying)
    }

    /// A peer was learned; `is_heard` says between which two ends there is media.
    pub(super) fn learn(
        &mut self,
        endpoint: SocketAddr,
        peer: SocketAddr,
        is_heard: impl Fn(SocketAddr, SocketAddr) -> bool,
    ) {
        if self.is_learned(endpoint, peer) {
            return;
        }
        // Most calls have none, and few more than one.
        self.learned.reserve_exact(1);
        self.learned.push((endpoint, peer));
        if self.learned.len() > MOST_LEARNED {
            let mut newer = self.learned.len();
            self.learned.retain(|&(end, peer)| {
                newer -= 1;
                newer < NEWEST_LEARNED || is_heard(end, peer)
            });
        }
    }

    /// Whether one of two ends was learned from what the other has sent or got.
    pub(super) fn is_learned(&self, one: SocketAddr, other: SocketAddr) -> bool {
        let mut learned = self.learned.iter();
        learned.any(|&ends| ends == (one, other) || ends == (other, one))
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn end(number: u32) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + number), 4000))
    }

    fn announced(count: u32, is_heard: impl Fn(SocketAddr) -> bool) -> Endpoints {
        let mut endpoints = Endpoints::default();
        for number in 0..count {
            let terms = MediaTerms { keying: Keying::Sdes, ..MediaTerms::default() };
            endpoints.announce(end(number), (MediaKind::Rtp, Box::new(terms)), &is_heard);
        }
        endpoints
    }

    #[test]
    fn endpoints_that_a_call_announces_without_end_fill_no_memory() {
        let endpoints = announced(100_000, |_| false);
        assert!(endpoints.announced.len() <= MOST, "{}", endpoints.announced.len());
        let newest = (100_000 - NEWEST..100_000).map(end);
        assert!(newest.into_iter().all(|end| endpoints.at(end).is_some()));
    }

    #[test]
    fn what_was_announced_for_media_that_was_heard_is_not_forgotten() {
        let heard = |it: SocketAddr| it == end(3) || it == end(70_000);
        let endpoints = announced(100_000, heard);
        assert!(endpoints.announced.len() <= MOST);
        assert_eq!(endpoints.keying(end(3)), Some(Keying::Sdes));
        assert_eq!(endpoints.keying(end(70_000)), Some(Keying::Sdes));
        assert_eq!(endpoints.keying(end(4)), None);
    }

    #[test]
    fn an_endpoint_that_is_announced_anew_counts_as_new() {
        let mut endpoints = announced(1_000, |_| false);
        let terms = Box::new(MediaTerms::default());
        endpoints.announce(end(0), (MediaKind::Udptl, terms), |_| false);
        for number in 1_000..1_100 {
            let terms = Box::new(MediaTerms::default());
            endpoints.announce(end(number), (MediaKind::Rtp, terms), |_| false);
        }
        assert_eq!(endpoints.at(end(0)).map(|it| it.kind), Some(MediaKind::Udptl));
        assert!(endpoints.at(end(1)).is_none());
    }

    #[test]
    fn peers_that_are_learned_without_end_fill_no_memory_and_heard_ones_are_not_forgotten() {
        let mut endpoints = Endpoints::default();
        let heard = |one: SocketAddr, other: SocketAddr| (one, other) == (end(0), end(9));
        for number in 1..100_000 {
            endpoints.learn(end(0), end(number), heard);
        }
        assert!(endpoints.learned.len() <= MOST_LEARNED, "{}", endpoints.learned.len());
        assert!(endpoints.is_learned(end(0), end(9)) && endpoints.is_learned(end(9), end(0)));
        assert!(endpoints.is_learned(end(99_999), end(0)));
        assert!(!endpoints.is_learned(end(0), end(10)));
    }
}

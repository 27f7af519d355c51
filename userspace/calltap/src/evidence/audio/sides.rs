//! Who speaks in a stream: the caller or the called one.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};

use calltap_proto::sdp;
use calltap_proto::sip::{self, Message, StartLine};

use crate::evidence::signalling::Said;

/// A party of the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who sent the first message: the left channel.
    Caller,
    /// The other one: the right channel.
    Called,
}

impl Side {
    /// Whom this one speaks with.
    pub fn other(self) -> Self {
        match self {
            Self::Caller => Self::Called,
            Self::Called => Self::Caller,
        }
    }
}

/// What the parties announced: where each receives, and what the payload types there mean.
#[derive(Debug, Default)]
pub struct Sides {
    ends: HashMap<SocketAddr, Side>,
    encodings: HashMap<(SocketAddr, u8), String>,
}

impl Sides {
    /// By the descriptions in a call's messages.
    ///
    /// A party is known by its tag, so what a relay puts in the place of its address is the party's,
    /// too.
    pub fn of(messages: &[Said]) -> Self {
        let mut sides = Self::default();
        let mut caller: Option<Vec<u8>> = None;
        for said in messages {
            let Some(message) = Message::parse(&said.bytes) else { continue };
            let from = message.from.and_then(sip::tag).unwrap_or_default();
            let caller = caller.get_or_insert_with(|| from.to_vec());
            let is_request = matches!(message.start, StartLine::Request { .. });
            // In a request the From is the sender's, in a response the To.
            let side = match (from == caller.as_slice()) == is_request {
                true => Side::Caller,
                false => Side::Called,
            };
            let Some(description) = message.description() else { continue };
            for media in &sdp::scan(description).media {
                let endpoints = media.endpoints(true).chain(media.candidate_endpoints(true));
                for (endpoint, _) in endpoints {
                    sides.ends.insert(endpoint, side);
                    for (payload_type, name) in &media.encodings {
                        let name = String::from_utf8_lossy(name).to_ascii_uppercase();
                        sides.encodings.insert((endpoint, *payload_type), name);
                    }
                }
            }
        }
        sides
    }

    /// The addresses that one party alone announced, with whose each is.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, Side)> {
        let mut addresses: BTreeMap<IpAddr, Option<Side>> = BTreeMap::new();
        for (end, side) in &self.ends {
            let known = addresses.entry(end.ip()).or_insert(Some(*side));
            *known = known.filter(|known| known == side);
        }
        addresses.into_iter().filter_map(|(address, side)| Some((address, side?)))
    }

    /// Who speaks in a stream, as far as either end tells.
    pub fn speaker(&self, source: SocketAddr, destination: SocketAddr) -> Option<Side> {
        let sender = self.ends.get(&source).copied();
        sender.or_else(|| self.ends.get(&destination).copied().map(Side::other))
    }

    /// What a payload type means at a stream's receiver, or else at its sender, or by itself
    /// (RFC 3551 §6).
    pub fn encoding(
        &self,
        source: SocketAddr,
        destination: SocketAddr,
        payload_type: u8,
    ) -> Option<&str> {
        let announced = [destination, source].into_iter();
        let mut announced = announced.filter_map(|end| self.encodings.get(&(end, payload_type)));
        announced.next().map(String::as_str).or(match payload_type {
            0 => Some("PCMU"),
            3 => Some("GSM"),
            4 => Some("G723"),
            8 => Some("PCMA"),
            9 => Some("G722"),
            13 | 19 => Some("CN"),
            18 => Some("G729"),
            _ => None,
        })
    }
}

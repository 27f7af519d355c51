//! What STUN and TURN messages say of a flow's ends.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::SocketAddr;

use crate::stun::Message;

/// Addresses and names that were told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StunFacts {
    /// Messages seen.
    pub messages: u64,
    /// Whether one was TURN's.
    pub turn: bool,
    /// From where the client was seen (XOR-MAPPED-ADDRESS).
    pub mapped: Vec<SocketAddr>,
    /// Addresses that a server lent (XOR-RELAYED-ADDRESS).
    pub relayed: Vec<SocketAddr>,
    /// With whom the client speaks by the server (XOR-PEER-ADDRESS).
    pub peers: Vec<SocketAddr>,
    /// USERNAME: both fragments of an ICE check (RFC 8445 §7.2.2), or a TURN account.
    pub usernames: Vec<String>,
    /// SOFTWARE.
    pub software: Vec<String>,
}

/// Addresses or names of one kind; an ICE check repeats its own.
const MAX_EACH: usize = 16;

/// Bytes of a name (RFC 8489 §14.3, §14.14 allow more).
const MAX_NAME: usize = 128;

impl StunFacts {
    pub(super) fn learn(&mut self, protocol: u8, payload: &[u8]) {
        let message = if protocol == 6 { Message::first(payload) } else { Message::parse(payload) };
        let Some(message) = message else { return };
        self.messages += 1;
        self.turn |= message.is_turn();
        message.mapped().into_iter().for_each(|it| add(&mut self.mapped, it));
        message.relayed().into_iter().for_each(|it| add(&mut self.relayed, it));
        message.peers().for_each(|it| add(&mut self.peers, it));
        name(&mut self.usernames, message.username());
        name(&mut self.software, message.software());
    }
}

fn add<T: PartialEq>(known: &mut Vec<T>, new: T) {
    if known.len() < MAX_EACH && !known.contains(&new) {
        known.push(new);
    }
}

fn name(known: &mut Vec<String>, bytes: Option<&[u8]>) {
    if let Some(bytes) = bytes.filter(|bytes| known.len() < MAX_EACH && bytes.len() <= MAX_NAME) {
        add(known, String::from_utf8_lossy(bytes).into_owned());
    }
}

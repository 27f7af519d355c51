//! A flow that no signalling explains, as `calls.jsonl` tells of it.

use serde::{Deserialize, Serialize};

/// The packets between two ends of a network target's, by one protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowLine {
    /// `udp`, `tcp`, `sctp`, or the IP protocol's number.
    pub protocol: String,
    /// Who sent the first packet, `ip:port`, IPv6 in brackets; port 0 where there is none.
    pub src: String,
    /// To whom.
    pub dst: String,
    /// Arrival of the first packet (RFC 3339).
    pub first: String,
    /// Arrival of the last packet.
    pub last: String,
    /// Packets from `src` to `dst`, and back.
    pub packets: [u64; 2],
    /// Bytes of their frames, and back.
    pub bytes: [u64; 2],
    /// Bits of both ways in each second from `first` on.
    pub bits_per_second: Vec<u64>,
    /// The most of them.
    pub peak_bits_per_second: u64,
    /// There was no room for the seconds after those.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub seconds_cut: bool,
    /// What its packets look like by their first bytes; a likeness, and no finding.
    pub looks: Vec<String>,
    /// What STUN and TURN said; absent where they were not spoken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stun: Option<StunLine>,
}

/// What the STUN and TURN messages of a flow said (RFC 8489, RFC 8656).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StunLine {
    /// Messages seen.
    pub messages: u64,
    /// Whether TURN was spoken.
    pub turn: bool,
    /// From where the server saw the client.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mapped: Vec<String>,
    /// Addresses that the server lent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relayed: Vec<String>,
    /// With whom the client spoke by the server.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// User names: both fragments of an ICE check, or a TURN account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub usernames: Vec<String>,
    /// What the agents call themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub software: Vec<String>,
}

//! How much a target names: one person's identifier, or so many that a signed flag must mean it.

use std::net::IpAddr;

use serde::Deserialize;

/// A target as far as a policy looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identifier {
    /// `sip:user@host`.
    Sip,
    /// `sip:user@*`: this user at any host.
    SipAnyHost,
    /// `sip:host`: every user of a host.
    SipHost,
    /// `tel:`.
    Tel,
    /// `ip:`: the addresses that share the leading `length` bits.
    Ip {
        /// First address.
        address: IpAddr,
        /// Leading bits that must agree.
        length: u8,
    },
}

/// The kinds of [`Identifier`], as a policy lists them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `sip:user@host`.
    Sip,
    /// `sip:user@*`.
    SipAnyHost,
    /// `sip:host`.
    SipHost,
    /// `tel:`.
    Tel,
    /// `ip:`.
    Ip,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Sip, Self::SipAnyHost, Self::SipHost, Self::Tel, Self::Ip];
}

impl Kind {
    /// As a policy writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sip => "sip",
            Self::SipAnyHost => "sip-any-host",
            Self::SipHost => "sip-host",
            Self::Tel => "tel",
            Self::Ip => "ip",
        }
    }
}

impl Identifier {
    /// Its kind.
    pub fn kind(self) -> Kind {
        match self {
            Self::Sip => Kind::Sip,
            Self::SipAnyHost => Kind::SipAnyHost,
            Self::SipHost => Kind::SipHost,
            Self::Tel => Kind::Tel,
            Self::Ip { .. } => Kind::Ip,
        }
    }
}

/// Two numbers for the two families of addresses: lengths of prefixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// For IPv4.
    pub ipv4: u8,
    /// For IPv6.
    pub ipv6: u8,
}

impl Lengths {
    /// The number for the family of `address`.
    pub fn of(self, address: IpAddr) -> u8 {
        if address.is_ipv4() { self.ipv4 } else { self.ipv6 }
    }
}

//! Whom a warrant names, and how that is recognised in signalling.

mod index;
mod number;
mod numbering;
mod parse;

use alloc::string::String;
use core::fmt;
use core::net::IpAddr;

use thiserror::Error;

pub(crate) use index::{Entry, Index, canonical_host, is_global, unescaped, within};
pub use numbering::Numbering;
pub use parse::parse;

/// A target of a warrant, as [`parse`] reads it and `Display` writes it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Identity {
    /// `sip:user@host`, `sip:user@*`, `sip:host`: an address-of-record (RFC 3261 §19.1).
    ///
    /// `sips:` is taken for `sip:`; port, password and parameters do not count.
    Sip {
        /// User part with its escapes decoded; none in `sip:host`.
        user: Option<String>,
        /// Host in lower case, IPv6 without brackets; none for any host.
        host: Option<String>,
    },
    /// `tel:`: a telephone number, wherever a tel URI or a sip URI holds it.
    Number {
        /// Digits, `*` and `#`, without `+` and visual separators (RFC 3966 §5.1.1).
        digits: String,
        /// Whether it was given with `+`: an E.164 number.
        global: bool,
    },
    /// `ip:`: every packet from or to these addresses.
    Network {
        /// First address of the network.
        address: IpAddr,
        /// Leading bits that must agree.
        length: u8,
    },
}

/// Why a text names no target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BadTarget {
    /// No scheme that a target can have.
    #[error("a target begins with sip:, sips:, tel: or ip:")]
    Scheme,
    /// A SIP URI that names nobody: `sip:`, `sip:@host`, `sip:*`.
    #[error("names nobody: write sip:user@host, sip:user@* or sip:host")]
    Nobody,
    /// A host that is neither a name nor an address.
    #[error("no host name or address behind the @")]
    Host,
    /// An escape that is not `%` and two hexadecimal digits (RFC 3261 §25.1).
    #[error("a % is followed by two hexadecimal digits")]
    Escape,
    /// A tel URI with something else than digits and separators.
    #[error("not a telephone number: write tel: and + and up to 15 digits (E.164)")]
    Number,
    /// An address or prefix length that cannot be.
    #[error("not an address or network: write ip:192.0.2.1 or ip:2001:db8::/32")]
    Network,
    /// A network with bits set behind its prefix, so that it is unclear which one is meant.
    #[error("bits are set behind the prefix of that network")]
    HostBits,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sip { user, host } => {
                f.write_str("sip:")?;
                if let Some(user) = user {
                    parse::write_escaped(f, user)?;
                    f.write_str("@")?;
                }
                match host {
                    None => f.write_str("*"),
                    Some(host) if host.contains(':') => write!(f, "[{host}]"),
                    Some(host) => f.write_str(host),
                }
            }
            Self::Number { digits, global } => {
                write!(f, "tel:{}{digits}", if *global { "+" } else { "" })
            }
            Self::Network { address, length } => write!(f, "ip:{address}/{length}"),
        }
    }
}

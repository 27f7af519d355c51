//! The layout of every BPF map key and value, and of the mark ahead of a kept frame.
//!
//! Every struct is `repr(C)` and derives [`IntoBytes`], which makes padding a compile error: a map
//! key with undefined bytes would match by chance.
//! Times are `CLOCK_BOOTTIME` nanoseconds, which nobody can set back.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

mod counter;
mod prefilter;

pub use counter::Counter;
pub use prefilter::PrefilterBits;

/// An IPv6 address, or an IPv4 address mapped into IPv6 (RFC 4291 §2.5.5.2), in network order.
///
/// One form for both families lets one map serve both.
/// Aligned so that the program copies it by words.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C, align(4))]
pub struct Address(pub [u8; 16]);

impl Address {
    /// Maps the four octets of an IPv4 address.
    #[inline(always)]
    #[must_use]
    pub const fn from_ipv4([a, b, c, d]: [u8; 4]) -> Self {
        Self([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d])
    }

    /// Whether this is a mapped IPv4 address.
    #[inline(always)]
    #[must_use]
    pub fn is_ipv4(&self) -> bool {
        const MAPPED: u32 = u32::from_ne_bytes([0, 0, 0xff, 0xff]);
        matches!(self.words(), [0, 0, MAPPED, _])
    }

    /// Its words, as they lie in memory.
    ///
    /// The program holds addresses by words: what is asked of one byte by byte has it taken apart and
    /// put together again for each packet.
    #[inline(always)]
    pub(crate) fn words(&self) -> [u32; 4] {
        zerocopy::transmute!(*self)
    }
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(v4) => Self::from_ipv4(v4.octets()),
            IpAddr::V6(v6) => Self(v6.octets()),
        }
    }
}

impl From<Address> for IpAddr {
    /// By words: a worker does this twice a packet.
    #[inline]
    fn from(address: Address) -> Self {
        let bits = u128::from_be_bytes(address.0);
        #[expect(clippy::cast_possible_truncation, reason = "the lower 32 bits are the address")]
        if bits >> 32 == 0xffff {
            Ipv4Addr::from_bits(bits as u32).into()
        } else {
            Ipv6Addr::from_bits(bits).into()
        }
    }
}

/// One end of a media stream: the key of the exact endpoint map.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    FromBytes,
    IntoBytes,
    Immutable,
    KnownLayout,
)]
#[repr(C)]
pub struct Endpoint {
    /// Its address.
    pub address: Address,
    /// Its UDP or TCP port, in network order.
    pub port: [u8; 2],
    /// Zero; it fills the key up to whole words.
    pub reserved: [u8; 2],
}

impl Endpoint {
    /// The endpoint of an address and a port in host order.
    #[inline(always)]
    #[must_use]
    pub const fn new(address: Address, port: u16) -> Self {
        Self { address, port: port.to_be_bytes(), reserved: [0; 2] }
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(endpoint: SocketAddr) -> Self {
        Self::new(endpoint.ip().into(), endpoint.port())
    }
}

impl From<Endpoint> for SocketAddr {
    fn from(endpoint: Endpoint) -> Self {
        Self::new(endpoint.address.into(), u16::from_be_bytes(endpoint.port))
    }
}

/// Until when a map entry matches: the value of the endpoint and prefix maps.
///
/// It is held against the clock by the program itself, so a warrant's end holds whether or not
/// user space still lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Deadline {
    /// The last nanosecond of the boot clock at which the entry matches; 0 matches never.
    pub not_after_ns: u64,
}

impl Deadline {
    /// Whether the entry still matches at `now_ns` of the boot clock.
    #[inline(always)]
    #[must_use]
    pub const fn holds_at(&self, now_ns: u64) -> bool {
        now_ns <= self.not_after_ns
    }
}

/// The one entry of the `CONFIG` map.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct Config {
    /// What becomes of a packet no warrant asks for: a [`Mode`].
    pub mode: u32,
    /// Words of the prefilter less one; the word count is a power of two.
    pub prefilter_mask: u32,
    /// How many prefixes are open; with none, the prefix map is not looked at.
    pub prefixes: u32,
    /// Zero.
    pub reserved: u32,
    /// The latest end of any warrant in force, boot clock; 0 when none is in force, and then
    /// nothing at all is kept.
    pub signalling_not_after_ns: u64,
}

/// What becomes of a packet that no warrant asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Mode {
    /// A mirror port: the packet is a copy, and is dropped.
    Mirror = 0,
    /// The host's own port: the packet goes on to the host, and nothing addressed to the host is
    /// ever taken from it.
    Host = 1,
}

/// Names the fragments of one datagram: the key of the stranger map.
///
/// RFC 791 §3.2 tells datagrams apart by addresses, protocol and identification; RFC 8200 §4.5 by
/// addresses and identification alone; two tunnels may use one address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct FragmentKey {
    /// Source address.
    pub source: Address,
    /// Destination address.
    pub destination: Address,
    /// The identification field, host order; 16 bits of it in IPv4.
    pub identification: u32,
    /// The IPv4 protocol, or 0 for IPv6.
    pub protocol: u32,
    /// The number of the tunnel that the fragments are in, or 0.
    pub tunnel: u32,
}

/// What the program writes ahead of each kept frame, in the XDP metadata area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Mark {
    /// When the program saw the frame, boot clock nanoseconds.
    pub arrival_ns: u64,
    /// Why it was kept: a [`Reason`].
    pub reason: u32,
    /// The receive queue it came by.
    pub queue: u32,
}

impl Mark {
    /// Why the frame was kept, or `None` if the field holds no reason we know.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self.reason {
            1 => Some(Reason::Signalling),
            2 => Some(Reason::Fragment),
            3 => Some(Reason::Endpoint),
            4 => Some(Reason::Prefix),
            _ => None,
        }
    }
}

/// Why a packet is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Reason {
    /// A signalling port; user space looks for targets in it.
    Signalling = 1,
    /// A fragment that cannot be judged alone; user space reassembles it.
    Fragment = 2,
    /// A media endpoint of a warranted call.
    Endpoint = 3,
    /// An address under an IP warrant.
    Prefix = 4,
}

impl Reason {
    /// Which of its queue's slots a frame goes to: 0 if it is to be followed by the thread that
    /// follows calls, 1 if it is only to be kept.
    #[inline(always)]
    #[must_use]
    pub const fn slot(self) -> u32 {
        match self {
            Self::Signalling | Self::Fragment => 0,
            Self::Endpoint | Self::Prefix => 1,
        }
    }
}

/// One interface the program is attached to: the value of the `INTERFACES` map, by its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct InterfaceSlots {
    /// The first XSKMAP slot of its queue 0.
    pub first_slot: u32,
    /// How many queues it has, each with [`SLOTS_PER_QUEUE`] slots.
    pub queues: u32,
    /// Its own hardware address.
    pub mac: [u8; 6],
    /// Zero.
    pub reserved: [u8; 2],
}

/// Words of the signalling port bitmap: one bit a port.
pub const PORT_WORDS: u32 = 1024;

/// The word of the signalling port bitmap that holds `port`, and its bit in it.
#[inline(always)]
#[must_use]
pub fn port_bit(port: u16) -> (u32, u64) {
    (u32::from(port >> 6), 1 << (port & 63))
}

/// XSKMAP slots: those of the queues of all interfaces together.
pub const MAX_SOCKETS: u32 = 1024;

/// XSKMAP slots of a queue: one for what has to be followed, and one for the rest.
pub const SLOTS_PER_QUEUE: u32 = 2;

/// Interfaces one program may be attached to.
pub const MAX_INTERFACES: u32 = 64;

/// Prefixes of IP warrants.
pub const MAX_PREFIXES: u32 = 4096;

/// Fragmented datagrams of strangers remembered at once; an evicted one costs a needless delivery
/// of its later fragments, and nothing else.
pub const MAX_STRANGERS: u32 = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_and_its_mapped_form_are_one_endpoint() {
        let plain: SocketAddr = "192.0.2.7:4000".parse().unwrap();
        let mapped: SocketAddr = "[::ffff:192.0.2.7]:4000".parse().unwrap();
        assert_eq!(Endpoint::from(plain), Endpoint::from(mapped));
        assert_eq!(SocketAddr::from(Endpoint::from(mapped)), plain);
        assert!(Endpoint::from(plain).address.is_ipv4());
        assert!(
            !Endpoint::from("[2001:db8::1]:4000".parse::<SocketAddr>().unwrap()).address.is_ipv4()
        );
    }

    #[test]
    fn a_deadline_holds_to_its_last_nanosecond() {
        let deadline = Deadline { not_after_ns: 10 };
        assert!(deadline.holds_at(10));
        assert!(!deadline.holds_at(11));
    }

    #[test]
    fn every_reason_survives_its_mark() {
        for reason in [Reason::Signalling, Reason::Fragment, Reason::Endpoint, Reason::Prefix] {
            let mark = Mark { arrival_ns: 1, reason: reason as u32, queue: 0 };
            assert_eq!(mark.reason(), Some(reason));
        }
        assert_eq!(Mark { arrival_ns: 1, reason: 0, queue: 0 }.reason(), None);
    }

    #[test]
    fn every_port_has_its_own_bit() {
        let mut words = vec![0_u64; PORT_WORDS as usize];
        for port in 0..=u16::MAX {
            let (word, bit) = port_bit(port);
            assert_eq!(words[word as usize] & bit, 0);
            words[word as usize] |= bit;
        }
        assert!(words.iter().all(|&word| word == u64::MAX));
    }
}

//! A prefix of either IP version, as the map of mapped addresses has it.

use std::net::IpAddr;

use aya::maps::lpm_trie::Key;
use calltap_ebpf::abi::Address;

use super::plain::Plain;
use crate::Error;

/// A network address and how many of its 128 mapped bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Prefix {
    network: u128,
    bits: u32,
}

impl Prefix {
    /// The prefix of `length` bits of an address; bits beyond it are not looked at.
    pub(super) fn new(address: IpAddr, length: u8) -> Result<Self, Error> {
        let width = if address.is_ipv4() { 32 } else { 128 };
        if length > width {
            return Err(Error::PrefixTooLong { prefix_len: length, bits: width });
        }
        let bits = u32::from(128 - width + length);
        let network = u128::from_be_bytes(Address::from(address).0) & mask(bits);
        Ok(Self { network, bits })
    }

    /// The prefix of a key found in the map; `None` if its length is none.
    pub(super) fn of_key(key: &Key<Plain<Address>>) -> Option<Self> {
        let bits = key.prefix_len();
        let Plain(address) = key.data();
        (bits <= 128).then(|| Self { network: u128::from_be_bytes(address.0) & mask(bits), bits })
    }

    /// Its address, and how many of the bits of an address of its family count.
    pub(super) fn parts(&self) -> (IpAddr, u32) {
        let address = IpAddr::from(Address(self.network.to_be_bytes()));
        let bits = if address.is_ipv4() { self.bits.saturating_sub(96) } else { self.bits };
        (address, bits)
    }

    /// Its key in the map.
    pub(super) fn key(&self) -> Key<Plain<Address>> {
        Key::new(self.bits, Plain(Address(self.network.to_be_bytes())))
    }

    /// Whether `other` is this prefix, or lies within it.
    pub(super) fn holds(&self, other: &Self) -> bool {
        self.bits <= other.bits && other.network & mask(self.bits) == self.network
    }
}

fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str, length: u8) -> Prefix {
        Prefix::new(address.parse().unwrap(), length).unwrap()
    }

    #[test]
    fn bits_beyond_a_prefix_do_not_count() {
        assert_eq!(prefix("192.0.2.77", 28), prefix("192.0.2.64", 28));
        assert_eq!(prefix("2001:db8::7", 0), prefix("::", 0));
        assert_eq!(prefix("192.0.2.77", 0).bits, 96);
    }

    #[test]
    fn a_prefix_holds_itself_and_what_is_narrower() {
        let wide = prefix("192.0.2.0", 24);
        assert!(wide.holds(&wide));
        assert!(wide.holds(&prefix("192.0.2.128", 25)));
        assert!(!prefix("192.0.2.128", 25).holds(&wide));
        assert!(!wide.holds(&prefix("192.0.3.0", 25)));
        assert!(!wide.holds(&prefix("2001:db8::", 64)));
        assert!(prefix("::", 0).holds(&wide));
    }

    #[test]
    fn a_prefix_longer_than_its_address_is_refused() {
        let refused = Prefix::new("192.0.2.1".parse().unwrap(), 33);
        assert!(matches!(refused, Err(Error::PrefixTooLong { prefix_len: 33, bits: 32 })));
    }
}

//! The prefilter: four bits of one word tell most strangers' endpoints at the cost of one load.
//!
//! A hash map of many endpoints costs a cache miss for every packet of every stranger.
//! The prefilter is a blocked Bloom filter in an array map: it never misses an open endpoint, and
//! a stranger it lets through only pays for the exact lookup.

use super::Endpoint;

/// Where an endpoint stands in the prefilter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefilterBits {
    /// The word of the array.
    pub word: u32,
    /// The bits of the word that are all set while the endpoint is open; one to four of them.
    pub bits: u64,
}

impl PrefilterBits {
    /// The bits of `endpoint` in a prefilter of `mask + 1` words, a power of two.
    #[inline(always)]
    #[must_use]
    pub fn of(endpoint: &Endpoint, mask: u32) -> Self {
        let hash = hash(endpoint);
        let bits = (1 << (hash & 63))
            | (1 << ((hash >> 6) & 63))
            | (1 << ((hash >> 12) & 63))
            | (1 << ((hash >> 18) & 63));
        // The word comes from the upper half, the bits from the low 24: no hash bit serves twice.
        let word = (hash >> 32) as u32 & mask;
        Self { word, bits }
    }
}

/// Mixes an endpoint's 20 bytes by multiplication, as the BPF instruction set has no cheaper way.
#[inline(always)]
fn hash(endpoint: &Endpoint) -> u64 {
    let [a, b, c, d] = endpoint.address.words().map(|word| u64::from(word.to_le()));
    let (upper, lower) = (a | b << 32, c | d << 32);
    let port = u64::from(u16::from_le_bytes(endpoint.port));

    // Odd constants with well-spread bits: the golden ratio, and those of MurmurHash3's finaliser.
    let mut hash = upper.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash = (hash ^ lower).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 32;
    hash = (hash ^ port).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use super::*;
    use crate::abi::Address;

    fn endpoint(host: u16, port: u16) -> Endpoint {
        let host = Ipv4Addr::from(0xc000_0200 + u32::from(host));
        Endpoint::new(Address::from_ipv4(host.octets()), port)
    }

    fn endpoint_v6(host: u16, port: u16) -> Endpoint {
        let address = Ipv6Addr::from(0x2001_0db8 << 96 | u128::from(host) << 64 | 1);
        Endpoint::new(Address(address.octets()), port)
    }

    /// How many of 100,000 strangers pass where so many endpoints are in 65,536 bits, on the even
    /// ports of many hosts, as media uses them.
    fn passed(endpoints: u16, endpoint: impl Fn(u16, u16) -> Endpoint) -> usize {
        let mask = 1023;
        let mut words = vec![0_u64; 1024];
        let calls = |number: u16| (number / 65, 16_384 + 4 * (number % 65));
        for (host, port) in (0..endpoints).map(calls) {
            let slot = PrefilterBits::of(&endpoint(host, port), mask);
            words[slot.word as usize] |= slot.bits;
        }
        let strangers =
            (1000..1100).flat_map(|host| (0..1000).map(move |it| (host, 20_000 + 2 * it)));
        let passes = |&(host, port): &(u16, u16)| {
            let slot = PrefilterBits::of(&endpoint(host, port), mask);
            words[slot.word as usize] & slot.bits == slot.bits
        };
        strangers.filter(passes).count()
    }

    #[test]
    fn strangers_seldom_pass_and_the_more_bits_an_endpoint_has_the_fewer() {
        // 0.4 % at 16 bits an endpoint, 0.14 % at 24 and 0.07 % at 32; a poor hash lets far more pass.
        for (endpoints, most) in [(4096, 550), (2730, 200), (2048, 110)] {
            let (v4, v6) = (passed(endpoints, endpoint), passed(endpoints, endpoint_v6));
            assert!(v4 < most && v6 < most, "{v4} and {v6} of 100,000 at {endpoints} endpoints");
        }
    }

    #[test]
    fn an_endpoint_stays_within_its_mask() {
        for port in 0..2000 {
            assert!(PrefilterBits::of(&endpoint(1, port), 15).word <= 15);
        }
    }
}

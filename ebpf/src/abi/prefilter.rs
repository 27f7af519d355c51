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
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = endpoint.address.0;
    let upper = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let lower = u64::from_le_bytes([i, j, k, l, m, n, o, p]);
    let port = u64::from(u16::from_le_bytes(endpoint.port));

    // Odd constants with well-spread bits: the golden ratio, and those of MurmurHash3's finaliser.
    let mut hash = upper.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    hash ^= hash >> 32;
    hash = (hash ^ lower).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 32;
    hash = (hash ^ port).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 29)
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;
    use crate::abi::Address;

    fn endpoint(host: u32, port: u16) -> Endpoint {
        Endpoint::new(Address::from_ipv4(Ipv4Addr::from(0xc000_0200 + host).octets()), port)
    }

    #[test]
    fn strangers_seldom_pass_at_21_bits_an_endpoint() {
        let mask = 1023;
        let mut words = vec![0_u64; 1024];
        // 3,120 endpoints in 65,536 bits, on the even ports of 48 hosts, as media uses them.
        for host in 0..48 {
            for call in 0..65 {
                let slot = PrefilterBits::of(&endpoint(host, 16_384 + 4 * call), mask);
                words[slot.word as usize] |= slot.bits;
            }
        }
        let mut passed = 0;
        for host in 48..148 {
            for port in 0..1000 {
                let slot = PrefilterBits::of(&endpoint(host, 20_000 + 2 * port), mask);
                passed += u32::from(words[slot.word as usize] & slot.bits == slot.bits);
            }
        }
        // A blocked filter of this density lets about 0.3 % pass; a poor hash lets far more.
        assert!(passed < 600, "{passed} of 100,000 strangers passed");
    }

    #[test]
    fn an_endpoint_stays_within_its_mask() {
        for port in 0..2000 {
            assert!(PrefilterBits::of(&endpoint(1, port), 15).word <= 15);
        }
    }
}

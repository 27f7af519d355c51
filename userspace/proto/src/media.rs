//! Which bindings a media packet has: the user-space mirror of the kernel's endpoint map.

mod encryption;
mod latch;
mod terms;

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

pub use encryption::{Encryption, KeyExchanges};
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
pub use latch::{Decision, Doubtful, Latch, LatchLimits, Standing};
pub use terms::{Keying, MediaTerms};

/// Media endpoints, and what each is bound to.
///
/// A worker owns one and looks a packet up by both its ends; looking up allocates nothing.
/// An endpoint may have several bindings: two warrants may name one call, and two calls one
/// endpoint.
#[derive(Clone, Debug)]
pub struct MediaTable<T> {
    bindings: HashMap<Key, Bound<T>>,
}

/// What an endpoint is bound to: nearly always to one call, which then stands in the table itself.
#[derive(Clone, Debug)]
enum Bound<T> {
    One(T),
    Several(Vec<T>),
}

impl<T> Bound<T> {
    #[inline]
    fn as_slice(&self) -> &[T] {
        match self {
            Self::One(binding) => core::slice::from_ref(binding),
            Self::Several(bindings) => bindings,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [T] {
        match self {
            Self::One(binding) => core::slice::from_mut(binding),
            Self::Several(bindings) => bindings,
        }
    }

    /// Keeps what `keep` chooses, and says how many that are; none of them are to be taken out of
    /// the table.
    fn retain(&mut self, keep: impl Fn(&T) -> bool) -> usize {
        match self {
            Self::One(binding) => usize::from(keep(binding)),
            Self::Several(bindings) => {
                bindings.retain(keep);
                bindings.len()
            }
        }
    }
}

impl<T> Default for MediaTable<T> {
    fn default() -> Self {
        Self { bindings: HashMap::new() }
    }
}

impl<T: Clone + PartialEq> MediaTable<T> {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Binds `endpoint` to `binding`; once more is once.
    pub fn open(&mut self, endpoint: SocketAddr, binding: T) {
        match self.bindings.entry(key(endpoint)) {
            Entry::Vacant(place) => drop(place.insert(Bound::One(binding))),
            Entry::Occupied(mut place) => match place.get_mut() {
                bound if bound.as_slice().contains(&binding) => {}
                Bound::Several(bindings) => bindings.push(binding),
                bound @ Bound::One(_) => {
                    let mut bindings = bound.as_slice().to_vec();
                    bindings.push(binding);
                    *bound = Bound::Several(bindings);
                }
            },
        }
    }

    /// Takes away the bindings of `endpoint` that `which` chooses; says how many those were.
    pub fn close(&mut self, endpoint: SocketAddr, which: impl Fn(&T) -> bool) -> usize {
        let key = key(endpoint);
        let Some(bound) = self.bindings.get_mut(&key) else { return 0 };
        let before = bound.as_slice().len();
        let after = bound.retain(|binding| !which(binding));
        if after == 0 {
            self.bindings.remove(&key);
        }
        before - after
    }

    /// The bindings of a packet's two ends, the destination's first, each once.
    pub fn lookup(&self, source: SocketAddr, destination: SocketAddr) -> impl Iterator<Item = &T> {
        let theirs = self.bindings(destination);
        let ours = self.bindings(source);
        theirs.iter().chain(ours.iter().filter(move |binding| !theirs.contains(binding)))
    }

    /// What `endpoint` is bound to.
    #[must_use]
    pub fn bindings(&self, endpoint: SocketAddr) -> &[T] {
        self.bindings.get(&key(endpoint)).map_or(&[], Bound::as_slice)
    }

    /// What `endpoint` is bound to, to be changed in place.
    pub fn bindings_mut(&mut self, endpoint: SocketAddr) -> &mut [T] {
        self.bindings.get_mut(&key(endpoint)).map_or(&mut [], Bound::as_mut_slice)
    }

    /// Each endpoint and what it is bound to, in no order.
    pub fn iter(&self) -> impl Iterator<Item = (SocketAddr, &[T])> {
        self.bindings.iter().map(|(&key, bound)| (endpoint(key), bound.as_slice()))
    }

    /// Every binding, to be changed in place.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.bindings.values_mut().flat_map(Bound::as_mut_slice)
    }

    /// Takes away every binding that `keep` does not choose.
    pub fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        self.bindings.retain(|_, bound| bound.retain(&keep) > 0);
    }

    /// How many endpoints are bound.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bindings.len()
    }

    /// Whether no endpoint is bound.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bindings.is_empty()
    }
}

type Key = (u128, u16);

/// IPv4-mapped IPv6 addresses are the IPv4 addresses they map; flow label and scope do not count.
///
/// One number, so that hashing and comparing it is no more than that.
#[inline]
fn key(endpoint: SocketAddr) -> Key {
    const MAPPED: u128 = 0xffff << 32;
    let bits = match endpoint.ip() {
        IpAddr::V4(v4) => MAPPED | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    };
    (bits, endpoint.port())
}

/// The endpoint of a key.
fn endpoint((bits, port): Key) -> SocketAddr {
    SocketAddr::new(IpAddr::from(bits.to_be_bytes()).to_canonical(), port)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: &str = "192.0.2.1:4000";
    const BOB: &str = "198.51.100.2:5000";

    fn at(text: &str) -> SocketAddr {
        text.parse().expect("an endpoint")
    }

    #[test]
    fn a_packet_is_bound_by_either_end_and_once() {
        let mut table = MediaTable::new();
        table.open(at(ALICE), 7);
        table.open(at(ALICE), 7);
        table.open(at(BOB), 7);
        table.open(at(BOB), 8);
        let stranger = at("203.0.113.9:1");
        let found = |a, b| table.lookup(a, b).copied().collect::<Vec<_>>();
        assert_eq!(found(at(ALICE), at(BOB)), [7, 8]);
        assert_eq!(found(at(ALICE), stranger), [7]);
        assert_eq!(found(stranger, at(BOB)), [7, 8]);
        assert!(found(stranger, stranger).is_empty());
    }

    #[test]
    fn a_closed_binding_leaves_the_others() {
        let mut table = MediaTable::new();
        table.open(at(BOB), 7);
        table.open(at(BOB), 8);
        assert_eq!(table.close(at(BOB), |&binding| binding == 7), 1);
        assert_eq!(table.lookup(at(ALICE), at(BOB)).copied().collect::<Vec<_>>(), [8]);
        assert_eq!(table.close(at(BOB), |_| true), 1);
        assert_eq!(table.close(at(BOB), |_| true), 0);
        assert!(table.is_empty());
    }

    #[test]
    fn every_endpoint_is_given_with_what_it_is_bound_to() {
        let mut table = MediaTable::new();
        table.open(at("[2001:db8::1]:4000"), 1);
        table.open(at(ALICE), 2);
        table.iter_mut().for_each(|binding| *binding += 1);
        let mut all: Vec<_> = table.iter().map(|(end, bound)| (end, bound.to_vec())).collect();
        all.sort();
        assert_eq!(all, [(at(ALICE), [3].into()), (at("[2001:db8::1]:4000"), [2].into())]);
    }

    #[test]
    fn an_ipv4_mapped_address_is_the_ipv4_address() {
        let mut table = MediaTable::new();
        table.open(at("[::ffff:192.0.2.1]:4000"), 1);
        assert_eq!(table.lookup(at(ALICE), at(BOB)).count(), 1);
    }
}

//! The verdict over ordinary collections.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, HashSet},
};

use super::*;
use crate::headers::Ports;

#[derive(Default)]
struct Desk {
    config: Config,
    ports: HashSet<u16>,
    endpoints: HashMap<Endpoint, Deadline>,
    prefixes: HashMap<Address, Deadline>,
    strangers: RefCell<HashMap<FragmentKey, u64>>,
    now_ns: Cell<u64>,
    readings: Cell<u32>,
}

impl Maps for Desk {
    fn config(&self) -> Config {
        Config { prefixes: u32::try_from(self.prefixes.len()).unwrap(), ..self.config }
    }
    fn signalling_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }
    fn prefilter(&self, endpoint: &Endpoint) -> bool {
        self.endpoints.contains_key(endpoint)
    }
    fn endpoint(&self, endpoint: &Endpoint) -> Option<Deadline> {
        self.endpoints.get(endpoint).copied()
    }
    fn prefix(&self, address: &Address) -> Option<Deadline> {
        self.prefixes.get(address).copied()
    }
    fn stranger(&self, key: &FragmentKey) -> Option<u64> {
        self.strangers.borrow().get(key).copied()
    }
    fn remember_stranger(&self, key: &FragmentKey, now_ns: u64) {
        self.strangers.borrow_mut().insert(*key, now_ns);
    }
    fn forget_stranger(&self, key: &FragmentKey) {
        self.strangers.borrow_mut().remove(key);
    }
    fn now(&self) -> u64 {
        self.readings.set(self.readings.get() + 1);
        self.now_ns.get()
    }
}

const SOURCE: Address = Address::from_ipv4([192, 0, 2, 1]);
const DESTINATION: Address = Address::from_ipv4([198, 51, 100, 2]);
const NOW: u64 = 1_000_000_000;

/// A desk with a warrant in force until `NOW + 1000`, and port 5060 for signalling.
fn desk() -> Desk {
    let desk = Desk { ports: HashSet::from([5060]), ..Desk::default() };
    desk.now_ns.set(NOW);
    Desk { config: Config { signalling_not_after_ns: NOW + 1000, ..Config::default() }, ..desk }
}

fn packet(source: u16, destination: u16) -> Packet {
    Packet {
        source: SOURCE,
        destination: DESTINATION,
        protocol: UDP,
        network_offset: 14,
        transport_offset: 34,
        end: 60,
        fragment: Fragment::Whole,
        ports: Some(Ports { source, destination }),
        tunnel: 0,
        outer: None,
    }
}

fn first(packet: Packet) -> Packet {
    Packet { fragment: Fragment::First { identification: 9 }, ..packet }
}

fn later() -> Packet {
    let fragment = Fragment::Later { identification: 9, offset: 1480, more: false };
    Packet { fragment, ports: None, ..packet(0, 0) }
}

fn keep(reason: Reason) -> Verdict {
    Verdict::Keep { reason, at_ns: NOW }
}

const NOT_TARGET: Verdict = Verdict::Filter(Counter::FilteredNotTarget);
const NO_WARRANT: Verdict = Verdict::Filter(Counter::FilteredNoWarrant);

#[test]
fn nothing_is_kept_without_a_warrant() {
    let mut desk = desk();
    desk.config.signalling_not_after_ns = 0;
    let endpoint = Endpoint::new(SOURCE, 4000);
    desk.endpoints.insert(endpoint, Deadline { not_after_ns: u64::MAX });
    desk.prefixes.insert(SOURCE, Deadline { not_after_ns: u64::MAX });
    for packet in [packet(5060, 5060), packet(4000, 4002), first(packet(4000, 4002)), later()] {
        assert_eq!(verdict(&desk, &Ok(packet)), NO_WARRANT);
    }
    assert_eq!(verdict(&desk, &Err(Stop::NotIp)), NO_WARRANT);
    assert_eq!(desk.readings.get(), 0);
}

#[test]
fn signalling_is_kept_by_either_port_until_the_last_warrant_ends() {
    let desk = desk();
    assert_eq!(verdict(&desk, &Ok(packet(5060, 32_000))), keep(Reason::Signalling));
    assert_eq!(verdict(&desk, &Ok(packet(32_000, 5060))), keep(Reason::Signalling));
    desk.now_ns.set(NOW + 1001);
    assert_eq!(verdict(&desk, &Ok(packet(5060, 5060))), NO_WARRANT);
}

#[test]
fn an_endpoint_is_kept_in_both_directions_until_its_deadline() {
    let mut desk = desk();
    desk.endpoints.insert(Endpoint::new(SOURCE, 4000), Deadline { not_after_ns: NOW + 5 });
    desk.endpoints.insert(Endpoint::new(DESTINATION, 6000), Deadline { not_after_ns: NOW + 9 });
    assert_eq!(verdict(&desk, &Ok(packet(4000, 1))), keep(Reason::Endpoint));
    assert_eq!(verdict(&desk, &Ok(packet(1, 6000))), keep(Reason::Endpoint));
    assert_eq!(verdict(&desk, &Ok(packet(6000, 4000))), NOT_TARGET);

    // The source's entry is over; the destination's still asks for the packet.
    desk.now_ns.set(NOW + 6);
    assert_eq!(verdict(&desk, &Ok(packet(4000, 1))), NOT_TARGET);
    let both = Verdict::Keep { reason: Reason::Endpoint, at_ns: NOW + 6 };
    assert_eq!(verdict(&desk, &Ok(packet(4000, 6000))), both);
}

#[test]
fn an_endpoint_never_outlives_the_last_warrant() {
    let mut desk = desk();
    desk.endpoints.insert(Endpoint::new(SOURCE, 4000), Deadline { not_after_ns: u64::MAX });
    desk.now_ns.set(NOW + 1001);
    assert_eq!(verdict(&desk, &Ok(packet(4000, 1))), NO_WARRANT);
}

#[test]
fn a_prefix_is_kept_whatever_the_protocol() {
    let mut desk = desk();
    desk.prefixes.insert(DESTINATION, Deadline { not_after_ns: NOW });
    let ping = Packet { protocol: 1, ports: None, ..packet(0, 0) };
    assert_eq!(verdict(&desk, &Ok(ping)), keep(Reason::Prefix));
    desk.now_ns.set(NOW + 1);
    assert_eq!(verdict(&desk, &Ok(ping)), NOT_TARGET);
}

#[test]
fn a_stranger_is_filtered_without_reading_the_clock() {
    let desk = desk();
    assert_eq!(verdict(&desk, &Ok(packet(4000, 4002))), NOT_TARGET);
    assert_eq!(desk.readings.get(), 0);
}

#[test]
fn what_cannot_be_walked_is_counted_by_its_kind() {
    let desk = desk();
    let malformed = Verdict::Filter(Counter::FilteredMalformed);
    assert_eq!(verdict(&desk, &Err(Stop::NotIp)), Verdict::Filter(Counter::FilteredNotIp));
    for stop in [Stop::Cut(3), Stop::Malformed(14), Stop::TooDeep(26)] {
        assert_eq!(verdict(&desk, &Err(stop)), malformed);
    }
}

#[test]
fn a_strangers_later_fragments_follow_the_first() {
    let desk = desk();
    assert_eq!(verdict(&desk, &Ok(later())), keep(Reason::Fragment), "overtakes its first");
    assert_eq!(verdict(&desk, &Ok(first(packet(4000, 4002)))), NOT_TARGET);
    let filtered = Verdict::Filter(Counter::FilteredFragment);
    assert_eq!(verdict(&desk, &Ok(later())), filtered);
}

#[test]
fn a_targets_fragments_are_all_kept_as_fragments() {
    let desk = desk();
    assert_eq!(verdict(&desk, &Ok(first(packet(5060, 5060)))), keep(Reason::Fragment));
    assert_eq!(verdict(&desk, &Ok(later())), keep(Reason::Fragment));
}

#[test]
fn a_target_takes_over_a_strangers_identification() {
    let desk = desk();
    assert_eq!(verdict(&desk, &Ok(first(packet(4000, 4002)))), NOT_TARGET);
    assert_eq!(verdict(&desk, &Ok(first(packet(5060, 5060)))), keep(Reason::Fragment));
    assert_eq!(verdict(&desk, &Ok(later())), keep(Reason::Fragment));
}

#[test]
fn an_old_stranger_no_longer_speaks_for_a_fragment_that_overtakes_its_first() {
    let mut desk = desk();
    desk.config.signalling_not_after_ns = u64::MAX;
    assert_eq!(verdict(&desk, &Ok(first(packet(4000, 4002)))), NOT_TARGET);
    let at_ns = NOW + STRANGER_LIFETIME_NS + 1;
    desk.now_ns.set(at_ns);
    let kept = Verdict::Keep { reason: Reason::Fragment, at_ns };
    assert_eq!(verdict(&desk, &Ok(later())), kept);
}

#[test]
fn a_first_fragment_that_hides_its_ports_is_kept() {
    let desk = desk();
    let hidden = Packet { ports: None, ..first(packet(0, 0)) };
    assert_eq!(verdict(&desk, &Ok(hidden)), keep(Reason::Fragment));
    let ping = Packet { protocol: 1, ..hidden };
    assert_eq!(verdict(&desk, &Ok(ping)), NOT_TARGET);
}

//! The loaded program and the host's own run of the verdict agree on a table of crafted frames.

#![allow(unsafe_code, reason = "namespaces and packet sockets are raw system calls")]

#[path = "../../../ebpf/src/headers/tests/crafted.rs"]
mod crafted;
mod frames;
#[allow(dead_code, reason = "only the namespace is used here")]
mod wire;

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use calltap_ebpf::{
    abi::{Address, Config, Deadline, Endpoint, FragmentKey},
    headers::{Cursor, Packet, Stop, walk_ethernet, walk_levels},
    verdict::{Maps, Verdict, verdict},
};
use calltap_xdp::{
    Counter, Filter, Geometry, Interface, LoadOptions, Mode, Reason, Socket, TestRun, clock,
};

/// The host's maps: what the filter was told, in ordinary collections.
#[derive(Default)]
struct Desk {
    not_after_ns: u64,
    ports: HashSet<u16>,
    endpoints: HashMap<Endpoint, Deadline>,
    prefixes: HashMap<Address, Deadline>,
    strangers: RefCell<HashMap<FragmentKey, u64>>,
}

impl Maps for Desk {
    fn config(&self) -> Config {
        Config { prefixes: 1, signalling_not_after_ns: self.not_after_ns, ..Config::default() }
    }
    fn signalling_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }
    fn prefilter(&self, _: &Endpoint) -> bool {
        true
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
        clock::boot_ns()
    }
}

const TARGET: &str = "192.0.2.1:16384";
const TARGET_V6: &str = "[2001:db8::1]:16384";
const STRANGER: &str = "198.51.100.2:20000";
const STRANGER_V6: &str = "[2001:db8::2]:20000";

/// Frames in the order they arrive, each with its name.
fn table() -> Vec<(String, Vec<u8>)> {
    use frames::{ELSEWHERE, Part, datagram, ethernet, fragments, ipv4, ipv6, tagged, udp};
    let mut table: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, frame: Vec<u8>| table.push((name.into(), frame));

    add("signalling from", udp("198.51.100.2:5060", STRANGER));
    add("signalling to", udp(STRANGER, "198.51.100.3:5060"));
    add("signalling over IPv6", udp(STRANGER_V6, "[2001:db8::3]:5061"));
    add("media from the target", udp(TARGET, STRANGER));
    add("media to the target", udp(STRANGER, TARGET));
    add("media from the target over IPv6", udp(TARGET_V6, STRANGER_V6));
    add("media to the target over IPv6", udp(STRANGER_V6, TARGET_V6));
    add("another port of the target", udp("192.0.2.1:16386", STRANGER));
    add("the target's port elsewhere", udp("192.0.2.2:16384", STRANGER));
    add("an endpoint past its deadline", udp("192.0.2.9:9000", STRANGER));
    add("an address under an IP warrant", udp("203.0.113.77:1", STRANGER));
    add("an address beside the prefix", udp("203.0.112.77:1", STRANGER));
    add("a stranger", udp(STRANGER, "198.51.100.3:20002"));
    add("ARP", ethernet([0xff; 6], 0x0806, &[0; 46]));

    let media = datagram(TARGET, STRANGER, &[7; 160]);
    let plain = udp(TARGET, STRANGER);
    for (name, _, wrap) in crafted::TUNNELS {
        let frame = wrap(&plain[14..]);
        for length in (14..frame.len()).step_by(3) {
            add(&format!("{name}, cut to {length}"), frame[..length].to_vec());
        }
        add(name, frame);
    }
    add("one VLAN tag", tagged(0x8100, &plain));
    add("two VLAN tags", tagged(0x88a8, &tagged(0x8100, &plain)));
    add("three VLAN tags", tagged(0x8100, &tagged(0x88a8, &tagged(0x8100, &plain))));
    for words in [1, 3, 10] {
        let packet = ipv4(TARGET, STRANGER, &vec![1; words * 4], None, &media);
        add(&format!("{words} words of IPv4 options"), ethernet(ELSEWHERE, 0x0800, &packet));
    }
    let media_v6 = datagram(TARGET_V6, STRANGER_V6, &[7; 160]);
    for extensions in 1..=5 {
        let packet = ipv6(TARGET_V6, STRANGER_V6, extensions, None, &media_v6);
        add(&format!("{extensions} IPv6 extensions"), ethernet(ELSEWHERE, 0x86dd, &packet));
    }
    for (whose, source) in [("the target", TARGET), ("a stranger", "198.51.100.7:30000")] {
        for (place, fragment) in fragments(source, STRANGER, 77).into_iter().enumerate() {
            add(&format!("fragment {place} of {whose}"), fragment);
        }
        for (place, fragment) in fragments(source, STRANGER, 78).into_iter().rev().enumerate() {
            add(&format!("fragment {place} of {whose}, last first"), fragment);
        }
    }
    for (whose, source) in [("the target", TARGET_V6), ("a stranger", "[2001:db8::7]:30000")] {
        let whole = datagram(source, STRANGER_V6, &[7; 1000]);
        for (from, to) in [(0, 512), (512, 1008)] {
            let part = Part { identification: 9, offset: from, more: to < 1008 };
            let payload = &whole[usize::from(from)..to];
            let packet = ipv6(source, STRANGER_V6, 0, Some(part), payload);
            let name = format!("IPv6 fragment at {from} of {whose}");
            add(&name, ethernet(ELSEWHERE, 0x86dd, &packet));
        }
    }
    let mut short_header = plain.clone();
    short_header[14] = 0x43;
    add("an IPv4 header of three words", short_header);
    let mut six_in_four = plain.clone();
    six_in_four[14] = 0x65;
    add("version 6 in an IPv4 frame", six_in_four);
    for length in [14, 20, 33, 34, 36, 37, 38, 42] {
        add(&format!("media cut at {length}"), plain[..length].to_vec());
    }
    for length in [14, 21, 53, 54, 57, 58, 62] {
        let frame = udp(TARGET_V6, STRANGER_V6)[..length].to_vec();
        add(&format!("IPv6 media cut at {length}"), frame);
    }
    table
}

fn counter(reason: Reason) -> Counter {
    match reason {
        Reason::Signalling => Counter::KeptSignalling,
        Reason::Fragment => Counter::KeptFragment,
        Reason::Endpoint => Counter::KeptEndpoint,
        Reason::Prefix => Counter::KeptPrefix,
    }
}

/// The filter and the desk told the same, and a socket for what is kept.
fn told() -> (Filter, Desk, Socket) {
    let mut filter = Filter::load(LoadOptions { max_endpoints: 64, ..LoadOptions::default() })
        .expect("the program loads");
    let loopback = Interface::open("lo").expect("lo");
    let socket = Socket::open(&loopback, 0, Geometry::default()).expect("a socket on lo");
    filter.register(&socket).expect("registered");

    let later = clock::boot_ns() + 3_600_000_000_000;
    filter.set_signalling_ports(&[5060, 5061]);
    filter.set_signalling_deadline(later);
    let mut desk =
        Desk { not_after_ns: later, ports: HashSet::from([5060, 5061]), ..Desk::default() };
    for (endpoint, not_after_ns) in [(TARGET, later), (TARGET_V6, later), ("192.0.2.9:9000", 1)] {
        let endpoint: SocketAddr = endpoint.parse().unwrap();
        filter.open_endpoint(endpoint, not_after_ns).expect("opened");
        desk.endpoints.insert(endpoint.into(), Deadline { not_after_ns });
    }
    filter.open_prefix("203.0.113.64".parse().unwrap(), 27, later).expect("opened");
    let inside: SocketAddr = "203.0.113.77:1".parse().unwrap();
    desk.prefixes.insert(inside.ip().into(), Deadline { not_after_ns: later });
    (filter, desk, socket)
}

/// As the program goes about it.
fn walk(frame: &[u8]) -> Result<Packet, Stop> {
    match walk_ethernet(frame) {
        Err(Stop::Layered) => walk_levels(frame, Cursor::ETHERNET, |_| false),
        walked => walked,
    }
}

#[test]
fn in_every_tunnel_the_targets_packets_are_kept_and_nobody_elses() {
    const ELSEWHERE_V6: &str = "[2001:db8::3]:20000";
    wire::in_namespace(|| {
        let (filter, _desk, _socket) = told();
        let packets = [
            (frames::udp(TARGET, STRANGER), Some(Reason::Endpoint)),
            (frames::udp(STRANGER_V6, TARGET_V6), Some(Reason::Endpoint)),
            (frames::udp(STRANGER, "198.51.100.3:5060"), Some(Reason::Signalling)),
            (frames::udp(STRANGER, "198.51.100.3:20000"), None),
            (frames::udp(STRANGER_V6, ELSEWHERE_V6), None),
        ];
        for (name, _, wrap) in crafted::TUNNELS {
            for (frame, reason) in &packets {
                let run = filter.test_run(&wrap(&frame[14..]), 1).expect("a run");
                assert_eq!(run.mark.and_then(|mark| mark.reason()), *reason, "{name}");
            }
        }
    });
}

#[test]
fn kernel_and_host_agree_on_every_frame() {
    wire::in_namespace(|| {
        let (filter, desk, _socket) = told();
        for (name, frame) in table() {
            let before = filter.counters().unwrap();
            let run = filter.test_run(&frame, 1).expect("a run");
            let counted = filter.counters().unwrap().since(&before);
            let host = verdict(&desk, &walk(&frame));
            let (action, as_what) = match host {
                Verdict::Keep { reason, .. } => (TestRun::REDIRECT, counter(reason)),
                Verdict::Filter(counter) => (TestRun::DROP, counter),
            };
            assert_eq!(run.action, action, "{name}: {host:?}, {counted:?}");
            assert_eq!((counted.seen(), counted.get(as_what)), (1, 1), "{name}: {host:?}");
            match (host, run.mark) {
                (Verdict::Keep { reason, .. }, Some(mark)) => {
                    assert_eq!((mark.reason(), mark.queue), (Some(reason), 0), "{name}");
                    assert!(clock::boot_ns() - mark.arrival_ns < 1_000_000_000, "{name}");
                }
                (Verdict::Filter(_), None) => {}
                (host, mark) => panic!("{name}: {host:?} and {mark:?}"),
            }
        }
    });
}

#[test]
fn a_repeated_run_is_marked_as_a_single_one_is() {
    wire::in_namespace(|| {
        let (filter, _desk, _socket) = told();
        let run = filter.test_run(&frames::udp(TARGET, STRANGER), 1000).expect("a run");
        assert_eq!(run.action, TestRun::REDIRECT);
        assert_eq!(run.mark.and_then(|mark| mark.reason()), Some(Reason::Endpoint));
        assert_eq!(filter.counters().unwrap().get(Counter::KeptEndpoint), 1000);
    });
}

#[test]
fn a_frame_kept_for_a_queue_without_a_socket_is_counted_as_lost() {
    wire::in_namespace(|| {
        let (filter, _desk, socket) = told();
        drop(socket);
        let run = filter.test_run(&frames::udp(TARGET, STRANGER), 1).expect("a run");
        assert_eq!(run.action, TestRun::DROP);
        let counters = filter.counters().unwrap();
        assert_eq!((counters.get(Counter::LostNoSocket), counters.kept()), (1, 0));
    });
}

#[test]
fn host_mode_passes_strangers_and_whatever_is_addressed_to_the_host() {
    wire::in_namespace(|| {
        let (mut filter, _desk, _socket) = told();
        filter.configure(Mode::Host);
        let own = Interface::open("lo").expect("lo").mac();
        let cases = [
            ("a stranger", frames::udp(STRANGER, "198.51.100.3:1"), TestRun::PASS),
            ("a target", frames::udp(TARGET, STRANGER), TestRun::REDIRECT),
            ("a target, to the host", frames::udp_to(own, TARGET, STRANGER), TestRun::PASS),
            ("a target, to all", frames::udp_to([0xff; 6], TARGET, STRANGER), TestRun::PASS),
        ];
        for (name, frame, action) in cases {
            assert_eq!(filter.test_run(&frame, 1).expect("a run").action, action, "{name}");
        }
        assert_eq!(filter.counters().unwrap().passed(), 3);
    });
}

#[test]
fn closed_endpoints_and_prefixes_are_filtered_again() {
    wire::in_namespace(|| {
        let (mut filter, _desk, _socket) = told();
        let media = frames::udp(TARGET, STRANGER);
        let under_prefix = frames::udp("203.0.113.77:1", STRANGER);
        let action = |filter: &Filter, frame: &[u8]| filter.test_run(frame, 1).unwrap().action;
        assert_eq!(action(&filter, &media), TestRun::REDIRECT);
        assert_eq!(action(&filter, &under_prefix), TestRun::REDIRECT);
        for _ in 0..2 {
            filter.close_endpoint(TARGET.parse().unwrap()).expect("closed");
            filter.close_prefix("203.0.113.64".parse().unwrap(), 27).expect("closed");
        }
        assert_eq!(action(&filter, &media), TestRun::DROP);
        assert_eq!(action(&filter, &under_prefix), TestRun::DROP);
    });
}

#[test]
fn a_prefix_within_a_wider_one_is_kept_while_either_is_open() {
    wire::in_namespace(|| {
        let (mut filter, _desk, _socket) = told();
        let inside = frames::udp("203.0.113.77:1", STRANGER);
        let action = |filter: &Filter| filter.test_run(&inside, 1).unwrap().action;
        filter.open_prefix("203.0.113.77".parse().unwrap(), 32, 1).expect("already over");
        assert_eq!(action(&filter), TestRun::REDIRECT, "the wider one is open");
        filter.close_prefix("203.0.113.64".parse().unwrap(), 27).expect("closed");
        assert_eq!(action(&filter), TestRun::DROP, "the narrower one is over");
        filter.open_prefix("203.0.113.0".parse().unwrap(), 24, u64::MAX).expect("opened");
        assert_eq!(action(&filter), TestRun::REDIRECT, "another wider one is open");
    });
}

#[test]
fn an_endpoint_takes_a_new_deadline_and_a_full_map_says_so() {
    wire::in_namespace(|| {
        let (mut filter, _desk, _socket) = told();
        let media = frames::udp(TARGET, STRANGER);
        let target: SocketAddr = TARGET.parse().unwrap();
        filter.open_endpoint(target, 1).expect("a deadline that has passed");
        assert_eq!(filter.test_run(&media, 1).unwrap().action, TestRun::DROP);
        filter.open_endpoint(target, u64::MAX).expect("a deadline to come");
        assert_eq!(filter.test_run(&media, 1).unwrap().action, TestRun::REDIRECT);

        let full = (0..64).find_map(|port| {
            filter.open_endpoint(SocketAddr::from(([198, 51, 100, 9], 1000 + port)), 1).err()
        });
        let full = full.expect("64 endpoints are the limit").to_string();
        assert_eq!(full, "all 64 media endpoints are open: start with a larger limit");
        filter.open_endpoint(target, u64::MAX).expect("one that is open needs no room");
    });
}

//! What does it cost on the host to walk a frame's headers, and to judge it?
//!
//! The same functions, compiled for BPF, are the XDP program; here they are measured without maps
//! in the kernel, without its clock, and over 256 frames in turn, with 1,000 endpoints open.

use std::collections::HashMap;
use std::hint::black_box;
use std::net::SocketAddr;

use calltap_bench::frame::{CUSTOMER_TAG, SERVICE_TAG, endpoint, over_ipv6, rtp, tagged, udp};
use calltap_ebpf::abi::{
    Address, Config, Counter, Deadline, Endpoint, FragmentKey, PORT_WORDS, PrefilterBits, Reason,
    port_bit,
};
use calltap_ebpf::headers::walk_ethernet;
use calltap_ebpf::verdict::{Maps, Verdict, verdict};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const FRAMES: u32 = 256;
const OPEN: u32 = 1_000;
const NOW_NS: u64 = 1;

/// The kernel's maps as ordinary memory.
struct Tables {
    ports: Vec<u64>,
    prefilter: Vec<u64>,
    endpoints: HashMap<Endpoint, Deadline>,
}

impl Tables {
    fn lay() -> Self {
        let mut ports = vec![0; PORT_WORDS as usize];
        let (word, bit) = port_bit(5060);
        ports[word as usize] |= bit;
        let mut tables = Self { ports, prefilter: vec![0; 4096], endpoints: HashMap::new() };
        let open = (0..OPEN).map(endpoint);
        for endpoint in open.flat_map(|it| [it, over_ipv6(it)]).map(Endpoint::from) {
            let PrefilterBits { word, bits } = PrefilterBits::of(&endpoint, tables.mask());
            tables.prefilter[word as usize] |= bits;
            tables.endpoints.insert(endpoint, Deadline { not_after_ns: NOW_NS });
        }
        tables
    }

    fn mask(&self) -> u32 {
        u32::try_from(self.prefilter.len() - 1).expect("4095")
    }
}

impl Maps for Tables {
    fn config(&self) -> Config {
        let prefilter_mask = self.mask();
        Config { prefilter_mask, signalling_not_after_ns: NOW_NS, ..Config::default() }
    }
    fn signalling_port(&self, port: u16) -> bool {
        let (word, bit) = port_bit(port);
        self.ports[word as usize] & bit != 0
    }
    fn prefilter(&self, endpoint: &Endpoint) -> bool {
        let PrefilterBits { word, bits } = PrefilterBits::of(endpoint, self.mask());
        self.prefilter[word as usize] & bits == bits
    }
    fn endpoint(&self, endpoint: &Endpoint) -> Option<Deadline> {
        self.endpoints.get(endpoint).copied()
    }
    fn prefix(&self, _: &Address) -> Option<Deadline> {
        None
    }
    fn stranger(&self, _: &FragmentKey) -> Option<u64> {
        None
    }
    fn remember_stranger(&self, _: &FragmentKey, _: u64) {}
    fn forget_stranger(&self, _: &FragmentKey) {}
    fn now(&self) -> u64 {
        NOW_NS
    }
}

/// A way of wrapping an RTP packet between two endpoints.
type Wrap = fn(SocketAddr, SocketAddr, &[u8]) -> Vec<u8>;

const WRAPS: [(&str, Wrap); 4] = [
    ("IPv4", udp),
    ("IPv6", |from, to, payload| udp(over_ipv6(from), over_ipv6(to), payload)),
    ("VLAN", |from, to, payload| tagged(CUSTOMER_TAG, &udp(from, to, payload))),
    ("QinQ", |from, to, payload| {
        tagged(SERVICE_TAG, &tagged(CUSTOMER_TAG, &udp(from, to, payload)))
    }),
];

/// Frames from endpoints that begin with number `first`, to a port of an endpoint that is not open.
fn frames(wrap: Wrap, first: u32, port: u16) -> Vec<Vec<u8>> {
    let to = |number: u32| SocketAddr::from(([198, 51, 100, (number % 250) as u8], port));
    (first..first + FRAMES).map(|it| wrap(endpoint(it), to(it), &rtp(it, 0))).collect()
}

fn headers(c: &mut Criterion) {
    let mut group = c.benchmark_group("headers");
    group.throughput(Throughput::Elements(1));
    for (name, wrap) in WRAPS {
        let frames = frames(wrap, 0, 6000);
        for frame in &frames {
            let ports = walk_ethernet(frame.as_slice()).expect("an IP packet").ports;
            assert_eq!(ports.expect("UDP").destination, 6000);
        }
        let mut turn = frames.iter().cycle();
        group.bench_function(name, |b| {
            b.iter(|| walk_ethernet(black_box(turn.next().expect("a frame").as_slice())));
        });
    }
    group.finish();
}

fn verdicts(c: &mut Criterion) {
    let tables = Tables::lay();
    let kept = |reason| Verdict::Keep { reason, at_ns: NOW_NS };
    let cases = [
        ("miss", 2 * OPEN, 6000, Verdict::Filter(Counter::FilteredNotTarget)),
        ("signalling", 2 * OPEN, 5060, kept(Reason::Signalling)),
        ("hit", 0, 6000, kept(Reason::Endpoint)),
    ];
    for (case, first, port, expected) in cases {
        let mut group = c.benchmark_group(format!("verdict/{case}"));
        group.throughput(Throughput::Elements(1));
        for (name, wrap) in WRAPS {
            let frames = frames(wrap, first, port);
            for frame in &frames {
                assert_eq!(verdict(&tables, &walk_ethernet(frame.as_slice())), expected);
            }
            let mut turn = frames.iter().cycle();
            group.bench_function(name, |b| {
                b.iter(|| {
                    let frame = black_box(turn.next().expect("a frame").as_slice());
                    verdict(&tables, &walk_ethernet(frame))
                });
            });
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = headers, verdicts
}
criterion_main!(benches);

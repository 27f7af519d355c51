//! What does the loaded program cost a frame, and does that grow with what is open?
//!
//! The kernel runs it (`BPF_PROG_TEST_RUN`) and times it by its own clock: the mean of the repeats,
//! cut to whole nanoseconds.
//! Nothing is subtracted: the kernel's loop around the program is in every figure.
//!
//! - `warm`: each of eight frames ten thousand times over. The caches and the branch predictor
//!   know the frame by then: this is the floor.
//! - `cold`: each of 4,096 frames once, with a system call between two. The two readings of the
//!   clock are in it, and weigh as much as the program; `idle` is what is left when the program
//!   does nothing, to be held against the others.
//!
//! An AF_XDP socket on the loopback interface makes the redirect real up to the point where the
//! kernel would queue the frame, which a test run does not do; the interface is that of a network
//! namespace of the bench's own, so that two benches do not fight over it.
//! The program takes back the metadata that a repeat finds of the run before; without that, the
//! area would be full after a few repeats, and the figure that of a refusal.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use calltap_bench::frame::{endpoint, rtp, udp};
use calltap_bench::{Random, in_namespace};
use calltap_xdp::{Filter, Geometry, Interface, LoadOptions, Reason, Socket, TestRun, clock};
use criterion::{Criterion, SamplingMode, Throughput, criterion_group};

/// As `calltap run` has it when no setting says otherwise.
const MAX_ENDPOINTS: u32 = 1 << 18;

const FRAMES: usize = 4_096;

/// Few, as the kernel sets up for some 20 ms whenever a run is to be repeated.
const WARM_FRAMES: usize = 8;
const WARM_REPEATS: u32 = 10_000;

/// What the program must make of every frame of a case.
#[derive(Clone, Copy)]
struct Expected {
    action: u32,
    reason: Option<Reason>,
}

const FILTERED: Expected = Expected { action: TestRun::DROP, reason: None };

const fn kept(reason: Reason) -> Expected {
    Expected { action: TestRun::REDIRECT, reason: Some(reason) }
}

/// The program with `open` endpoints, and `socket` for what it keeps.
fn filter(open: u32, socket: &Socket) -> Filter {
    let mut filter =
        Filter::load(LoadOptions { max_endpoints: MAX_ENDPOINTS, ..LoadOptions::default() })
            .expect("loaded");
    filter.register(socket).expect("a slot");
    let later = clock::boot_ns() + 3_600_000_000_000;
    filter.set_signalling_ports(&[5060]);
    filter.set_signalling_deadline(later);
    for number in 0..open {
        filter.open_endpoint(endpoint(number), later).expect("room for an endpoint");
    }
    filter
}

/// Frames of as many flows, each `from` somewhere to a stranger's `port`.
fn frames(mut from: impl FnMut(&mut Random) -> SocketAddr, port: Option<u16>) -> Vec<Vec<u8>> {
    let mut random = Random::default();
    let mut frame = |_| {
        let port = port.unwrap_or_else(|| 10_000 + random.below::<u16>(40_000));
        let to = SocketAddr::from(([198, 51, 100, 1 + random.below::<u8>(250)], port));
        udp(from(&mut random), to, &rtp(0, 0))
    };
    (0..FRAMES).map(&mut frame).collect()
}

fn stranger(random: &mut Random) -> SocketAddr {
    let host = 1 + random.below::<u8>(250);
    SocketAddr::from(([203, 0, 113, host], 10_000 + random.below::<u16>(40_000)))
}

/// Runs over all `frames` until there were `packets` runs, and gives the time of so many.
fn run(
    filter: &Filter,
    frames: &[Vec<u8>],
    repeat: u32,
    expected: Expected,
    packets: u64,
) -> Duration {
    let pass = frames.len() as u64 * u64::from(repeat);
    let passes = packets.div_ceil(pass);
    let mut total_ns = 0;
    for _ in 0..passes {
        for frame in frames {
            let run = filter.test_run(frame, repeat).expect("a run");
            assert_eq!(run.action, expected.action);
            assert_eq!(run.mark.and_then(|mark| mark.reason()), expected.reason);
            total_ns += u64::from(run.duration_ns) * u64::from(repeat);
        }
    }
    let runs = u128::from(passes * pass);
    let scaled = u128::from(total_ns) * u128::from(packets) / runs;
    Duration::from_nanos(u64::try_from(scaled).expect("less than centuries"))
}

fn program(c: &mut Criterion) {
    let loopback = Interface::open("lo").expect("a loopback interface");
    let socket = Socket::open(&loopback, 0, Geometry::default()).expect("an AF_XDP socket on lo");
    for (name, open) in [("0", 0), ("1k", 1_000), ("200k", 200_000)] {
        let mut filter = filter(open, &socket);
        let strangers = frames(stranger, None);
        measure(c, &filter, name, "miss", &strangers, FILTERED);
        let signalling = frames(stranger, Some(5060));
        measure(c, &filter, name, "signalling", &signalling, kept(Reason::Signalling));
        if open > 0 {
            let media = frames(|random| endpoint(random.below(open.into())), None);
            measure(c, &filter, name, "hit", &media, kept(Reason::Endpoint));
        } else {
            filter.set_signalling_deadline(0);
            measure(c, &filter, name, "idle", &strangers, FILTERED);
        }
    }
}

fn measure(
    c: &mut Criterion,
    filter: &Filter,
    open: &str,
    case: &str,
    frames: &[Vec<u8>],
    expected: Expected,
) {
    let mut group = c.benchmark_group(format!("filter/{open} endpoints/{case}"));
    group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(1));
    group.bench_function("cold", |b| {
        b.iter_custom(|packets| run(filter, frames, 1, expected, packets));
    });
    group.sample_size(10).measurement_time(Duration::from_secs(3));
    group.bench_function("warm", |b| {
        let frames = &frames[..WARM_FRAMES];
        b.iter_custom(|packets| run(filter, frames, WARM_REPEATS, expected, packets));
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = program
}

fn main() -> ExitCode {
    in_namespace("filter", "ip link set lo up", benches)
}

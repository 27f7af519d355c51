//! What does it cost to hold an open endpoint in the kernel's map against what was written there?
//!
//! Whole passes, with all that an inspection looks at besides, and nothing amiss; a piece is an
//! open endpoint, so the larger table is the one that tells.
//! The system calls of a pass are those of its steps: `strace -c` counts them.

use std::process::ExitCode;

use calltap_bench::frame::endpoint;
use calltap_bench::in_namespace;
use calltap_xdp::{Filter, LoadOptions, clock};
use criterion::{Criterion, Throughput, criterion_group};

/// As `calltap run` has it when no setting says otherwise.
const MAX_ENDPOINTS: u32 = 1 << 18;

fn inspection(c: &mut Criterion) {
    let mut group = c.benchmark_group("inspection/an open endpoint");
    for (name, open) in [("1k", 1_000), ("200k", 200_000)] {
        let options = LoadOptions { max_endpoints: MAX_ENDPOINTS, ..LoadOptions::default() };
        let mut filter = Filter::load(options).expect("loaded");
        let later = clock::boot_ns() + 3_600_000_000_000;
        for number in 0..open {
            filter.open_endpoint(endpoint(number), later).expect("room for an endpoint");
        }
        let mut found = Vec::new();
        group.throughput(Throughput::Elements(open.into()));
        group.bench_function(name, |b| {
            b.iter(|| while !filter.inspect(&mut found).expect("inspected") {});
        });
        assert_eq!(found, [], "nobody has written there but the bench");
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = inspection
}

fn main() -> ExitCode {
    in_namespace("inspection", "ip link set lo up", benches)
}

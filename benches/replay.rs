//! How many packets a second does a replay execute a warrant on, beside `tshark -w` on the same
//! file?
//!
//! Two calls in a hundred are the target's; a second of the file holds some 50 calls at once.
//! calltap reads the capture, follows every call, and leaves sealed and signed evidence on disk.
//! tshark is told what calltap has to find out, the address of the target's media, and writes the
//! same packets without proof of anything.

use std::fs;
use std::process::Command;

use calltap::capture::CaptureFile;
use calltap::cli::{Execution, Replay};
use calltap::{Outcome, replay};
use calltap_bench::capture::Capture;
use calltap_bench::desk::Desk;
use calltap_bench::measuring;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

fn calltap(desk: &Desk, capture: &Capture) {
    let evidence = desk.path("evidence");
    let (outcome, summary) = replay::execute(&Replay {
        inputs: vec![capture.path.clone()],
        warrants: vec![desk.path("warrant.toml")],
        execution: Execution {
            trust: desk.path("trust"),
            evidence: evidence.clone(),
            config: Some(desk.path("config.toml")),
            rotate: Vec::new(),
            json: false,
        },
    })
    .expect("a replay");
    assert_eq!(outcome, Outcome::Fine);
    let kept: u64 = summary.volumes.iter().map(|volume| volume.packets).sum();
    assert_eq!((summary.frames.seen, kept), (capture.packets, capture.wanted));
    fs::remove_dir_all(evidence).expect("the evidence");
}

fn tshark(desk: &Desk, capture: &Capture) {
    let out = desk.path("tshark.pcapng");
    let run = Command::new("tshark")
        .arg("-nr")
        .arg(&capture.path)
        .args(["-Y", &Capture::filter(), "-w"])
        .arg(&out)
        .output()
        .expect("tshark");
    assert!(run.status.success(), "tshark: {}", String::from_utf8_lossy(&run.stderr));
    let mut written = CaptureFile::open(&out).expect("what tshark wrote");
    let mut kept = 0;
    while written.next_frame().expect("a frame").is_some() {
        kept += 1;
    }
    assert_eq!(kept, capture.wanted);
}

fn end_to_end(c: &mut Criterion) {
    let desk = Desk::lay();
    // 251,500 frames, or 5,150.
    let (calls, said) = if measuring() { (250, 500) } else { (50, 50) };
    let capture = Capture::make(desk.path("calls.pcap"), calls, said);
    let mut group = c.benchmark_group("replay");
    let Capture { packets: elements, bytes, .. } = capture;
    group.sampling_mode(SamplingMode::Flat).sample_size(10);
    group.throughput(Throughput::ElementsAndBytes { elements, bytes });
    group.bench_function("calltap", |b| b.iter(|| calltap(&desk, &capture)));
    if Command::new("tshark").arg("--version").output().is_ok() {
        group.bench_function("tshark -w", |b| b.iter(|| tshark(&desk, &capture)));
    } else {
        println!("replay/tshark -w: skipped, as tshark is not installed (scripts/setup)");
    }
    group.finish();
}

criterion_group! {
    name = benches;
    config = calltap_bench::criterion();
    targets = end_to_end
}
criterion_main!(benches);

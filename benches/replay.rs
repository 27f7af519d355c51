//! How many packets a second does a replay execute a warrant on, beside `tshark -w` on the same
//! file?
//!
//! Two calls in a hundred are the target's; a second of the file holds some 50 calls at once.
//! calltap reads the capture, follows every call, and leaves sealed and signed evidence on disk.
//! tshark is told what calltap has to find out, the address of the target's media, and writes the
//! same packets without proof of anything.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use calltap::capture::CaptureFile;
use calltap::cli::{Execution, Replay};
use calltap::{Outcome, replay};
use calltap_bench::call::{Call, TARGET, TARGET_ADDRESS};
use calltap_bench::desk::Desk;
use calltap_bench::measuring;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};

const START_NS: u64 = 1_700_000_000_000_000_000;

/// Between the beginnings of two calls.
const SPACING_NS: u64 = 200_000_000;

/// A capture on the desk.
struct Capture {
    path: PathBuf,
    packets: u64,
    bytes: u64,
    /// Packets of the target's calls.
    wanted: u64,
}

impl Capture {
    fn make(path: PathBuf) -> Self {
        // Calls, and packets that each side says in one: 251,500 frames, or 5,150.
        let (calls, said) = if measuring() { (250, 500) } else { (50, 50) };
        let per_call = 6 + 2 * u64::from(said);
        let (mut frames, mut wanted) = (Vec::new(), 0);
        for number in 0..calls {
            let of_target = number % 50 == 25;
            wanted += if of_target { per_call } else { 0 };
            let call = if of_target { Call::of_target(number) } else { Call::of_stranger(number) };
            frames.append(&mut call.frames(START_NS + u64::from(number) * SPACING_NS, said));
        }
        frames.sort_by_key(|(at_ns, _)| *at_ns);
        write_pcap(&path, &frames).expect("room for a capture");
        let bytes = fs::metadata(&path).expect("the capture").len();
        Self { path, packets: frames.len() as u64, bytes, wanted }
    }
}

/// Writes a pcap file of Ethernet frames with nanoseconds (draft-ietf-opsawg-pcap).
fn write_pcap(path: &Path, frames: &[(u64, Vec<u8>)]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let [major_minor, snap_length, ethernet] = [4 << 16 | 2, 65_535, 1];
    for word in [0xa1b2_3c4d_u32, major_minor, 0, 0, snap_length, ethernet] {
        file.write_all(&word.to_le_bytes())?;
    }
    for (at_ns, frame) in frames {
        let length = frame.len() as u64;
        for word in [at_ns / 1_000_000_000, at_ns % 1_000_000_000, length, length] {
            file.write_all(&u32::try_from(word).expect("before 2106").to_le_bytes())?;
        }
        file.write_all(frame)?;
    }
    file.flush()
}

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
    let filter = format!(
        "sip.from.user == \"{TARGET}\" || sip.to.user == \"{TARGET}\" \
         || (rtp && ip.addr == {TARGET_ADDRESS})"
    );
    let run = Command::new("tshark")
        .arg("-nr")
        .arg(&capture.path)
        .args(["-Y", &filter, "-w"])
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
    let capture = Capture::make(desk.path("calls.pcap"));
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

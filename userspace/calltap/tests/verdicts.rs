//! The loaded program and the host's verdict agree on every frame of captures that nobody here made.
//!
//! Loading needs root, and `CALLTAP_CORPUS` names the captures; without either this says so and
//! passes.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use calltap::capture::CaptureFile;
use calltap_ebpf::abi::{Address, Config, Deadline, Endpoint, FragmentKey};
use calltap_ebpf::verdict::{Maps, Verdict, verdict};
use calltap_proto::packet::{self, LinkType};
use calltap_xdp::{
    Filter, Geometry, Interface, LoadOptions, Socket, TestRun, clock, missing_capabilities,
};

/// Set where the network namespace is the test's own.
const INSIDE: &str = "CALLTAP_TEST_NAMESPACE";

/// The host's maps: what the filter was told, in ordinary collections.
struct Desk {
    not_after_ns: u64,
    endpoints: HashSet<Endpoint>,
    strangers: RefCell<HashMap<FragmentKey, u64>>,
}

impl Maps for Desk {
    fn config(&self) -> Config {
        Config { signalling_not_after_ns: self.not_after_ns, ..Config::default() }
    }
    fn signalling_port(&self, port: u16) -> bool {
        port == 5060
    }
    fn prefilter(&self, _: &Endpoint) -> bool {
        true
    }
    fn endpoint(&self, endpoint: &Endpoint) -> Option<Deadline> {
        let deadline = Deadline { not_after_ns: self.not_after_ns };
        self.endpoints.contains(endpoint).then_some(deadline)
    }
    fn prefix(&self, _: &Address) -> Option<Deadline> {
        None
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

#[test]
fn kernel_and_host_agree_on_every_frame_of_the_corpus() {
    let Some(corpus) = std::env::var_os("CALLTAP_CORPUS").map(PathBuf::from) else {
        println!("SKIPPED: CALLTAP_CORPUS names no folder of captures");
        return;
    };
    let missing = missing_capabilities();
    if !missing.is_empty() {
        println!("SKIPPED: loading the program needs {}", missing.join(", "));
        return;
    }
    if std::env::var_os(INSIDE).is_none() {
        // A test run is of the loopback interface, which others use too.
        let name = "kernel_and_host_agree_on_every_frame_of_the_corpus";
        let itself = std::env::current_exe().unwrap();
        let lay = "ip link set lo up && exec \"$@\"";
        let mut inside = Command::new("unshare");
        inside.args(["--net", "sh", "-c", lay, "sh"]).arg(itself).args(["--exact", name]);
        assert!(inside.args(["--nocapture"]).env(INSIDE, "yes").status().unwrap().success());
        return;
    }
    let loopback = Interface::open("lo").unwrap();
    let socket = Socket::open(&loopback, 0, Geometry::default()).unwrap();
    let (mut compared, mut kept) = (0, 0);
    for capture in captures(&corpus) {
        let (frames, keeps) = compare(&capture, &socket);
        compared += frames;
        kept += keeps;
    }
    println!("{compared} frames compared, {kept} of them kept");
    assert!(compared > 20_000 && kept > 2_000, "{compared}, {kept}");
}

/// How many frames of a capture were compared, and kept.
fn compare(capture: &Path, socket: &Socket) -> (u64, u64) {
    let frames = frames(capture);
    let not_after_ns = clock::boot_ns() + 3_600_000_000_000;
    let mut filter = Filter::load(LoadOptions::default()).unwrap();
    filter.register(socket).unwrap();
    filter.set_signalling_ports(&[5060]);
    filter.set_signalling_deadline(not_after_ns);
    let mut desk = Desk { not_after_ns, endpoints: HashSet::new(), strangers: RefCell::default() };
    // Every third end of a datagram is one that somebody listens to.
    let ends: BTreeSet<SocketAddr> = frames
        .iter()
        .filter_map(|frame| packet::parse(LinkType::Ethernet, frame).ok())
        .map(|packet| packet.endpoints().1)
        .collect();
    for end in ends.into_iter().step_by(3) {
        filter.open_endpoint(end, not_after_ns).unwrap();
        desk.endpoints.insert(end.into());
    }
    let (mut compared, mut kept) = (0, 0);
    for (number, frame) in frames.iter().enumerate() {
        let host = verdict(&desk, &packet::walk(LinkType::Ethernet, frame));
        let run = filter.test_run(frame, 1).unwrap();
        let (action, reason) = match host {
            Verdict::Keep { reason, .. } => (TestRun::REDIRECT, Some(reason)),
            Verdict::Filter(_) => (TestRun::DROP, None),
        };
        let kernel = (run.action, run.mark.and_then(|mark| mark.reason()));
        assert_eq!(kernel, (action, reason), "{}, frame {}", capture.display(), number + 1);
        compared += 1;
        kept += u64::from(reason.is_some());
    }
    (compared, kept)
}

/// The Ethernet frames that a test run takes: whole headers, and no more than a page.
fn frames(capture: &Path) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let Ok(mut file) = CaptureFile::open(capture) else { return frames };
    while let Ok(Some(frame)) = file.next_frame() {
        if frame.link_type == 1 && (14..3_500).contains(&frame.bytes.len()) {
            frames.push(frame.bytes.to_vec());
        }
    }
    frames
}

/// Every file of the corpus that is offered as a capture.
fn captures(corpus: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![corpus.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.retain(|path| path.to_string_lossy().contains("pcap"));
    files.sort();
    files
}

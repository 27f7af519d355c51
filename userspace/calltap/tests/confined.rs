//! What the running program may still do, seen from the outside.
//!
//! The tests of `run` need root; without it they say so and pass.

mod capture;
mod desk;

use std::fs;
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use calltap::config::Required;
use calltap::confine::{Confinement, Places, Work};
use calltap::lab::{CallPlan, Lab};
use capture::{Capture, conserved, laid, lost};
use desk::{Desk, EVER, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

/// What the target is called; no log, audit, command line or environment may hold it.
const CANARIES: [&str; 2] = ["alice", "example.net"];

fn start(desk: &Desk, lab: &Lab) -> Capture {
    let mut command = lab.command_in_tap(env!("CARGO_BIN_EXE_calltap"));
    command.env("RUST_LOG", "trace");
    Capture::start(desk, command, lab.tap_interface(), &[])
}

/// The threads of a process, each with what its status says under `name`.
fn statuses(process: u32, name: &str) -> Vec<String> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let status =
        threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")).unwrap());
    let of = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().trim().to_owned()
    };
    status.map(of).collect()
}

#[test]
fn a_running_capture_has_no_capability_in_any_thread() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("CONFINED", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    let none = "0000000000000000";
    for (name, value) in [
        ("CapInh", none),
        ("CapPrm", none),
        ("CapEff", none),
        ("CapBnd", none),
        ("CapAmb", none),
        ("NoNewPrivs", "1"),
        ("Seccomp", "2"),
    ] {
        let found = statuses(capture.id(), name);
        assert!(found.len() >= 6, "{found:?}");
        assert!(found.iter().all(|it| it == value), "{name}: {found:?}");
    }
    // And captures all the same.
    let calls = lab.place_calls(&CallPlan { seconds: 1, ..CallPlan::default() }).unwrap();
    let sent = lab.mirrored().unwrap().sent;
    let (code, found, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    conserved(&found, sent);
    assert_eq!(lost(&found), 0);
    assert_eq!(found["calls"].as_array().unwrap().len(), calls.target_calls as usize);
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    let confined = audit.lines().find(|line| line.contains("\"event\":\"confined\"")).unwrap();
    let confined: Value = serde_json::from_str(confined).unwrap();
    assert_eq!(confined["details"]["capabilities"], "none");
}

/// The id of the first link of this process.
fn link(process: u32) -> Option<String> {
    let infos = fs::read_dir(format!("/proc/{process}/fdinfo")).unwrap().flatten();
    let mut infos = infos.map(|info| fs::read_to_string(info.path()).unwrap_or_default());
    infos.find_map(|info| {
        info.lines().find_map(|line| Some(line.strip_prefix("link_id:")?.trim().to_owned()))
    })
}

#[test]
fn a_program_taken_off_is_attached_again_without_a_capability() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("ATHENS", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    let Some(id) = link(capture.id()) else { panic!("no link") };
    let Ok(taken) = Command::new("bpftool").args(["link", "detach", "id", &id]).output() else {
        println!("SKIPPED: there is no bpftool");
        return;
    };
    assert!(taken.status.success(), "{}", words(&taken));
    sleep(Duration::from_secs(1));
    let shown = words(&lab.command_in_tap("ip").args(["-d", "link"]).output().unwrap());
    assert!(shown.contains("prog/xdp"), "{shown}");
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(audit.contains("program-detached"), "{audit}");
}

#[test]
fn what_runs_names_nobody_in_its_log_its_audit_its_command_line_or_its_environment() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("CANARY", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    lab.place_calls(&CallPlan { seconds: 1, ..CallPlan::default() }).unwrap();
    let of = |name: &str| {
        let bytes = fs::read(format!("/proc/{}/{name}", capture.id())).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut texts = vec![of("cmdline"), of("environ"), of("comm")];
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("CANARY") || log.contains("capturing"), "{log}");
    texts.extend([log, fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap()]);
    for (text, name) in texts.iter().flat_map(|text| CANARIES.map(|name| (text, name))) {
        assert!(!text.contains(name), "{name} is in {text}");
    }
}

/// An operator moves a warrant's directory to a place of his own and leaves a link to it: what the
/// program opens from then on would lie there.
#[test]
fn a_link_in_a_directorys_place_leads_no_write_out_of_the_evidence() {
    let Some(lab) = laid() else { return };
    let desk = Desk::new();
    desk.warrant("LINKED", &[ALICE], EVER);
    let capture = start(&desk, &lab);
    let outside = desk.path("outside");
    fs::rename(desk.path("evidence/LINKED"), &outside).unwrap();
    symlink(&outside, desk.path("evidence/LINKED")).unwrap();
    let before = desk.files("outside");
    let checkpoint = fs::read(outside.join("checkpoint.json")).unwrap();
    lab.place_calls(&CallPlan { seconds: 1, ..CallPlan::default() }).unwrap();
    let (code, _, log) = capture.end("-INT");
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("LINKED: stopped"), "{log}");
    assert_eq!(desk.files("outside"), before);
    assert_eq!(fs::read(outside.join("checkpoint.json")).unwrap(), checkpoint);
}

#[test]
fn a_confined_thread_reaches_its_places_and_nothing_else() {
    let desk = Desk::new();
    let (inside, outside) = (desk.path("inside"), desk.path("outside"));
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let confined = move || {
        let places = Places::default().writing(&inside).unwrap();
        Confinement::to(Work::Files, &places, Required::Offered).unwrap();
        fs::write(inside.join("kept"), "kept").unwrap();
        fs::rename(inside.join("kept"), inside.join("sealed")).unwrap();
        assert_eq!(fs::read(inside.join("sealed")).unwrap(), b"kept");

        let refused = |what: &str, done: std::io::Result<()>| {
            assert_eq!(done.expect_err(what).kind(), ErrorKind::PermissionDenied, "{what}");
        };
        refused("a file made", fs::write(outside.join("made"), ""));
        refused("a file read", fs::read(outside.join("secret")).map(drop));
        refused("a file moved out", fs::rename(inside.join("sealed"), outside.join("sealed")));
        refused("a system file", fs::read("/etc/hostname").map(drop));
        refused("a connection", TcpStream::connect(address).map(drop));
        refused("a socket", UdpSocket::bind("127.0.0.1:0").map(drop));
        // The child is ended as it asks for another program.
        match Command::new("/bin/true").status() {
            Ok(status) => assert_eq!(status.signal(), Some(31), "{status}"),
            Err(cause) => println!("no child at all: {cause}"),
        }
    };
    std::thread::spawn(confined).join().unwrap();
    assert_eq!(desk.files("outside").len(), 1);
}

#[test]
fn the_thread_that_tells_how_a_capture_stands_answers_and_opens_nothing() {
    let desk = Desk::new();
    let (inside, outside) = (desk.path("inside"), desk.path("outside"));
    for place in [&inside, &outside] {
        fs::create_dir(place).unwrap();
        fs::write(place.join("file"), "file").unwrap();
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let confined = move || {
        let places = Places::default().reading([&inside]);
        Confinement::to(Work::Watch, &places, Required::Offered).unwrap();
        let (mut asker, _) = listener.accept().unwrap();
        std::io::Write::write_all(&mut asker, b"answered").unwrap();
        assert_eq!(fs::read(inside.join("file")).unwrap(), b"file");

        let refused = |what: &str, done: std::io::Result<()>| {
            assert_eq!(done.expect_err(what).kind(), ErrorKind::PermissionDenied, "{what}");
        };
        refused("a file written", fs::write(inside.join("file"), ""));
        refused("a file made", fs::write(inside.join("made"), ""));
        refused("a file removed", fs::remove_file(inside.join("file")));
        refused("a file read", fs::read(outside.join("file")).map(drop));
        refused("a socket", UdpSocket::bind("127.0.0.1:0").map(drop));
        refused("a pair", std::os::unix::net::UnixStream::pair().map(drop));
        refused(
            "the kernel asked",
            calltap_xdp::Interface::open("lo")
                .map(drop)
                .map_err(|_| ErrorKind::PermissionDenied.into()),
        );
    };
    let thread = std::thread::spawn(confined);
    let mut answer = String::new();
    let mut stream = TcpStream::connect(address).unwrap();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    thread.join().unwrap();
    assert_eq!(answer, "answered");
}

/// Whether `command`, which may dump a core of any size into its directory, does so when it is ended
/// by SIGABRT after `started` says that it has begun.
fn dumps_core(mut command: Command, started: impl Fn(&mut Child) -> bool) -> bool {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !started(&mut child) && begun.elapsed() < Duration::from_secs(20) {
        sleep(Duration::from_millis(10));
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-ABRT", &id]).status().unwrap().success());
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(6), "{status}");
    status.core_dumped()
}

#[test]
fn no_core_is_dumped_of_what_holds_keys_and_identities() {
    let desk = Desk::new();
    let warrant = desk.warrant("CORE", &[ALICE], EVER);
    let unlimited = |program: &Path| {
        let mut command = Command::new("sh");
        desk.at_desk(&mut command);
        command.arg("-c").arg("ulimit -c unlimited 2>/dev/null; exec \"$0\" \"$@\"").arg(program);
        command
    };
    let mut control = unlimited(Path::new("/bin/sleep"));
    control.arg("20");
    let pause = |_: &mut Child| {
        sleep(Duration::from_millis(200));
        true
    };
    if !dumps_core(control, pause) {
        println!("SKIPPED: no core of any program is dumped here");
        return;
    }
    // A replay that waits for its input: a pipe that nobody writes to.
    let made = Command::new("mkfifo").arg(desk.path("pipe")).status().unwrap();
    assert!(made.success());
    let mut replay = unlimited(Path::new(env!("CARGO_BIN_EXE_calltap")));
    replay.args(["replay", "pipe", "--warrant", &warrant, "--trust", "trust"]);
    replay.args(["--evidence", "evidence"]);
    assert!(!dumps_core(replay, pause));
    assert!(desk.files(".").iter().all(|path| {
        !path.file_name().unwrap().to_string_lossy().starts_with("core")
            || !fs::read(path).unwrap().windows(5).any(|part| part == b"alice")
    }));
}

//! What becomes of evidence when the program is killed in the middle of its work.
//!
//! `calltap replay` reads from a pipe, which is fed in real time: so it is known when each packet
//! was given to it, and a packet's bytes say which one it is.

mod desk;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, Command, Stdio};
use std::thread::{self, sleep};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use desk::{Desk, EVER, words};
use serde_json::Value;

const ALICE: &str = "sip:alice@example.net";

/// Packets are handed to the system at least every half second; the other half is the pipe's and
/// the scheduler's.
const HORIZON: Duration = Duration::from_secs(1);

/// Packets a second, of 160 bytes of voice each.
const PACE: u64 = 2000;

/// A pcap file in nanoseconds that is written as it is read.
struct Feed {
    into: BufWriter<ChildStdin>,
    round: u64,
}

impl Feed {
    fn begin(into: ChildStdin, round: u64) -> io::Result<Self> {
        let mut into = BufWriter::new(into);
        for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 65_535, 1_u32] {
            into.write_all(&word.to_le_bytes())?;
        }
        let mut feed = Self { into, round };
        let body = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n\
                    m=audio 20000 RTP/AVP 0\r\n";
        let message = |start: &str, sdp: &str| {
            format!(
                "{start}\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{round}\r\n\
                 From: <{ALICE}>;tag=a\r\nTo: <sip:bob@example.net>;tag=b\r\n\
                 Call-ID: call-{round}@example.net\r\nCSeq: 1 INVITE\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}",
                sdp.len()
            )
        };
        let answer = body.replace("192.0.2.1", "192.0.2.2").replace("20000", "30000");
        let invite = message("INVITE sip:bob@example.net SIP/2.0", body);
        feed.packet([1, 2], [5060, 5060], invite.as_bytes())?;
        feed.packet([2, 1], [5060, 5060], message("SIP/2.0 200 OK", &answer).as_bytes())?;
        Ok(feed)
    }

    /// The `n`th packet of voice.
    fn voice(&mut self, n: u64) -> io::Result<()> {
        let mut payload = vec![0x80, 0];
        payload.extend(u16::try_from(n % 65_536).unwrap().to_be_bytes());
        payload.extend(u32::try_from(n * 160).unwrap().to_be_bytes());
        payload.extend([0, 0, 0, 7]);
        payload.extend(marker(self.round, n).as_bytes());
        payload.resize(12 + 160, 0xd5);
        self.packet([1, 2], [20_000, 30_000], &payload)
    }

    fn packet(&mut self, hosts: [u8; 2], ports: [u16; 2], payload: &[u8]) -> io::Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
        frame.extend((length + 28).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
        hosts.iter().for_each(|host| frame.extend([192, 0, 2, *host]));
        for field in [ports[0], ports[1], length + 8, 0] {
            frame.extend(field.to_be_bytes());
        }
        frame.extend(payload);
        let length = u32::try_from(frame.len()).unwrap();
        for word in [u32::try_from(now.as_secs()).unwrap(), now.subsec_nanos(), length, length] {
            self.into.write_all(&word.to_le_bytes())?;
        }
        self.into.write_all(&frame)?;
        self.into.flush()
    }
}

/// What a packet is known by in the evidence.
fn marker(round: u64, n: u64) -> String {
    format!("[{round:06}:{n:08}]")
}

fn replay(desk: &Desk, before: &[&str]) -> Command {
    let mut command = match before {
        [] => desk.command(),
        [program, arguments @ ..] => {
            let mut command = Command::new(program);
            desk.at_desk(&mut command);
            command.args(arguments).arg(env!("CARGO_BIN_EXE_calltap"));
            command
        }
    };
    command.args(["replay", "/dev/stdin", "--warrant", "warrants/CRASH.toml", "--trust", "trust"]);
    command.args(["--evidence", "evidence", "--json", "-b", "filesize:100"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What `calltap verify` says.
fn state(desk: &Desk) -> (String, Value) {
    let output = desk.run(&["verify", "evidence", "--trust", "trust", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (report["state"].as_str().unwrap_or("none").to_owned(), report)
}

#[test]
fn nothing_older_than_a_flush_interval_is_lost_to_any_kill() {
    let desk = Desk::new();
    desk.warrant("CRASH", &[ALICE], EVER);
    let owed = killed(&desk);
    assert_kept(&owed, &desk.volumes("evidence"));
}

#[test]
fn nothing_older_than_a_flush_interval_is_lost_to_any_kill_where_it_is_sealed() {
    let desk = Desk::new();
    desk.sealed_warrant("CRASH", &[ALICE]);
    let owed = killed(&desk);
    desk.fine(&["evidence", "open", "--identity", "identity", "--out", "opened", "evidence"]);
    assert_kept(&owed, &desk.volumes("opened"));
    for path in desk.files("evidence").iter().filter(|path| !path.ends_with("warrant.toml")) {
        let bytes = fs::read(path).unwrap();
        let marked = bytes.windows(8).any(|it| it == b"[000001:" || it == b"INVITE s");
        assert!(!marked, "{} can be read", path.display());
    }
    let calls = fs::read_to_string(desk.path("opened/CRASH_calls.jsonl")).unwrap();
    assert!(calls.contains(ALICE), "{calls}");
}

/// Whether every packet that is owed is in the volumes.
fn assert_kept(owed: &BTreeSet<String>, volumes: &[PathBuf]) {
    let mut kept = BTreeSet::new();
    for volume in volumes {
        let bytes = fs::read(volume).unwrap();
        kept.extend(bytes.windows(17).filter_map(|bytes| match bytes {
            [b'[', .., b']'] => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }));
    }
    let missing: Vec<_> = owed.difference(&kept).collect();
    assert!(missing.is_empty(), "{} of {}: {missing:?}", missing.len(), owed.len());
    println!("{} packets owed, {} kept", owed.len(), kept.len());
}

/// Kills the program at any moment, again and again; gives the packets that are owed.
fn killed(desk: &Desk) -> BTreeSet<String> {
    let rounds = env::var("CALLTAP_CASES").map_or(6, |cases| cases.parse().unwrap());
    let (mut owed, mut interrupted) = (BTreeSet::new(), 0);
    for round in 0..rounds {
        let mut run = replay(desk, &[]).stderr(Stdio::null()).spawn().unwrap();
        let stdin = run.stdin.take().unwrap();
        // From the first breath to several volumes: in no order, and the same every time.
        let life = Duration::from_millis(round * 7919 % 2500);
        let begun = Instant::now();
        let feeder = thread::spawn(move || {
            let mut given = Vec::new();
            let Ok(mut feed) = Feed::begin(stdin, round) else { return given };
            for n in 0.. {
                let due = Duration::from_micros(n * 1_000_000 / PACE);
                sleep(due.saturating_sub(begun.elapsed()));
                if feed.voice(n).is_err() {
                    break;
                }
                given.push((n, Instant::now()));
            }
            given
        });
        sleep(life);
        let killed = Instant::now();
        run.kill().unwrap();
        run.wait().unwrap();
        let given = feeder.join().unwrap().into_iter();
        let older = given.filter(|(_, at)| *at + HORIZON <= killed);
        owed.extend(older.map(|(n, _)| marker(round, n)));
        let (state, report) = state(desk);
        interrupted += u64::from(state == "interrupted");
        assert!(["none", "whole", "interrupted"].contains(&state.as_str()), "{round}: {report}");
    }
    let mut run = replay(desk, &[]).spawn().unwrap();
    Feed::begin(run.stdin.take().unwrap(), rounds).unwrap().voice(0).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output));
    let (state, report) = state(desk);
    assert_eq!(state, "whole", "{report}");
    assert!(owed.len() as u64 > rounds * 500, "{}", owed.len());
    // No session begins before the break of the one before it is written down.
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    let mut open = false;
    for line in audit.lines() {
        if line.contains(r#""event":"session-started""#) {
            assert!(!open, "a break that is not recorded: {line}");
            open = true;
        } else if line.contains(r#""event":"session-stopped""#)
            || line.contains("the last session was not ended")
        {
            open = false;
        }
    }
    println!("{rounds} kills, {interrupted} in a session");
    owed
}

#[test]
fn a_clock_set_by_a_day_between_sessions_breaks_nothing() {
    if Command::new("faketime").arg("--help").output().is_err() {
        println!("SKIPPED: there is no faketime");
        return;
    }
    let desk = Desk::new();
    desk.warrant("CRASH", &[ALICE], EVER);
    for (round, clock) in (0..).zip(["+0d", "-1d", "+1d", "+0d"]) {
        let mut run = replay(&desk, &["faketime", "-f", clock]).spawn().unwrap();
        Feed::begin(run.stdin.take().unwrap(), round).unwrap().voice(1).unwrap();
        let output = run.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{clock}: {}", words(&output));
        let (state, report) = state(&desk);
        assert_eq!(state, "whole", "{clock}: {report}");
    }
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    let days: BTreeSet<_> = audit
        .lines()
        .map(|line| line.split("\"at\":\"").nth(1).unwrap()[..10].to_owned())
        .collect();
    assert_eq!(days.len(), 3, "the clock was set: {days:?}");
}

#[test]
fn a_second_writer_to_the_same_evidence_is_refused_by_name_and_the_first_goes_on() {
    let desk = Desk::new();
    desk.warrant("CRASH", &[ALICE], EVER);
    let mut first = replay(&desk, &[]).spawn().unwrap();
    let mut feed = Feed::begin(first.stdin.take().unwrap(), 0).unwrap();
    while state(&desk).0 != "open" {
        sleep(Duration::from_millis(20));
    }
    let mut second = replay(&desk, &[]).spawn().unwrap();
    Feed::begin(second.stdin.take().unwrap(), 1).unwrap();
    let second = second.wait_with_output().unwrap();
    assert_eq!(second.status.code(), Some(2), "{}", words(&second));
    assert!(words(&second).contains("another calltap writes here"), "{}", words(&second));
    feed.voice(0).unwrap();
    drop(feed);
    let first = first.wait_with_output().unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", words(&first));
    assert_eq!(state(&desk).0, "whole");
}

/// What the real program makes of a system call that fails, as `strace -e inject=` puts it.
fn failing(call: &str) -> Option<(Desk, Value, String)> {
    if Command::new("strace").arg("-V").output().is_err() {
        println!("SKIPPED: there is no strace");
        return None;
    }
    let desk = Desk::new();
    desk.warrant("CRASH", &[ALICE], EVER);
    let inject = format!("inject={call}");
    let mut run =
        replay(&desk, &["strace", "-f", "-qq", "-o", "strace.log", "-e", &inject]).spawn().unwrap();
    let mut feed = Feed::begin(run.stdin.take().unwrap(), 0).unwrap();
    for n in 0..2000 {
        feed.voice(n).unwrap();
        sleep(Duration::from_millis(1));
    }
    drop(feed);
    let output = run.wait_with_output().unwrap();
    let said = words(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    Some((desk, serde_json::from_slice(&output.stdout).unwrap(), said))
}

/// A disk that takes a few writes of a volume and then no more, for this reason: the warrant is
/// stopped, loudly; what was written is sealed, what was not is counted; and all of it verifies.
fn a_disk_that_fails(errno: &str, words: &str) {
    let Some((desk, found, said)) = failing(&format!("pwrite64:error={errno}:when=4+")) else {
        return;
    };
    assert!(said.contains("LIID CRASH: stopped") && said.contains(words), "{said}");
    let frames = &found["frames"];
    assert!(frames["lost"]["disk"].as_u64().unwrap() > 0, "{found}");
    let kept: u64 = desk::sum(&found["volumes"], "packets");
    assert_eq!(
        frames["delivered"].as_u64().unwrap(),
        kept,
        "what is in no volume is lost: {found}"
    );
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(audit.contains(r#""event":"evidence-failed""#) && audit.contains(words), "{audit}");
    let (state, report) = state(&desk);
    assert_eq!(state, "whole", "{report}");
}

#[test]
fn a_full_disk_stops_the_warrant_and_what_is_lost_is_counted() {
    a_disk_that_fails("ENOSPC", "No space left on device");
}

#[test]
fn a_disk_with_an_error_stops_the_warrant_and_what_is_lost_is_counted() {
    a_disk_that_fails("EIO", "Input/output error");
}

#[test]
fn a_disk_that_turned_read_only_stops_the_warrant_and_what_is_lost_is_counted() {
    a_disk_that_fails("EROFS", "Read-only file system");
}

#[test]
fn a_disk_that_does_not_keep_what_it_took_is_told_and_audited() {
    let Some((desk, _, said)) = failing("syncfs:error=EIO:when=1") else { return };
    assert!(said.contains("did not reach the disk: Input/output error"), "{said}");
    let audit = fs::read_to_string(desk.path("evidence/audit.jsonl")).unwrap();
    assert!(audit.contains(r#""event":"sync-failed""#), "{audit}");
    assert_eq!(state(&desk).0, "whole", "nothing is missing yet");
}

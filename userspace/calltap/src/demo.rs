//! `calltap demo`: the main job in one command, with nothing prepared.
//!
//! With the privilege for it, a real call on a network of namespaces; without, a capture of such
//! calls that comes with the program.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::lab::{self, CallPlan, Lab};
use crate::{Outcome, cli, drafting};

/// Calls that [`Lab`] placed, the target's among strangers': what the demo replays where it cannot
/// lay a lab.
const CAPTURE: &[u8] = include_bytes!("../../../pcaps/calls.pcapng");

/// When that capture was made, and a window around it.
const CAPTURE_WINDOW: (&str, &str) = ("2026-01-01T00:00:00Z", "2027-12-31T23:59:59Z");

/// The target of every demo.
const TARGET: &str = "sip:alice@example.net";

/// How long `run` may take until it captures.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs the demo.
///
/// # Errors
/// A step failed; says which.
pub fn demo(arguments: &cli::Demo) -> anyhow::Result<Outcome> {
    let default = || std::env::temp_dir().join(format!("calltap-demo-{}", std::process::id()));
    let dir = arguments.out.clone().unwrap_or_else(default);
    if dir.exists() {
        bail!("{} exists: choose a new directory for the demo", dir.display());
    }
    fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    // The state directory goes to the program by its environment, which takes absolute paths alone.
    let dir = dir.canonicalize()?;
    let mut missing = lab::missing();
    missing.extend(calltap_xdp::missing_capabilities().iter().map(|name| format!("no {name}")));
    let result = if missing.is_empty() {
        wire(&Stage::set(&dir, &live_window()?)?)?
    } else {
        println!("A lab is not possible here:");
        missing.iter().for_each(|what| println!("  {what}"));
        println!("so a capture of such calls is replayed instead.\n");
        let window = (CAPTURE_WINDOW.0.to_owned(), CAPTURE_WINDOW.1.to_owned());
        replay(&Stage::set(&dir, &window)?)?
    };
    report(&dir, &result)
}

/// Keys, trust and a signed warrant for the target.
struct Stage {
    trust: PathBuf,
    warrants: PathBuf,
    evidence: PathBuf,
    /// The node's key is the demo's own, too.
    state: PathBuf,
    dir: PathBuf,
}

impl Stage {
    fn set(dir: &Path, (not_before, not_after): &(String, String)) -> anyhow::Result<Self> {
        let stage = Self {
            trust: dir.join("trust"),
            warrants: dir.join("warrants"),
            evidence: dir.join("evidence"),
            state: dir.join("state"),
            dir: dir.to_owned(),
        };
        println!("1. An authority makes its key, orders the calls of {TARGET}, and signs.");
        let court = dir.join("court");
        drafting::new_authority("court", &court)?;
        fs::create_dir_all(&stage.trust)?;
        fs::create_dir_all(&stage.warrants)?;
        fs::copy(court.join("court.pub"), stage.trust.join("court.pub"))?;
        let warrant = stage.warrant();
        drafting::draft(cli::NewWarrant {
            liid: "DEMO-1".to_owned(),
            authority_name: "court".to_owned(),
            reference: "demo".to_owned(),
            jurisdiction: "BE".to_owned(),
            deliver: cli::Deliver::IriAndContent,
            targets: vec![TARGET.to_owned()],
            not_before: not_before.clone(),
            not_after: not_after.clone(),
            legal_basis: None,
            offence_class: None,
            recipient: None,
            urgent: false,
            exclude: Vec::new(),
            exclude_content: Vec::new(),
            direction: None,
            redact_sdes_keys: false,
            mask_dtmf: false,
            supersedes: None,
            out: warrant.clone(),
        })?;
        drafting::sign(&warrant, &court.join("court.key"))?;
        Ok(stage)
    }

    fn warrant(&self) -> PathBuf {
        self.warrants.join("demo.toml")
    }
}

/// From a minute ago until in an hour.
fn live_window() -> anyhow::Result<(String, String)> {
    let now = jiff::Timestamp::now();
    let minute = jiff::SignedDuration::from_mins(1);
    Ok((format!("{:.0}", now - minute), format!("{:.0}", now + minute * 60)))
}

/// Captures the calls of a lab; gives what `run --json` printed.
fn wire(stage: &Stage) -> anyhow::Result<Value> {
    println!("\n2. Two telephones, a hub and a mirror port are laid in network namespaces.");
    let lab = Lab::lay()?;
    let plan = CallPlan { target: TARGET.to_owned(), ..CallPlan::default() };
    println!("\n3. calltap run captures at the mirror port.");
    let mut run = lab
        .command_in_tap(std::env::current_exe()?)
        .args(["run", "--json", "--interface", lab.tap_interface(), "--warrants"])
        .arg(&stage.warrants)
        .arg("--trust")
        .arg(&stage.trust)
        .arg("--evidence")
        .arg(&stage.evidence)
        .env("XDG_STATE_HOME", &stage.state)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("calltap run does not start")?;
    let log = run.stderr.take().context("calltap run has no standard error")?;
    let capturing = follow_log(log);
    if capturing.recv_timeout(PATIENCE).is_err() {
        end(run, "TERM")?;
        bail!("calltap run does not capture; its words are above");
    }
    println!(
        "\n4. sipp places {} calls at once, {} of them the target's, each with speech both ways.",
        plan.calls(),
        plan.target_calls
    );
    let calls = lab.place_calls(&plan)?;
    println!("   {} calls ended; caller and callee sent {} frames.", calls.calls, calls.frames);
    // The last frames are on their way through the mirror.
    std::thread::sleep(Duration::from_millis(300));
    end(run, "INT")
}

/// Repeats the program's log on standard error; sends once it says that it captures.
fn follow_log(log: impl std::io::Read + Send + 'static) -> std::sync::mpsc::Receiver<()> {
    let (tell, told) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            eprintln!("   | {line}");
            if line.contains(crate::run::CAPTURING) {
                let _ = tell.send(());
            }
        }
    });
    told
}

/// Ends a run by a signal, and reads the JSON object that it prints.
fn end(run: Child, signal: &str) -> anyhow::Result<Value> {
    let kill = Command::new("sh").args(["-c", &format!("kill -{signal} {}", run.id())]).status()?;
    if !kill.success() {
        bail!("calltap run has ended by itself; its words are above");
    }
    let output = run.wait_with_output()?;
    let printed = serde_json::from_slice(&output.stdout);
    printed.with_context(|| format!("calltap run ended with {}", output.status))
}

/// Replays the capture that comes with the program.
fn replay(stage: &Stage) -> anyhow::Result<Value> {
    let capture = stage.dir.join("calls.pcapng");
    fs::write(&capture, CAPTURE)?;
    println!("\n2. calltap replay executes the warrant on {}.", capture.display());
    let output = Command::new(std::env::current_exe()?)
        .args(["replay", "--json"])
        .arg(&capture)
        .arg("--warrant")
        .arg(stage.warrant())
        .arg("--trust")
        .arg(&stage.trust)
        .arg("--evidence")
        .arg(&stage.evidence)
        .env("XDG_STATE_HOME", &stage.state)
        .stderr(Stdio::inherit())
        .output()?;
    let printed = serde_json::from_slice(&output.stdout);
    printed.with_context(|| format!("calltap replay ended with {}", output.status))
}

/// Says what was captured and dropped, verifies it, and lets tshark judge it.
fn report(dir: &Path, result: &Value) -> anyhow::Result<Outcome> {
    let frames = &result["frames"];
    println!("\nWhat became of the frames:");
    for (name, what) in [
        ("seen", "reached the filter"),
        ("filtered", "were nobody's business, and were dropped by it"),
        ("delivered", "reached user space: signalling, and the target's media"),
    ] {
        println!("  {:>8} {what}", frames[name]);
    }
    let lost: u64 =
        frames["lost"].as_object().into_iter().flatten().filter_map(|(_, it)| it.as_u64()).sum();
    println!("  {lost:>8} were lost");
    println!("\nThe target's calls:");
    let mut content = 0;
    let calls = result["calls"].as_array().map_or(&[][..], Vec::as_slice);
    for call in calls {
        let call_streams = call["streams"].as_array().map_or(0, Vec::len);
        println!(
            "  CIN {:<3} {} ({}): {} signalling packets, {} media packets in {call_streams} streams",
            call["cin"],
            call["call_id"].as_str().unwrap_or("?"),
            call["matched"]["header"].as_str().unwrap_or("?"),
            call["iri_packets"],
            call["cc_packets"]
        );
        content += call["cc_packets"].as_u64().unwrap_or(0);
    }
    println!("\nThe evidence, verified:");
    let (evidence, trust) = (dir.join("evidence"), dir.join("trust"));
    // A verifier has the node's public key by another way than with the evidence.
    fs::copy(evidence.join("node.pub"), trust.join("node.pub"))?;
    let verified = Command::new(std::env::current_exe()?)
        .arg("verify")
        .arg(&evidence)
        .arg("--trust")
        .arg(&trust)
        .env("XDG_STATE_HOME", dir.join("state"))
        .status()?;
    let volumes = result["volumes"].as_array().map_or(&[][..], Vec::as_slice);
    let paths = volumes.iter().filter_map(|volume| volume["path"].as_str());
    let paths: Vec<_> = paths.map(|path| evidence.join(path)).collect();
    let decoded = paths.iter().map(|path| tshark_rtp(path)).sum::<Option<u64>>();
    match decoded {
        Some(decoded) => {
            println!("\nA default tshark decodes {decoded} of {content} media packets as RTP.");
        }
        None => println!("\nNo tshark here that works, to judge the volumes: run scripts/setup."),
    }
    let whole = verified.success() && content > 0 && lost == 0;
    let Some(path) = paths.first().filter(|_| whole && decoded.is_none_or(|it| it == content))
    else {
        eprintln!("calltap: the demo did not come out as it should; see above");
        return Ok(Outcome::NotFine);
    };
    println!("\nOpen it:  wireshark {}", path.display());
    println!("Check it: calltap verify {}", evidence.display());
    Ok(Outcome::Fine)
}

/// Packets that tshark, with its defaults, decodes as RTP; `None` where there is none that works.
fn tshark_rtp(path: &Path) -> Option<u64> {
    let arguments = ["-n", "-Y", "rtp", "-T", "fields", "-e", "frame.number", "-r"];
    let output = Command::new("tshark").args(arguments).arg(path).output().ok()?;
    let packets = output.stdout.split(|byte| *byte == b'\n').filter(|it| !it.is_empty()).count();
    output.status.success().then_some(u64::try_from(packets).ok()?)
}

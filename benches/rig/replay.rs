//! Warrants executed on a capture file on one CPU, beside what a user would run on the same file and
//! CPU instead.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use calltap::capture::CaptureFile;
use calltap_bench::call::{TARGET, TARGET_ADDRESS};
use calltap_bench::capture::Capture;
use calltap_bench::desk::Desk;
use serde_json::Value;

use crate::figures::Figures;
use crate::tool;

/// Calls, and packets that each side says in one: a million packets.
const CALLS: u32 = 1000;
const SAID: u16 = 500;

/// tshark finds the target's calls, and is told the address of their media; sngrep finds both; and
/// tcpdump is told the address alone.
const OTHERS: [&str; 3] = ["tshark", "sngrep", "tcpdump"];

pub(crate) fn beside_others(rounds: u32, dir: &Path, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir_in(dir)?;
    let capture = Capture::make(dir.path().join("calls.pcap"), CALLS, SAID);
    let million = capture.packets as f64 / 1e6;
    for _ in 0..rounds {
        let desk = Desk::lay();
        let ours = calltap(&desk, &capture, dir.path())?.as_secs_f64();
        figures.add("replay_mpps", million / ours);
        for name in OTHERS {
            let versus = format!("replay_vs_{name}");
            if Command::new(name).arg("--version").output().is_err() {
                figures.miss(&versus, format!("{name} is not installed (scripts/setup)"));
                continue;
            }
            let theirs = other(name, &capture, dir.path())?.as_secs_f64();
            figures.add(&format!("{name}_mpps"), million / theirs);
            figures.add(&versus, theirs / ours);
        }
    }
    Ok(())
}

/// The whole program, from its start until its evidence is sealed.
fn calltap(desk: &Desk, capture: &Capture, dir: &Path) -> Result<Duration> {
    let (evidence, said) = (dir.join("evidence"), dir.join("said"));
    let mut command = Command::new("taskset");
    command.args(["-c", tool::CPU]).arg(tool::calltap()?).args(["replay", "--json"]);
    command.arg(&capture.path).arg("--warrant").arg(desk.path("warrant.toml"));
    command.arg("--trust").arg(desk.path("trust")).arg("--evidence").arg(&evidence);
    command.arg("--config").arg(desk.path("config.toml"));
    let begun = Instant::now();
    let run = command.stdout(File::create(&said)?).output()?;
    let time = begun.elapsed();
    if !run.status.success() {
        bail!("calltap replay: {}", String::from_utf8_lossy(&run.stderr));
    }
    let said: Value = serde_json::from_reader(BufReader::new(File::open(&said)?))?;
    let volumes = said["volumes"].as_array().context("no volumes")?;
    let kept: u64 = volumes.iter().filter_map(|volume| volume["packets"].as_u64()).sum();
    let seen = said["frames"]["seen"].as_u64();
    ensure!((seen, kept) == (Some(capture.packets), capture.wanted), "{}", said["frames"]);
    fs::remove_dir_all(evidence)?;
    Ok(time)
}

/// Writes the target's packets into another file.
fn other(name: &str, capture: &Capture, dir: &Path) -> Result<Duration> {
    let out = dir.join(name);
    let mut command = Command::new("taskset");
    command.args(["-c", tool::CPU, name]);
    match name {
        "tshark" => {
            command.arg("-nr").arg(&capture.path);
            command.args(["-Y", &Capture::filter(), "-w"]).arg(&out)
        }
        "sngrep" => {
            command.args(["-NqFr", "-I"]).arg(&capture.path);
            command.arg("-O").arg(&out).arg(TARGET)
        }
        _ => {
            command.arg("-nr").arg(&capture.path).arg("-w").arg(&out);
            command.arg("host").arg(TARGET_ADDRESS.to_string())
        }
    };
    let begun = Instant::now();
    let run = command.stdin(Stdio::null()).stdout(Stdio::null()).output()?;
    let time = begun.elapsed();
    if !run.status.success() {
        bail!("{name}: {}", String::from_utf8_lossy(&run.stderr));
    }
    let (mut written, mut kept) = (CaptureFile::open(&out)?, 0);
    while written.next_frame()?.is_some() {
        kept += 1;
    }
    ensure!(kept == capture.wanted, "{name} kept {kept} of {}", capture.wanted);
    fs::remove_file(out)?;
    Ok(time)
}

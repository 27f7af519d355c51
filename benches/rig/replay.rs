//! Warrants executed on a capture file on one CPU, beside tshark on the same file and CPU.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use calltap::capture::CaptureFile;
use calltap_bench::capture::Capture;
use calltap_bench::desk::Desk;
use serde_json::Value;

use crate::figures::Figures;
use crate::tool;

/// Calls, and packets that each side says in one: a million packets.
const CALLS: u32 = 1000;
const SAID: u16 = 500;

pub(crate) fn beside_tshark(rounds: u32, dir: &Path, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir_in(dir)?;
    let capture = Capture::make(dir.path().join("calls.pcap"), CALLS, SAID);
    let with_tshark = Command::new("tshark").arg("--version").output().is_ok();
    for _ in 0..rounds {
        let desk = Desk::lay();
        let ours = calltap(&desk, &capture, dir.path())?.as_secs_f64();
        figures.add("replay_mpps", capture.packets as f64 / ours / 1e6);
        if with_tshark {
            let theirs = tshark(&capture, dir.path())?.as_secs_f64();
            figures.add("tshark_mpps", capture.packets as f64 / theirs / 1e6);
            figures.add("replay_vs_tshark", theirs / ours);
        } else {
            figures.miss("replay_vs_tshark", "tshark is not installed (scripts/setup)");
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

fn tshark(capture: &Capture, dir: &Path) -> Result<Duration> {
    let out = dir.join("tshark.pcapng");
    let mut command = Command::new("taskset");
    command.args(["-c", tool::CPU, "tshark", "-nr"]).arg(&capture.path);
    command.args(["-Y", &Capture::filter(), "-w"]).arg(&out);
    let begun = Instant::now();
    let run = command.stdout(Stdio::null()).output()?;
    let time = begun.elapsed();
    if !run.status.success() {
        bail!("tshark: {}", String::from_utf8_lossy(&run.stderr));
    }
    let (mut written, mut kept) = (CaptureFile::open(&out)?, 0);
    while written.next_frame()?.is_some() {
        kept += 1;
    }
    ensure!(kept == capture.wanted, "tshark kept {kept} of {}", capture.wanted);
    Ok(time)
}

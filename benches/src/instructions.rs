//! How many instructions a piece of work takes, as callgrind counts them.
//!
//! Where clocks differ by half from run to run, these differ by a few in a thousand, and they need
//! neither privileges nor counters of the CPU.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The function of `calltap-instructions` in which instructions count; its own thread's alone.
const COUNTED: &str = "*calltap_instructions*counted*";

/// Instructions for each piece of `case`, by the program `calltap-instructions` at this path.
///
/// # Errors
/// valgrind is missing, or the program fails.
pub fn of(program: &Path, case: &str) -> Result<f64> {
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(program)
        .args(["--run", case])
        .output()
        .context("valgrind does not start: run scripts/setup, which installs it")?;
    let said = String::from_utf8_lossy(&run.stderr);
    if !run.status.success() {
        bail!("{case}: {}: {said}", run.status);
    }
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    let pieces = String::from_utf8_lossy(&run.stdout).trim().parse().ok();
    let (Some(collected), Some(pieces)) = (collected, pieces) else {
        bail!("{case}: callgrind did not count: {said}");
    };
    let (collected, pieces): (f64, f64) = (collected, pieces);
    if collected < pieces {
        bail!("{case}: {collected} instructions for {pieces} pieces: is {COUNTED} inlined?");
    }
    Ok(collected / pieces)
}

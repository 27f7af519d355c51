//! How many instructions a piece of work takes, as callgrind counts them.
//!
//! Where clocks differ by half from run to run, these differ by a few in a thousand, and they need
//! neither privileges nor counters of the CPU.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};

/// The function of `calltap-instructions` in which instructions count; its own thread's alone.
const COUNTED: &str = "*calltap_instructions*simulated*";

/// What `calltap-instructions` says ahead of what is counted, when it waits to be told to go on.
pub const READY: &str = "ready";

/// Instructions for each piece of `case`, by the program `calltap-instructions` at this path.
///
/// What is laid out ahead of the work and what follows it are not simulated, which would take
/// minutes where there are a hundred thousand calls.
///
/// # Errors
/// valgrind is missing, or the program fails.
pub fn of(program: &Path, case: &str) -> Result<f64> {
    let mut run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--instr-atstart=no", "--collect-atstart=no"])
        .arg(format!("--toggle-collect={COUNTED}"))
        .arg(program)
        .args(["--run", case])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("valgrind does not start: run scripts/setup, which installs it")?;
    let pieces = converse(&mut run);
    let run = run.wait_with_output()?;
    let said = String::from_utf8_lossy(&run.stderr);
    if !run.status.success() {
        bail!("{case}: {}: {said}", run.status);
    }
    let collected =
        said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    let (Some(collected), pieces) = (collected, pieces.with_context(|| case.to_owned())?) else {
        bail!("{case}: callgrind did not count: {said}");
    };
    let collected: f64 = collected;
    if collected < pieces {
        bail!("{case}: {collected} instructions for {pieces} pieces: is {COUNTED} inlined?");
    }
    Ok(collected / pieces)
}

/// Has valgrind simulate from when the program is ready until it says how many pieces it did.
fn converse(run: &mut Child) -> Result<f64> {
    let id = run.id().to_string();
    let simulate = |how: &str| {
        let done = Command::new("callgrind_control")
            .args(["--instr", how, &id])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .context("callgrind_control, which comes with valgrind")?;
        ensure!(done.success(), "callgrind_control --instr {how}: {done}");
        Ok(())
    };
    let mut told = run.stdin.take().context("its standard input")?;
    let mut says = BufReader::new(run.stdout.take().context("its standard output")?).lines();
    ensure!(says.next().transpose()?.as_deref() == Some(READY), "it does not become ready");
    simulate("on")?;
    told.write_all(b"\n")?;
    let pieces = says.next().transpose()?.context("it says nothing of what it did")?;
    simulate("off")?;
    told.write_all(b"\n")?;
    Ok(pieces.trim().parse()?)
}

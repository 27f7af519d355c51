//! The gate on speed that needs no privileges: instructions of the core paths, held against those
//! that were committed.
//!
//! `--run CASE` does the work of a case, for valgrind to count.

use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context as _, Result};
use calltap_bench::instructions::{self, READY};
use clap::Parser;

mod cases;
mod media;
mod worker;

/// What was committed for this profile: a case and its instructions a line.
const BASELINE: &str = if cfg!(debug_assertions) {
    concat!(env!("CARGO_MANIFEST_DIR"), "/instructions/debug.txt")
} else {
    concat!(env!("CARGO_MANIFEST_DIR"), "/instructions/release.txt")
};

/// A case may take so much more than was committed, in a hundred: hash seeds and the layout of
/// memory differ from run to run by less than one.
const TOLERANCE: f64 = 5.0;

/// A packet may take so much more with two workers than with one, in a hundred.
const TOLERANCE_OF_TWO: f64 = 3.0;

/// Counts the instructions of the core paths, and fails where one has grown by more than 5 %.
#[derive(Debug, Parser)]
struct Arguments {
    /// Writes what was counted in place of what was committed.
    #[arg(long)]
    write: bool,
    /// Leaves out the cases of a hundred thousand calls, which take minutes.
    #[arg(long)]
    quick: bool,
    /// Does the work of this case, and prints how many pieces that was; it waits for a line before
    /// and after.
    #[arg(long, hide = true)]
    run: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(case) = &arguments.run {
        let mut all = cases::ALL.iter().chain(&cases::WORKERS);
        let Some((_, run)) = all.find(|(name, _)| name == case) else {
            eprintln!("instructions: no case {case}");
            return ExitCode::from(2);
        };
        run();
        return ExitCode::SUCCESS;
    }
    match hold(arguments.write, arguments.quick) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Does the work, which is so many pieces of it, once whoever counts is ready, and goes on once he
/// has counted.
fn counted(pieces: u64, work: &mut dyn FnMut()) {
    println!("{READY}");
    told();
    simulated(work);
    println!("{pieces}");
    told();
}

/// The only place where instructions count.
#[inline(never)]
fn simulated(work: &mut dyn FnMut()) {
    work();
}

/// Whoever ran this by hand ends its input, and nothing waits.
fn told() {
    let _ = std::io::stdin().read_line(&mut String::new());
}

/// Holds each case against the baseline; whether none has grown.
fn hold(write: bool, quick: bool) -> Result<bool> {
    let itself = env::current_exe()?;
    let committed = if write { Vec::new() } else { baseline()? };
    let mut lines = String::new();
    let mut fine = true;
    for (name, _) in cases::ALL.into_iter().filter(|(name, _)| !quick || !cases::is_long(name)) {
        let counted = instructions::of(&itself, name)?;
        let known = committed.iter().find(|(case, _)| case == name).map(|(_, known)| *known);
        let grown = known.map(|known| (counted / known - 1.0) * 100.0);
        let is_fine = write || grown.is_some_and(|grown| grown <= TOLERANCE);
        let grown = grown.map_or_else(|| "new".to_owned(), |grown| format!("{grown:+.1} %"));
        println!("{} {name:<24} {counted:>10.1}  {grown}", if is_fine { "ok  " } else { "MORE" });
        fine &= is_fine;
        lines += &format!("{name} {counted:.1}\n");
    }
    let [one, two] = cases::WORKERS.map(|(name, _)| instructions::of(&itself, name));
    let (one, two) = (one?, two?);
    let grown = (two / one - 1.0) * 100.0;
    let is_fine = grown <= TOLERANCE_OF_TWO;
    let mark = if is_fine { "ok  " } else { "MORE" };
    println!("{mark} two workers beside one   {two:>10.1}  {grown:+.1} % of {one:.1}");
    fine &= is_fine;
    if write {
        fs::write(BASELINE, lines).with_context(|| BASELINE)?;
    } else if !fine {
        println!(
            "If what it buys is worth that: calltap-instructions --write, and say so in the commit."
        );
    }
    Ok(fine)
}

fn baseline() -> Result<Vec<(String, f64)>> {
    let text = fs::read_to_string(BASELINE).with_context(|| BASELINE)?;
    let line = |line: &str| {
        let (case, known) = line.split_once(' ')?;
        Some((case.to_owned(), known.parse().ok()?))
    };
    text.lines().map(|it| line(it).with_context(|| format!("{BASELINE}: {it}"))).collect()
}

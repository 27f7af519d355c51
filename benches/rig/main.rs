//! The rig of `scripts/bench`: calltap and what a user would pick instead, on one link, in turns.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use calltap_bench::in_namespace;
use clap::Parser;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::session::{Plan, Session, session};
use crate::tool::Tool;

mod calls;
mod link;
mod session;
mod tally;
mod tool;

/// Loads a link with the media of a hundred thousand calls, and has each tool capture it.
#[derive(Debug, Parser)]
struct Arguments {
    /// Rounds, in each of which every tool has its turn.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Frames of a blast.
    #[arg(long, default_value_t = 4 << 20)]
    frames: u32,
    /// Calls of the target.
    #[arg(long, default_value_t = 100_000)]
    calls: u32,
    /// Calls set up a second.
    #[arg(long, default_value_t = 4_000)]
    calls_a_second: u32,
    /// Target's frames in a hundred, one blast each.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100])]
    shares: Vec<u8>,
    /// Tools to try, by their names; all that are installed by default.
    #[arg(long, value_delimiter = ',')]
    tools: Vec<String>,
    /// Directory that the tools write to, on the file system to be measured.
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    dir: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    in_namespace("rig", link::LAY, || {
        if let Err(error) = run(&arguments) {
            eprintln!("rig: {error:#}");
            std::process::exit(1);
        }
    })
}

fn run(arguments: &Arguments) -> Result<()> {
    // The kernel's half of a veth link runs where its sender does.
    let mut first = CpuSet::new();
    first.set(0);
    sched_setaffinity(None, &first)?;
    let plan = Plan {
        frames: arguments.frames,
        calls: arguments.calls,
        calls_a_second: arguments.calls_a_second,
        ..Plan::default()
    };
    let tools: Vec<_> = Tool::ALL
        .into_iter()
        .filter(|tool| {
            arguments.tools.is_empty() || arguments.tools.iter().any(|it| it == tool.name())
        })
        .filter(|tool| tool.is_installed())
        .collect();
    for _ in 0..arguments.rounds {
        for &tool in &tools {
            let dir = tempfile::tempdir_in(&arguments.dir)?;
            let session = session(tool, &arguments.shares, &plan, &dir.path().join("tool"))?;
            print(&session);
        }
    }
    Ok(())
}

fn print(session: &Session) {
    for blast in &session.blasts {
        eprintln!(
            "{:12} {:3} %: offered {:.2} Mpps, refused {}, written {:.3} Mpps, loss {:.2} %, CPU {:.2} s, \
             {:.0} ns a frame written",
            session.tool.name(),
            blast.share,
            blast.offered() / 1e6,
            blast.carried.refused,
            blast.written_rate() / 1e6,
            blast.loss() * 100.0,
            blast.cpu.as_secs_f64(),
            blast.cpu_per_written() * 1e9,
        );
    }
    let tally = &session.tally;
    eprintln!(
        "{:12} signalling {}, strangers {}, duplicates {}, disorder {}, corrupt {}",
        "", tally.signalling, tally.strangers, tally.duplicates, tally.disorder, tally.corrupt
    );
    if let Some(summary) = &session.summary {
        eprintln!(
            "{:12} frames {}, calls {}, in volumes {}, unexplained {}, trigger {}",
            "",
            summary.frames,
            summary.calls,
            summary.in_volumes,
            summary.unexplained,
            summary.trigger_us
        );
    }
}

//! The rig of `scripts/bench`: calltap and what a user would pick instead, on one link, in turns.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use calltap_bench::in_namespace;
use clap::Parser;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::figures::Figures;
use crate::session::Plan;
use crate::tool::Tool;

mod calls;
mod figures;
mod filter;
mod link;
mod load;
mod plot;
mod replay;
mod rounds;
mod session;
mod soak;
mod steady;
mod tally;
mod tool;
mod writer;

/// Loads a link with the media of a hundred thousand calls, and has each tool capture it; then
/// measures the parts.
#[derive(Debug, Parser)]
struct Arguments {
    /// Everything in three rounds, within ten minutes; the default.
    #[arg(long)]
    quick: bool,
    /// Prints one JSON object on standard output.
    #[arg(long)]
    json: bool,
    /// Writes a plot (SVG) of the rounds.
    #[arg(long)]
    plot: Option<PathBuf>,
    /// What to measure; whatever the object's keys need where nothing is named.
    #[arg(long, value_delimiter = ',', value_enum, default_values_t = Part::QUICK)]
    only: Vec<Part>,
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
    /// First packets of the target's streams sent a second ahead of the blasts; 0 leaves that out.
    #[arg(long, default_value_t = 50_000)]
    streams_a_second: u32,
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

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Part {
    /// Capture from a link, beside other tools.
    Link,
    /// A blast that begins all streams of all calls at once; to be asked for.
    Cold,
    /// A load at a pace, below, at and above what calltap takes without loss; to be asked for.
    Steady,
    /// A hundred million packets, and all calls from their set-up to their end; to be asked for.
    Soak,
    /// From a message to the kernel's map.
    Trigger,
    /// A stranger's packet in the kernel.
    Filter,
    /// From records to sealed evidence, beside dd.
    Writer,
    /// A capture file, beside tshark.
    Replay,
    /// Instructions of a media packet, by callgrind.
    Instructions,
}

impl Part {
    /// What the object's keys need, in ten minutes.
    const QUICK: [Self; 6] =
        [Self::Link, Self::Trigger, Self::Filter, Self::Writer, Self::Replay, Self::Instructions];
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
    let mut figures = Figures::default();
    let is_asked = |part| arguments.only.contains(&part);
    if is_asked(Part::Writer) {
        writer::beside_dd(arguments.rounds, &arguments.dir, &mut figures)?;
    }
    if is_asked(Part::Replay) {
        replay::beside_others(arguments.rounds, &arguments.dir, &mut figures)?;
    }
    if is_asked(Part::Instructions) {
        instructions(&mut figures);
    }
    // The kernel's half of a veth link runs where its sender does.
    let mut first = CpuSet::new();
    first.set(0);
    sched_setaffinity(None, &first)?;
    let plan = Plan {
        frames: arguments.frames,
        calls: arguments.calls,
        calls_a_second: arguments.calls_a_second,
        streams_a_second: arguments.streams_a_second,
        ..Plan::default()
    };
    let asked = |tool: &Tool| {
        arguments.tools.is_empty() || arguments.tools.iter().any(|name| name == tool.name())
    };
    let tools: Vec<_> =
        Tool::ALL.into_iter().filter(asked).filter(|tool| tool.is_installed()).collect();
    if is_asked(Part::Filter) {
        filter::miss(arguments.rounds, &mut figures)?;
    }
    if is_asked(Part::Trigger) {
        session::trigger(arguments.rounds, &plan, &arguments.dir, &mut figures)?;
    }
    if is_asked(Part::Link) {
        let Arguments { shares, rounds, dir, .. } = arguments;
        rounds::rounds(&tools, shares, *rounds, &plan, dir, &mut figures)?;
    }
    if is_asked(Part::Cold) {
        rounds::cold(&plan, &arguments.dir, &mut figures)?;
    }
    if is_asked(Part::Steady) {
        steady::steady(&plan, &arguments.dir, &mut figures)?;
    }
    if is_asked(Part::Soak) {
        soak::soak(&plan, &arguments.dir, &mut figures)?;
    }
    if let Some(path) = &arguments.plot {
        fs::write(path, plot::svg(&figures, &arguments.shares))?;
    }
    if arguments.json {
        println!("{}", figures.object());
    } else {
        println!("{:#}", figures.object());
    }
    Ok(())
}

/// A media packet from the ring to the file, by how many streams there are: a count, and no time, so
/// that once is enough.
fn instructions(figures: &mut Figures) {
    let of = |case| {
        let program = std::env::current_exe()?.with_file_name("calltap-instructions");
        calltap_bench::instructions::of(&program, case)
    };
    match of("media-of-1k-streams").and_then(|few| Ok((few, of("media-of-200k-streams")?))) {
        Ok((few, many)) => {
            figures.add("instructions_1k", few);
            figures.add("instructions_200k", many);
            figures.add("instructions_200k_vs_1k", many / few);
        }
        Err(error) => figures.miss("instructions_200k_vs_1k", format!("{error:#}")),
    }
}

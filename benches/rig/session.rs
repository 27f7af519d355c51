//! One tool captures a blast of each share, and what it wrote is counted.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use calltap_bench::desk::Desk;
use calltap_xdp::generator::{CALLS, Generator, Traffic};
use serde_json::Value;

use crate::calls;
use crate::figures::Figures;
use crate::link::{Carried, Link};
use crate::tally::{Pass, Tally};
use crate::tool::{Running, Tool};

/// What the rig is to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Frames of a blast.
    pub(crate) frames: u32,
    /// Calls of the target set up before media flows.
    pub(crate) calls: u32,
    /// Calls set up a second.
    pub(crate) calls_a_second: u32,
    /// First packets of streams sent a second before media flows in earnest; where there are none,
    /// the first blast begins all streams.
    pub(crate) streams_a_second: u32,
    /// The CPU of the tool; the generator, and the kernel's half of the link, have CPU 0.
    pub(crate) cpu: usize,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            frames: 4 << 20,
            calls: CALLS,
            calls_a_second: 4_000,
            streams_a_second: 50_000,
            cpu: 1,
        }
    }
}

/// A blast, as a tool took it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blast {
    /// Frames of the target in a hundred.
    pub(crate) share: u8,
    /// How long sending took.
    pub(crate) time: Duration,
    /// What the link made of it.
    pub(crate) carried: Carried,
    /// Frames of the target among those sent.
    pub(crate) wanted: u64,
    /// Frames of the target in what the tool wrote.
    pub(crate) written: u64,
    /// CPU time of the tool, writing included.
    pub(crate) cpu: Duration,
}

impl Blast {
    /// Frames a second that the tool took without loss of what it was to keep: those that the link
    /// carried, less what is missing of them.
    pub(crate) fn accepted(&self) -> f64 {
        self.carried.taken as f64 / self.time.as_secs_f64() * (1.0 - self.loss())
    }

    /// CPU seconds for each frame written.
    pub(crate) fn cpu_per_written(&self) -> f64 {
        self.cpu.as_secs_f64() / self.written.max(1) as f64
    }

    /// What of the wanted is missing, of 1; the link's refusals are nobody's loss.
    pub(crate) fn loss(&self) -> f64 {
        1.0 - self.written as f64 / self.wanted.max(1) as f64
    }
}

/// What a session left.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) tool: Tool,
    pub(crate) blasts: Vec<Blast>,
    /// First packets of streams that were sent, and how many of them the tool wrote.
    pub(crate) first_packets: Option<(u64, u64)>,
    pub(crate) tally: Tally,
    /// What calltap said at its end.
    pub(crate) summary: Option<Summary>,
}

/// What of calltap's summary the rig looks at.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// `frames`, as calltap prints it.
    pub(crate) frames: Value,
    /// Calls that were recorded.
    pub(crate) calls: usize,
    /// `signalling`, as calltap prints it.
    pub(crate) signalling: Value,
    /// `trigger_us`.
    pub(crate) trigger_us: Value,
    /// `staged_us`.
    pub(crate) staged_us: Value,
    /// Frames in the sum over all places that nobody can explain: what the link took beside what
    /// calltap has seen, seen beside passed, filtered, delivered and lost, delivered beside what
    /// its volumes say, and what it let go as nobody's, and that beside what is in them; and frames
    /// that are there twice or damaged.
    pub(crate) unexplained: u64,
}

/// Has calltap start and stop while the link is loaded, and gives what it counted.
///
/// What passed before it and after it is nobody's, so the link's count says nothing here.
pub(crate) fn start_and_stop(plan: &Plan, dir: &Path) -> Result<Summary> {
    const CALLS: u32 = 200;
    let desk = Desk::lay();
    desk.post();
    let link = Link::open()?;
    let pass = Pass::blast(Traffic::new(100), 0);
    let generator = Generator::load(pass.traffic)?;
    generator.go_on_at(pass.first)?;
    let over = AtomicBool::new(false);
    let stopped = thread::scope(|scope| {
        let load = scope.spawn(|| -> Result<()> {
            while !over.load(Ordering::Relaxed) {
                generator.send(&link.near, plan.frames / 4)?;
            }
            Ok(())
        });
        let running = tool_under_load(&link, plan, dir, &desk, CALLS);
        let stopped = running.and_then(Running::stop);
        over.store(true, Ordering::Relaxed);
        load.join().expect("the generator")?;
        stopped
    })?;
    let made = generator.made()? - pass.first;
    let tally = Tally::of(&stopped.files, &[Pass { frames: made, ..pass }])?;
    let said = stopped.said()?;
    let seen = said["frames"]["seen"].as_u64().unwrap_or_default();
    let summary = Summary::of(&said, Carried { taken: seen, refused: 0 }, &tally);
    fs::remove_dir_all(dir)?;
    summary
}

fn tool_under_load(
    link: &Link,
    plan: &Plan,
    dir: &Path,
    desk: &Desk,
    calls: u32,
) -> Result<Running> {
    let running = Tool::Calltap.start(plan.cpu, dir, desk)?;
    calls::set_up(link, calls, 1_000)?;
    thread::sleep(Duration::from_secs(1));
    Ok(running)
}

/// Has `tool` capture a blast of each of `shares` into fresh files in `dir`, which is removed.
pub(crate) fn session(tool: Tool, shares: &[u8], plan: &Plan, dir: &Path) -> Result<Session> {
    let desk = Desk::lay();
    desk.post();
    let link = Link::open()?;
    let before = Link::carried()?;
    let running = tool.start(plan.cpu, dir, &desk)?;
    let mut passes = Vec::new();
    if tool == Tool::Calltap {
        calls::set_up(&link, plan.calls, plan.calls_a_second)?;
        running.settle();
        if !shares.is_empty() && plan.streams_a_second > 0 {
            let pass = Pass::first_packets(2 * plan.calls);
            calls::speak(&link, pass, plan.streams_a_second)?;
            running.settle();
            passes.push(pass);
        }
    }
    let begun = passes.len();
    let mut blasts = Vec::new();
    for &share in shares {
        let pass = Pass::blast(Traffic::new(share), plan.frames.into());
        blasts.push(blast(&link, &running, pass)?);
        passes.push(pass);
    }
    let stopped = running.stop()?;
    let tally = Tally::of(&stopped.files, &passes)?;
    let (first, written) = tally.media.split_at(begun);
    for (blast, written) in blasts.iter_mut().zip(written) {
        blast.written = *written;
    }
    let first_packets = passes.first().zip(first.first()).map(|(it, found)| (it.frames, *found));
    let mut summary = None;
    if tool == Tool::Calltap {
        let carried = Link::carried()? - before;
        summary = Some(Summary::of(&stopped.said()?, carried, &tally)?);
    }
    fs::remove_dir_all(dir)?;
    Ok(Session { tool, blasts, first_packets, tally, summary })
}

/// How long after a message its endpoints are in the kernel's map, where nothing else is on the
/// link.
pub(crate) fn trigger(rounds: u32, plan: &Plan, dir: &Path, figures: &mut Figures) -> Result<()> {
    let plan = Plan { calls: 2_000, calls_a_second: 500, ..*plan };
    for _ in 0..rounds {
        let dir = tempfile::tempdir_in(dir)?;
        let session = session(Tool::Calltap, &[], &plan, &dir.path().join("tool"))?;
        let trigger = session.summary.map(|summary| summary.trigger_us).unwrap_or_default();
        for (key, name) in [("trigger_p50_us", "p50"), ("trigger_p99_us", "p99")] {
            match trigger[name].as_f64() {
                Some(us) => figures.add(key, us),
                None => figures.miss(key, "calltap opened no endpoint"),
            }
        }
    }
    Ok(())
}

/// Sends a pass as fast as can be, and waits until the tool is done with it.
pub(crate) fn blast(link: &Link, running: &Running, pass: Pass) -> Result<Blast> {
    let Pass { traffic, first, frames } = pass;
    let generator = Generator::load(traffic)?;
    generator.go_on_at(first)?;
    let (before, cpu) = (Link::carried()?, running.cpu());
    let begun = Instant::now();
    generator.send(&link.near, u32::try_from(frames)?)?;
    let time = begun.elapsed();
    running.settle();
    let cpu = running.cpu() - cpu;
    // The far end has taken what it ever will.
    thread::sleep(Duration::from_millis(50));
    let carried = Link::carried()? - before;
    let made = generator.made()? - first;
    if carried.taken + carried.refused != made {
        bail!("{made} frames were made, and the link has {carried:?}");
    }
    let wanted = traffic.of_target(first + made) - traffic.of_target(first);
    Ok(Blast { share: traffic.share(), time, carried, wanted, written: 0, cpu })
}

impl Summary {
    pub(crate) fn of(said: &Value, carried: Carried, tally: &Tally) -> Result<Self> {
        let frames = &said["frames"];
        let count = |name: &str| frames[name].as_u64().context("calltap gave no counters");
        let lost: u64 = frames["lost"]
            .as_object()
            .into_iter()
            .flat_map(|lost| lost.values().filter_map(Value::as_u64))
            .sum();
        let (seen, delivered) = (count("seen")?, count("delivered")?);
        let let_go = said["signalling"]["media_let_go"].as_u64().unwrap_or_default();
        let accounted = count("passed")? + count("filtered")? + delivered + lost;
        let volumes = said["volumes"].as_array().map_or(&[][..], Vec::as_slice);
        let in_volumes = volumes.iter().filter_map(|volume| volume["packets"].as_u64()).sum();
        let found =
            tally.frames() - volumes.iter().filter_map(|it| it["carried"].as_u64()).sum::<u64>();
        let unexplained = seen.abs_diff(carried.taken)
            + seen.abs_diff(accounted)
            + delivered.abs_diff(in_volumes + let_go)
            + found.abs_diff(in_volumes)
            + tally.duplicates
            + tally.corrupt
            + tally.disorder
            + tally.strangers;
        Ok(Self {
            frames: frames.clone(),
            signalling: said["signalling"].clone(),
            calls: said["calls"].as_array().map_or(0, Vec::len),
            trigger_us: said["trigger_us"].clone(),
            staged_us: said["staged_us"].clone(),
            unexplained,
        })
    }
}

//! A load at a pace: what rate calltap takes without loss, what becomes of every frame at half of it,
//! at it and at three times as much or more, how late media is staged, and what waiting costs.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calltap_bench::desk::Desk;
use calltap_xdp::generator::Traffic;
use serde_json::json;

use crate::calls;
use crate::figures::Figures;
use crate::link::{Carried, Link};
use crate::session::{Plan, Summary, blast};
use crate::tally::{Pass, Tally};
use crate::tool::{Running, Tool};

/// Rates are tried from here on, frames a second.
const FIRST: u32 = 50_000;

/// A rate is known once two differ in loss, and by no more than a seventh.
const CLOSE: u32 = 7;

/// How long a rate is tried for, and how long one is held, in seconds.
const TRIAL: u32 = 1;
const HELD: u32 = 4;

/// What is held, by the name of its figures: halves of that rate, or as much as the link carries.
const HELD_RATES: [(&str, Option<u32>); 3] = [("half", Some(1)), ("full", Some(2)), ("more", None)];

pub(crate) fn steady(plan: &Plan, dir: &Path, figures: &mut Figures) -> Result<()> {
    let idle = tempfile::tempdir_in(dir)?;
    figures.add("idle_cpu_percent", waiting(plan, idle.path())? * 100.0);
    let search = tempfile::tempdir_in(dir)?;
    let rate = Load::begin(plan, search.path())?.no_drop_rate()?;
    figures.add("no_drop_mpps_100", f64::from(rate) / 1e6);
    for (name, halves) in HELD_RATES {
        let dir = tempfile::tempdir_in(dir)?;
        let mut load = Load::begin(plan, dir.path())?;
        let (sent, wanted) = match halves {
            Some(halves) => {
                let rate = rate / 2 * halves;
                (rate.into(), load.send(rate, HELD)?.0)
            }
            None => load.send_all(plan.frames)?,
        };
        let (summary, written) = load.end()?;
        figures.add(&format!("load_mpps_at_{name}"), sent / 1e6);
        let lost = (wanted - written) as f64 / wanted as f64;
        figures.add(&format!("loss_percent_at_{name}"), lost * 100.0);
        figures.add("conservation_unexplained", summary.unexplained as f64);
        let staged = &summary.staged_us;
        for quantile in ["p50", "p999"] {
            let value = staged[quantile].as_f64().context("calltap staged nothing")?;
            figures.add(&format!("staged_{quantile}_us_at_{name}"), value);
        }
        figures.keep(json!({
            "session": format!("{name} of the rate without loss"),
            "rate": sent,
            "frames": summary.frames,
            "staged_us": staged,
            "unexplained": summary.unexplained,
        }));
    }
    Ok(())
}

/// CPUs that it takes to wait for frames with a warrant in force, of 1.
fn waiting(plan: &Plan, dir: &Path) -> Result<f64> {
    const WATCHED: Duration = Duration::from_secs(10);
    let desk = Desk::lay();
    desk.post();
    let running = Tool::Calltap.start(plan.cpu, dir, &desk)?;
    running.settle();
    let before = running.cpu();
    thread::sleep(WATCHED);
    let spent = running.cpu() - before;
    running.stop()?;
    Ok(spent.as_secs_f64() / WATCHED.as_secs_f64())
}

/// calltap with all calls set up and their streams begun, and what it is sent.
struct Load {
    /// The warrant lies there.
    _desk: Desk,
    link: Link,
    before: Carried,
    running: Running,
    passes: Vec<Pass>,
}

impl Load {
    fn begin(plan: &Plan, dir: &Path) -> Result<Self> {
        let desk = Desk::lay();
        desk.post();
        let link = Link::open()?;
        let before = Link::carried()?;
        let running = Tool::Calltap.start(plan.cpu, &dir.join("tool"), &desk)?;
        calls::set_up(&link, plan.calls, plan.calls_a_second)?;
        running.settle();
        let first = Pass::first_packets(2 * plan.calls);
        calls::speak(&link, first, plan.streams_a_second.max(1))?;
        running.settle();
        Ok(Self { _desk: desk, link, before, running, passes: vec![first] })
    }

    /// Media of the target's alone, behind what was sent of it before.
    fn next(&mut self, frames: u64) -> Pass {
        let mut pass = Pass::blast(Traffic::new(100), frames);
        if let [_, .., last] = &*self.passes {
            pass.first = last.first + last.frames;
        }
        self.passes.push(pass);
        pass
    }

    /// Sends `a_second` frames each second, for so many seconds; gives how many, and whether they
    /// could be sent at that pace.
    fn send(&mut self, a_second: u32, seconds: u32) -> Result<(u64, bool)> {
        let pass = self.next(u64::from(a_second) * u64::from(seconds));
        let time = calls::speak(&self.link, pass, a_second)?.as_secs_f64();
        self.running.settle();
        Ok((pass.frames, time < f64::from(seconds) * 1.05))
    }

    /// Sends so many frames as fast as can be; gives how many a second, and how many the link took.
    fn send_all(&mut self, frames: u32) -> Result<(f64, u64)> {
        let pass = self.next(frames.into());
        let blast = blast(&self.link, &self.running, pass)?;
        let taken = blast.carried.taken;
        Ok((taken as f64 / blast.time.as_secs_f64(), taken))
    }

    /// The highest rate of the target's media that it was seen to take without loss: where it takes
    /// all that can be sent at a pace, that.
    fn no_drop_rate(mut self) -> Result<u32> {
        let (mut taken, mut lossy) = (None, None);
        let mut lost = self.running.lost()?;
        let mut rate = FIRST;
        loop {
            let (_, in_time) = self.send(rate, TRIAL)?;
            let now = self.running.lost()?;
            let side = if now == lost && in_time { &mut taken } else { &mut lossy };
            *side = Some(rate);
            lost = now;
            rate = match (taken, lossy) {
                (Some(taken), Some(lossy)) if lossy - taken <= taken / CLOSE => return Ok(taken),
                (Some(taken), Some(lossy)) => u32::midpoint(taken, lossy),
                (_, None) => rate * 2,
                (None, _) => rate / 2,
            };
            ensure!(rate > 1_000, "it takes no rate without loss");
        }
    }

    /// Stops it; gives what it counted, and how many frames it wrote of what was sent at last.
    fn end(self) -> Result<(Summary, u64)> {
        let Self { running, before, passes, .. } = self;
        let stopped = running.stop()?;
        let carried = Link::carried()? - before;
        let tally = Tally::of(&stopped.files, &passes)?;
        let written = tally.media.last().copied().unwrap_or_default();
        Ok((Summary::of(&stopped.said()?, carried, &tally)?, written))
    }
}

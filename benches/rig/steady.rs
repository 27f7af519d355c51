//! A load at a pace: what rate calltap takes without loss, what becomes of every frame at half of it,
//! at it and at three times as much or more, how late media is staged, and what waiting costs.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calltap_xdp::generator::Traffic;
use serde_json::json;

use crate::calls;
use crate::figures::Figures;
use crate::load::Load;
use crate::session::Plan;

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
    let rate = no_drop_rate(&mut begun(plan, search.path())?)?;
    figures.add("no_drop_mpps_100", f64::from(rate) / 1e6);
    for (name, halves) in HELD_RATES {
        let dir = tempfile::tempdir_in(dir)?;
        let mut load = begun(plan, dir.path())?;
        let (sent, wanted) = match halves {
            Some(halves) => {
                let rate = rate / 2 * halves;
                (rate.into(), send(&mut load, rate, HELD)?.0)
            }
            None => {
                let blast = load.blast(Traffic::new(100), plan.frames)?;
                let taken = blast.carried.taken;
                (taken as f64 / blast.time.as_secs_f64(), taken)
            }
        };
        let (summary, tally) = load.end()?;
        let written = tally.media.last().copied().unwrap_or_default();
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

/// With all calls set up.
fn begun(plan: &Plan, dir: &Path) -> Result<Load> {
    let mut load = Load::start(plan, dir)?;
    load.set_up(plan)?;
    Ok(load)
}

/// CPUs that it takes to wait for frames with a warrant in force, of 1.
fn waiting(plan: &Plan, dir: &Path) -> Result<f64> {
    const WATCHED: Duration = Duration::from_secs(10);
    let load = Load::start(plan, dir)?;
    load.running.settle();
    let before = load.running.cpu();
    thread::sleep(WATCHED);
    let spent = load.running.cpu() - before;
    load.end()?;
    Ok(spent.as_secs_f64() / WATCHED.as_secs_f64())
}

/// Sends media of the target's alone, `a_second` frames each second, for so many seconds; gives how
/// many, and whether they could be sent at that pace.
fn send(load: &mut Load, a_second: u32, seconds: u32) -> Result<(u64, bool)> {
    let pass = load.next(Traffic::new(100), u64::from(a_second) * u64::from(seconds));
    let time = calls::speak(&load.link, pass, a_second)?.as_secs_f64();
    load.running.settle();
    Ok((pass.frames, time < f64::from(seconds) * 1.05))
}

/// The highest rate of the target's media that it was seen to take without loss: where it takes all
/// that can be sent at a pace, that.
fn no_drop_rate(load: &mut Load) -> Result<u32> {
    let (mut taken, mut lossy) = (None, None);
    let mut lost = load.running.lost()?;
    let mut rate = FIRST;
    loop {
        let (_, in_time) = send(load, rate, TRIAL)?;
        let now = load.running.lost()?;
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

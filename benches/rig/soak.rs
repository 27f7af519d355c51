//! Calls from their set-up to their end, and a hundred million packets between: is anything lost of the
//! signalling, is any packet there twice, damaged or out of order, and does memory stay as it is?

use std::path::Path;

use anyhow::Result;
use calltap_xdp::generator::Traffic;
use serde_json::json;

use crate::calls;
use crate::figures::Figures;
use crate::load::Load;
use crate::session::Plan;

/// Packets on the link.
const PACKETS: u64 = 100_000_000;

/// Of a hundred, the target's; the disk must hold them.
const SHARE: u8 = 10;

/// Messages of a call: an INVITE, a BYE, and a 200 for each.
const MESSAGES: u64 = 4;

pub(crate) fn soak(plan: &Plan, dir: &Path, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir_in(dir)?;
    let mut load = Load::start(plan, dir.path())?;
    let empty = load.running.memory()?;
    load.set_up(plan)?;
    let full = load.running.memory()?;
    let (mut memory, mut sent) = (Vec::new(), 0);
    while sent < PACKETS {
        load.blast(Traffic::new(SHARE), plan.frames)?;
        sent += u64::from(plan.frames);
        memory.push(load.running.memory()?);
    }
    calls::tear_down(&load.link, plan.calls, plan.calls_a_second)?;
    load.running.settle();
    let (summary, tally) = load.end()?;
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    let (early, last) = (memory.get(1).copied().unwrap_or(full), memory.last().copied());
    figures.add("soak_packets", sent as f64);
    figures.add("soak_written", tally.media.iter().sum::<u64>() as f64);
    figures.add("soak_duplicates", tally.duplicates as f64);
    figures.add("soak_corrupt", tally.corrupt as f64);
    figures.add("soak_disorder", tally.disorder as f64);
    figures.add("soak_memory_grown_mib", mib(last.unwrap_or(early)) - mib(early));
    figures.add("memory_a_stream_bytes", (full - empty) as f64 / f64::from(2 * plan.calls));
    let messages = MESSAGES * u64::from(plan.calls);
    figures.add("signalling_lost", messages as f64 - tally.signalling as f64);
    figures.add("conservation_unexplained", summary.unexplained as f64);
    figures.keep(json!({
        "session": "soak",
        "calls": summary.calls,
        "calls_a_second": plan.calls_a_second,
        "signalling": tally.signalling,
        "memory_mib": memory.into_iter().map(mib).collect::<Vec<_>>(),
        "frames": summary.frames,
    }));
    Ok(())
}

//! Calls from their set-up to their end, and a hundred million packets between: is anything lost of the
//! signalling, is any packet there twice, damaged or out of order, and does memory stay as it is?

use std::path::Path;

use anyhow::Result;
use calltap_bench::desk::Desk;
use calltap_xdp::generator::Traffic;
use serde_json::json;

use crate::calls;
use crate::figures::Figures;
use crate::link::Link;
use crate::session::{Plan, Summary, blast};
use crate::tally::{Pass, Tally};
use crate::tool::Tool;

/// Packets on the link.
const PACKETS: u64 = 100_000_000;

/// Of a hundred, the target's; the disk must hold them.
const SHARE: u8 = 10;

/// Messages of a call: an INVITE, a BYE, and a 200 for each.
const MESSAGES: u64 = 4;

pub(crate) fn soak(plan: &Plan, dir: &Path, figures: &mut Figures) -> Result<()> {
    let dir = tempfile::tempdir_in(dir)?;
    let desk = Desk::lay();
    desk.post();
    let link = Link::open()?;
    let before = Link::carried()?;
    let running = Tool::Calltap.start(plan.cpu, &dir.path().join("tool"), &desk)?;
    let empty = running.memory()?;
    calls::set_up(&link, plan.calls, plan.calls_a_second)?;
    running.settle();
    let first = Pass::first_packets(2 * plan.calls);
    calls::speak(&link, first, plan.streams_a_second.max(1))?;
    running.settle();
    let full = running.memory()?;
    let (mut passes, mut memory, mut sent) = (vec![first], Vec::new(), 0);
    while sent < PACKETS {
        let mut pass = Pass::blast(Traffic::new(SHARE), plan.frames.into());
        pass.first += sent;
        sent += pass.frames;
        blast(&link, &running, pass)?;
        passes.push(pass);
        memory.push(running.memory()?);
    }
    calls::tear_down(&link, plan.calls, plan.calls_a_second)?;
    running.settle();
    let stopped = running.stop()?;
    let carried = Link::carried()? - before;
    let tally = Tally::of(&stopped.files, &passes)?;
    let summary = Summary::of(&stopped.said()?, carried, &tally)?;
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

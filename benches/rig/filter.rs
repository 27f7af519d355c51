//! What a stranger's packet costs in the kernel, with few endpoints open and with a million.
//!
//! Every packet is of another flow than the one before; what making it costs is measured beside, and
//! subtracted.

use std::time::Duration;

use anyhow::{Result, ensure};
use calltap_bench::frame::endpoint;
use calltap_xdp::generator::{Timing, Traffic};
use calltap_xdp::{Filter, LoadOptions, TestRun, clock};

use crate::figures::Figures;

/// Frames of a run, and runs of each program in a round, in turns.
const FRAMES: u32 = 1 << 20;
const TURNS: u32 = 5;

/// Room as `calltap run` has it when no setting says otherwise, and for a million.
const USUAL: u32 = 1 << 18;
const MILLION: u32 = 1 << 20;

pub(crate) fn miss(rounds: u32, figures: &mut Figures) -> Result<()> {
    let traffic = Traffic::new(0);
    let few = filter(USUAL, 1_000)?;
    let roomy = filter(MILLION, 1_000)?;
    let many = filter(MILLION, 1_000_000)?;
    let programs = [
        Timing::of_nothing(traffic)?,
        Timing::of_walk(traffic)?,
        Timing::of_filter(traffic, &few)?,
        Timing::of_filter(traffic, &roomy)?,
        Timing::of_filter(traffic, &many)?,
    ];
    for _ in 0..rounds {
        let mut total = [Duration::ZERO; 5];
        for _ in 0..TURNS {
            for (program, total) in programs.iter().zip(&mut total) {
                let (action, time) = program.run(FRAMES)?;
                ensure!(action == TestRun::DROP, "a stranger's frame came to {action}");
                *total += time;
            }
        }
        let [nothing, walk, few, roomy, many] =
            total.map(|time| time.as_secs_f64() * 1e9 / f64::from(TURNS));
        figures.add("miss_1m_vs_1k", (many - nothing) / (few - nothing));
        figures.add("miss_1m_vs_1k_with_room_for_1m", (many - nothing) / (roomy - nothing));
        figures.add("miss_ns_over_parse", many - walk);
        figures.add("miss_ns_over_parse_1k", few - walk);
        figures.add("walk_ns", walk - nothing);
        figures.add("miss_ns_1m", many - nothing);
        figures.add("generator_ns", nothing);
    }
    Ok(())
}

/// A warrant is in force, and so many endpoints are open, none of which the strangers have.
fn filter(max_endpoints: u32, open: u32) -> Result<Filter> {
    let mut filter = Filter::load(LoadOptions { max_endpoints, ..LoadOptions::default() })?;
    let later = clock::boot_ns() + 3_600_000_000_000;
    filter.set_signalling_ports(&[5060]);
    filter.set_signalling_deadline(later);
    for number in 0..open {
        filter.open_endpoint(endpoint(number), later)?;
    }
    Ok(filter)
}

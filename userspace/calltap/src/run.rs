//! `calltap run`: warrants executed on the wire.

use std::time::Duration;

use anyhow::bail;
use calltap_proto::packet::LinkType;
use calltap_xdp::clock;
use tracing::{error, info};

use crate::config::Config;
use crate::confine::{Confinement, Places, Work};
use crate::docket::Docket;
use crate::engine::{Ended, Engine};
use crate::summary::{Frames, Summary, Trigger};
use crate::wire::Wire;
use crate::{Outcome, cli, loss, paper, recording, resume};

/// What the log says once every part stands.
pub const CAPTURING: &str = "capturing";

/// Executes warrants on the wire until told to stop, and prints what came of it.
///
/// # Errors
/// As [`execute`], and standard output that is closed.
pub fn run(arguments: &cli::Run) -> anyhow::Result<Outcome> {
    let (outcome, summary) = execute(arguments)?;
    summary.print(arguments.execution.json)?;
    Ok(outcome)
}

/// Executes warrants on the wire until told to stop, and says what came of it.
///
/// # Errors
/// Set-up that fails, with the mend named.
pub fn execute(arguments: &cli::Run) -> anyhow::Result<(Outcome, Summary)> {
    let cli::Run { interfaces, warrants, seconds, execution } = arguments;
    let config = Config::of(execution)?;
    let missing = calltap_xdp::missing_capabilities();
    if !missing.is_empty() {
        bail!(
            "capturing needs {}: run as root, or give the program these capabilities (setcap); \
             `calltap replay` needs none",
            missing.join(", ")
        );
    }
    if clock::is_shifted() {
        bail!(
            "this process is in a time namespace: its clock is not the kernel's, which ends what \
             a warrant covers; start calltap outside of it"
        );
    }
    let now_ns = paper::now_ns();
    let mut papers =
        paper::directory(warrants, paper::trusted(&execution.trust, &config)?, now_ns)?;
    papers.log_count(warrants);
    papers.log_refusals();
    let wire = Wire::open(interfaces, &config)?;
    let clock = clock::boot_to_unix();
    let session = recording::wire_session(&wire.facts, clock, wire.filter.identity()?);
    let links = vec![LinkType::Ethernet; wire.facts.len()];
    let node = recording::node_key(&config)?;
    // Everything that takes a privilege is open, and no thread is started yet.
    let places =
        Places::default().reading([&execution.trust, warrants]).writing(&execution.evidence)?;
    let confinement = Confinement::to(Work::Capture, &places, config.confinement)?;
    let (mut recorder, orders) =
        recording::open(&execution.evidence, &config, node.clone(), &mut papers, session, links)?;
    recorder.audit("confined", &confinement.details())?;
    let found = resume::find(&execution.evidence, &orders, &wire.facts, paper::now_ns());
    recorder.resume(&found);
    let unfinished = found.into_iter().flatten().collect();
    let engine = Engine::start(wire, recorder, (orders, unfinished), &config, clock)?;
    info!("{CAPTURING} on {}", interfaces.join(", "));
    let docket = Docket::new(warrants, &execution.trust, &config, papers);
    let ended = engine.control(*seconds, docket)?;
    let (outcome, summary) = ended.summary()?;
    recording::audit_frames(&execution.evidence, &node, &summary.frames);
    Ok((outcome, summary))
}

impl Ended {
    fn summary(self) -> anyhow::Result<(Outcome, Summary)> {
        let frames = self.frames()?;
        let counters = self.closing.filter.counters()?;
        let counted = counters.iter().filter(|(_, frames)| *frames > 0);
        let counted: Vec<_> =
            counted.map(|(counter, frames)| format!("{} {frames}", counter.name())).collect();
        info!("the filter counted: {}", counted.join(", "));
        let unexplained = frames.unexplained();
        if unexplained != 0 {
            error!("{unexplained} frames are not accounted for: please report this");
        }
        let trigger = &self.closing.trigger_ns;
        let microseconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e6;
        let trigger_us = (!trigger.is_empty()).then(|| Trigger {
            count: trigger.len(),
            p50: microseconds(trigger.value_at_quantile(0.5)),
            p90: microseconds(trigger.value_at_quantile(0.9)),
            p99: microseconds(trigger.value_at_quantile(0.99)),
            p999: microseconds(trigger.value_at_quantile(0.999)),
            max: microseconds(trigger.max()),
        });
        let fine = !self.failed && unexplained == 0 && self.recorded.whole;
        let outcome = if fine { Outcome::Fine } else { Outcome::NotFine };
        let summary = Summary::new(frames, self.recorded, self.closing.counted, trigger_us);
        Ok((outcome, Summary { altered: self.closing.altered, ..summary }))
    }

    /// Adds up what the kernel, the sockets, the workers and the recorder counted.
    fn frames(&self) -> anyhow::Result<Frames> {
        let kernel = self.closing.filter.counters()?;
        let mut frames = Frames {
            seen: kernel.seen(),
            passed: kernel.passed(),
            filtered: kernel.filtered(),
            nic: self.nic,
            ..Frames::default()
        };
        let of_workers = self.tallies.iter().flat_map(|(tally, statistics)| {
            loss::of_socket(statistics).into_iter().chain(loss::of_worker(tally))
        });
        let of_signalling = self.closing.statistics.iter().flat_map(loss::of_signalling);
        let losses = loss::of_filter(&kernel).into_iter().chain(of_workers).chain(of_signalling);
        losses.for_each(|(place, lost)| frames.lose(place, lost));
        let worked: u64 = self.tallies.iter().map(|(tally, _)| tally.received - tally.lost()).sum();
        frames.delivered = worked + self.closing.received;
        // A frame that could not be written was delivered, and then lost.
        let behind =
            [("recorder_behind", self.closing.lost_records), ("disk", self.recorded.unwritten)];
        for (place, unwritten) in behind {
            let unwritten = unwritten.min(frames.delivered);
            frames.delivered -= unwritten;
            frames.lose(place, unwritten);
        }
        Ok(frames)
    }
}

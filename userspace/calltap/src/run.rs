//! `calltap run`: warrants executed on the wire.

use anyhow::bail;
use calltap_proto::packet::LinkType;
use calltap_xdp::clock;
use crossbeam::channel::unbounded;
use tokio::sync::watch;
use tracing::{error, info};

use crate::accounting::Counted;
use crate::config::{self, Config, Settings};
use crate::confine::{Confinement, Places, Work};
use crate::docket::Docket;
use crate::engine::{Ended, Engine};
use crate::live::gathering::Gathering;
use crate::live::serve::Listening;
use crate::summary::{Frames, Percentiles, Summary};
use crate::wire::Wire;
use crate::{Outcome, cli, paper, recording, resume};

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
    let cli::Run { interfaces, warrants, seconds, execution, .. } = arguments;
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
    // Ahead of every thread, as each is started where the one that starts it runs.
    wire.placement.keep_off();
    let clock = clock::boot_to_unix();
    let session = recording::wire_session(&wire.facts, clock, wire.filter.identity()?);
    let links = vec![LinkType::Ethernet; wire.facts.len()];
    let node = recording::node_key(&config)?;
    // Everything that takes a privilege is open, and no thread is started yet but that which tells
    // how the capture stands, as it may do other things.
    // The directory, as an editor puts another file in the place of the settings'.
    let settings = execution.config.as_deref().map(config::directory);
    let places = Places::default()
        .reading([&execution.trust, warrants])
        .reading(settings)
        .writing(&execution.evidence)?;
    let (snapshots, told) = watch::channel(None);
    let (acts, acted) = unbounded();
    let serving = Listening::open(arguments, &config, acts)?.serve(told, config.confinement)?;
    let places = places.removing(serving.directory());
    let confinement = Confinement::to(Work::Capture, &places, config.confinement)?;
    let (mut recorder, orders) =
        recording::open(&execution.evidence, &config, node.clone(), &mut papers, session, links)?;
    recorder.audit("confined", &confinement.details())?;
    recorder.audit_acts(acted);
    let found = resume::find(&execution.evidence, &orders, &wire.facts, paper::now_ns());
    recorder.resume(&found);
    let unfinished = found.into_iter().flatten().collect();
    let gathering = Gathering::new(wire.facts.clone(), &execution.evidence, clock);
    let engine = Engine::start(wire, recorder, (orders, unfinished), &config, clock, gathering)?;
    info!("{CAPTURING} on {}", interfaces.join(", "));
    let docket = Docket::new(warrants, &execution.trust, &config, papers);
    let settings = Settings::new(execution, &config);
    let ended = engine.control(*seconds, docket, settings, snapshots)?;
    serving.finish();
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
        let trigger_us = Percentiles::of(&self.closing.trigger_ns);
        let staged_us = Percentiles::of(&self.staged_ns);
        let fine = !self.failed && unexplained == 0 && self.recorded.whole;
        let outcome = if fine { Outcome::Fine } else { Outcome::NotFine };
        let summary = Summary::new(frames, self.recorded, self.closing.counted, trigger_us);
        Ok((outcome, Summary { altered: self.closing.altered, staged_us, ..summary }))
    }

    /// Adds up what the kernel, the sockets, the workers and the recorder counted.
    fn frames(&self) -> anyhow::Result<Frames> {
        let counted = Counted {
            kernel: self.closing.filter.counters()?,
            workers: self.tallies.clone(),
            following: self.closing.statistics.clone(),
            followed: self.closing.received,
            lost_records: self.closing.lost_records,
            unwritten: self.recorded.unwritten,
            nic: self.nic,
        };
        Ok(counted.frames())
    }
}

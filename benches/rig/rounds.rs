//! Every tool has its turn in every round, and calltap's figures are held against the others'.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::figures::Figures;
use crate::session::{Blast, Plan, Session, Summary, session, start_and_stop};
use crate::tool::Tool;

/// So many rounds of the link, and the figures that come of them.
pub(crate) fn rounds(
    tools: &[Tool],
    shares: &[u8],
    rounds: u32,
    plan: &Plan,
    dir: &Path,
    figures: &mut Figures,
) -> Result<()> {
    for round in 0..rounds {
        let mut sessions = Vec::new();
        for &tool in tools {
            let dir = tempfile::tempdir_in(dir)?;
            let session = session(tool, shares, plan, &dir.path().join("tool"))?;
            figures.keep(in_full(round, &session));
            for blast in &session.blasts {
                let name = format!("{}_{}", tool.name(), blast.share);
                figures.add(&format!("accepted_mpps_{name}"), blast.accepted() / 1e6);
                figures.add(&format!("cpu_ns_written_{name}"), blast.cpu_per_written() * 1e9);
                figures.add(&format!("loss_percent_{name}"), blast.loss() * 100.0);
            }
            if let Some((sent, written)) = session.first_packets {
                figures.add("first_packets_lost", (sent - written) as f64);
            }
            sessions.push(session);
        }
        compare(&sessions, figures);
    }
    if tools.contains(&Tool::Calltap) {
        let dir = tempfile::tempdir_in(dir)?;
        let summary = start_and_stop(plan, &dir.path().join("tool"))?;
        figures.keep(json!({ "session": "start and stop under load", "frames": summary.frames }));
        count(&summary, figures);
    } else {
        figures.miss("conservation_unexplained", "calltap was not among the tools");
    }
    for opponent in [Tool::Tcpdump, Tool::Netsniff, Tool::Dumpcap] {
        if !tools.contains(&opponent) {
            for share in ["keep1", "keep10", "keep100"] {
                let why = format!("{} was not there to compare with", opponent.name());
                figures.miss(&format!("{share}_vs_{}", short(opponent)), why);
            }
        }
    }
    Ok(())
}

/// What becomes of a blast that begins all streams of all calls at once.
pub(crate) fn cold(plan: &Plan, dir: &Path, figures: &mut Figures) -> Result<()> {
    let plan = Plan { streams_a_second: 0, ..*plan };
    let dir = tempfile::tempdir_in(dir)?;
    let session = session(Tool::Calltap, &[100], &plan, &dir.path().join("tool"))?;
    figures.keep(in_full(0, &session));
    for blast in &session.blasts {
        figures.add("accepted_mpps_calltap_100_cold", blast.accepted() / 1e6);
        figures.add("loss_percent_calltap_100_cold", blast.loss() * 100.0);
    }
    session.summary.iter().for_each(|summary| count(summary, figures));
    Ok(())
}

fn count(summary: &Summary, figures: &mut Figures) {
    figures.add("conservation_unexplained", summary.unexplained as f64);
}

/// The ratios of one round.
fn compare(sessions: &[Session], figures: &mut Figures) {
    let of = |tool| sessions.iter().find(|session| session.tool == tool);
    let Some(calltap) = of(Tool::Calltap) else { return };
    if let Some(summary) = &calltap.summary {
        count(summary, figures);
        let calls = summary.calls as f64;
        figures.add("calls_followed", calls);
    }
    for ours in &calltap.blasts {
        for opponent in [Tool::Tcpdump, Tool::Netsniff, Tool::Dumpcap] {
            let Some(theirs) = of(opponent).and_then(|session| blast(session, ours.share)) else {
                continue;
            };
            let name = format!("keep{}_vs_{}", ours.share, short(opponent));
            figures.add(&name, ours.accepted() / theirs.accepted());
            let cpu = ours.cpu_per_written() / theirs.cpu_per_written();
            figures.add(&format!("cpu_{name}"), cpu);
        }
    }
    if let (Some(few), Some(all)) = (blast(calltap, 1), blast(calltap, 100)) {
        figures.add("cpu_keep1_vs_keep100", few.cpu.as_secs_f64() / all.cpu.as_secs_f64());
    }
}

fn blast(session: &Session, share: u8) -> Option<&Blast> {
    session.blasts.iter().find(|blast| blast.share == share)
}

/// As the keys of the figures call it.
fn short(tool: Tool) -> &'static str {
    if tool == Tool::Netsniff { "netsniff" } else { tool.name() }
}

/// A session with all that was counted.
fn in_full(round: u32, session: &Session) -> Value {
    let blasts: Vec<_> = session
        .blasts
        .iter()
        .map(|blast| {
            json!({
                "share": blast.share,
                "seconds": blast.time.as_secs_f64(),
                "sent": blast.carried.taken,
                "refused_by_the_link": blast.carried.refused,
                "wanted": blast.wanted,
                "written": blast.written,
                "cpu_seconds": blast.cpu.as_secs_f64(),
            })
        })
        .collect();
    let tally = &session.tally;
    let summary = session.summary.as_ref().map(|summary| {
        json!({
            "frames": summary.frames,
            "signalling": summary.signalling,
            "calls": summary.calls,
            "unexplained": summary.unexplained,
            "trigger_us": summary.trigger_us,
        })
    });
    json!({
        "round": round,
        "tool": session.tool.name(),
        "blasts": blasts,
        "files": {
            "signalling": tally.signalling,
            "strangers": tally.strangers,
            "duplicates": tally.duplicates,
            "disorder": tally.disorder,
            "corrupt": tally.corrupt,
        },
        "summary": summary,
    })
}

//! `calltap status`: how the running capture stands, on one screen.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use super::{Snapshot, place};
use crate::{Outcome, cli};

/// Prints how the capture stands; exit code 1 where none runs, or something is wrong with it.
///
/// # Errors
/// Several captures run and none is named, or one does not answer.
pub fn status(arguments: &cli::Status) -> anyhow::Result<Outcome> {
    let Some(watched) = place::watch(arguments.evidence.as_deref())? else {
        return Ok(none_runs(arguments.evidence.as_deref()));
    };
    let snapshot = &watched.snapshot;
    let text =
        if arguments.json { serde_json::to_string(snapshot)? + "\n" } else { words(snapshot) };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(if snapshot.alarms.is_empty() { Outcome::Fine } else { Outcome::NotFine })
}

/// Says that there is nothing to be shown.
pub(super) fn none_runs(evidence: Option<&Path>) -> Outcome {
    let whither = evidence.map(|it| format!(" into {}", it.display()));
    eprintln!("calltap: no capture of this user runs{}", whither.unwrap_or_default());
    Outcome::NotFine
}

/// The snapshot in words.
fn words(snapshot: &Snapshot) -> String {
    let Snapshot { frames, rates, .. } = snapshot;
    let mut out = String::new();
    let mut line = |name: &str, text: String| {
        let _ = writeln!(out, "{name:<10} {text}");
    };
    line(
        "capture",
        format!(
            "process {}, for {}, into {}",
            snapshot.process,
            span(snapshot.up_s),
            snapshot.evidence
        ),
    );
    for it in &snapshot.interfaces {
        let (rate, bits) = (count(it.frames_per_s), bits(it.bits_per_s));
        line("interface", format!("{}: {rate} frames/s, {bits}; {}", it.name, it.mode));
    }
    line(
        "frames",
        format!(
            "{} seen, {} filtered, {} passed, {} delivered, {} lost",
            frames.seen,
            frames.filtered,
            frames.passed,
            frames.delivered,
            frames.lost.values().sum::<u64>()
        ),
    );
    line(
        "per second",
        format!(
            "{} seen, {} filtered, {} delivered, {} lost",
            count(rates.seen),
            count(rates.filtered),
            count(rates.delivered),
            count(rates.lost)
        ),
    );
    for (place, lost) in &frames.lost {
        line("lost", format!("{lost} at {place}"));
    }
    if frames.nic > 0 {
        line("lost", format!("{} by the cards, ahead of the filter", frames.nic));
    }
    if let Some(trigger) = &snapshot.trigger {
        let it = &trigger.percentiles;
        line(
            "trigger",
            format!(
                "p50 {:.0} us, p99 {:.0} us, max {:.0} us of {}",
                it.p50, it.p99, it.max, it.count
            ),
        );
    }
    for it in &snapshot.warrants {
        let code = it.code.as_ref().map_or_else(String::new, |code| format!(" ({code})"));
        line(
            "warrant",
            format!(
                "{} {}{code}: {} calls live, {} ended, {} packets in {}",
                it.liid,
                it.state,
                it.live,
                it.calls,
                it.packets,
                bytes(it.bytes)
            ),
        );
    }
    for (code, files) in &snapshot.refused {
        line("refused", format!("{files} files: {code}"));
    }
    let disk = snapshot.disk;
    line("disk", format!("{} free of {}", bytes(disk.free), bytes(disk.of)));
    for alarm in &snapshot.alarms {
        line("ALARM", format!("{}: {} (since {})", alarm.code, alarm.what, alarm.since));
    }
    out
}

/// A count or a rate in at most six characters.
pub fn count(value: f64) -> String {
    match value {
        ..9_999.5 => format!("{value:.0}"),
        ..999_500.0 => format!("{:.1}k", value / 1e3),
        ..999_500_000.0 => format!("{:.1}M", value / 1e6),
        _ => format!("{:.1}G", value / 1e9),
    }
}

/// Bits a second.
pub fn bits(value: f64) -> String {
    match value {
        ..999_500.0 => format!("{:.0} kbit/s", value / 1e3),
        ..999_500_000.0 => format!("{:.1} Mbit/s", value / 1e6),
        _ => format!("{:.2} Gbit/s", value / 1e9),
    }
}

/// Bytes, in decimal units.
pub fn bytes(value: u64) -> String {
    let value = value as f64;
    match value {
        ..999_500.0 => format!("{:.0} kB", value / 1e3),
        ..999_500_000.0 => format!("{:.1} MB", value / 1e6),
        ..999_500_000_000.0 => format!("{:.1} GB", value / 1e9),
        _ => format!("{:.1} TB", value / 1e12),
    }
}

/// A time span in its two largest units.
pub fn span(seconds: f64) -> String {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a span of years")]
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match () {
        () if days > 0 => format!("{days} d {:02} h", hours % 24),
        () if hours > 0 => format!("{hours} h {:02} min", minutes % 60),
        () if minutes > 0 => format!("{minutes} min {:02} s", seconds % 60),
        () => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_have_their_unit() {
        assert_eq!([0.0, 9999.4, 10_000.0, 1e7].map(count), ["0", "9999", "10.0k", "10.0M"]);
        assert_eq!(
            [12_345.0, 1.25e8, 9.5e9].map(bits),
            ["12 kbit/s", "125.0 Mbit/s", "9.50 Gbit/s"]
        );
        assert_eq!([1, 2_000_000].map(bytes), ["0 kB", "2.0 MB"]);
        assert_eq!(
            [59.9, 61.0, 7200.0, 90_000.0].map(span),
            ["59 s", "1 min 01 s", "2 h 00 min", "1 d 01 h"]
        );
    }
}

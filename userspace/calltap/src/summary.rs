//! The one JSON object that `replay` and `run` print at their end.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Write as _;
use std::time::Duration;

use calltap_evidence::lines::{CallLine, VolumeLine};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::recorder::Recorded;

/// What became of every frame, which calls were kept, and in which volumes.
#[derive(Debug, Default, Serialize)]
pub struct Summary {
    /// What became of every frame.
    pub frames: Frames,
    /// The calls of the warrants' targets.
    pub calls: Vec<CallLine>,
    /// The sealed volumes.
    pub volumes: Vec<Volume>,
    /// What was seen of signalling and given up, by name.
    pub signalling: BTreeMap<&'static str, u64>,
    /// How often the kernel's maps or programs were not as they were written; see the audit.
    #[serde(skip_serializing_if = "is_zero")]
    pub altered: u64,
    /// How long it took from a message's arrival until its endpoints were in the kernel's map;
    /// absent where there is no kernel map.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger_us: Option<Percentiles>,
    /// How long it took from the arrival of media until the recorder had it, each time of the
    /// earliest packet that came there together; absent where none was captured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staged_us: Option<Percentiles>,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// Frames by what became of them: `seen = passed + filtered + delivered + sum(lost)`.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Frames that reached the filter.
    pub seen: u64,
    /// Frames left to the host's own stack.
    pub passed: u64,
    /// Frames that nobody asked for, dropped by the filter.
    pub filtered: u64,
    /// Frames that reached a worker and were not lost behind it.
    pub delivered: u64,
    /// Frames lost, by place.
    pub lost: BTreeMap<String, u64>,
    /// Frames that the cards dropped before the filter saw them: no part of `seen`.
    pub nic: u64,
}

/// A sealed volume.
#[derive(Debug, Serialize)]
pub struct Volume {
    /// The warrant's LIID.
    pub liid: String,
    /// Its path within the evidence directory.
    pub path: String,
    /// SHA-256 of the file.
    pub sha256: String,
    /// Packets, those carried over not counted.
    pub packets: u64,
    /// Packets repeated at its head, so that it decodes alone.
    pub carried: u64,
    /// Packets of which bytes were overwritten, as the warrant does not order them.
    #[serde(skip_serializing_if = "is_zero")]
    pub masked: u64,
}

impl From<VolumeLine> for Volume {
    fn from(line: VolumeLine) -> Self {
        let path = line.path();
        let VolumeLine { liid, sha256, packets, carried, masked, .. } = line;
        Self { liid, path, sha256, packets, carried, masked }
    }
}

/// Percentiles of a latency, in microseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Percentiles {
    /// How often it was measured.
    pub count: u64,
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// Largest.
    pub max: f64,
}

impl Summary {
    /// Puts together what the parts of the engine counted.
    pub fn new(
        frames: Frames,
        recorded: Recorded,
        signalling: BTreeMap<&'static str, u64>,
        trigger_us: Option<Percentiles>,
    ) -> Self {
        let volumes = recorded.volumes.into_iter().map(Volume::from).collect();
        let calls = joined(recorded.calls);
        Self { frames, calls, volumes, signalling, altered: 0, trigger_us, staged_us: None }
    }

    /// Prints the object on standard output, or without `json` a few lines for a person.
    ///
    /// # Errors
    /// Standard output is closed.
    pub fn print(&self, json: bool) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer(&mut out, self)?;
            writeln!(out)?;
            return Ok(());
        }
        let Frames { seen, passed, filtered, delivered, lost, nic } = &self.frames;
        write!(out, "frames    {seen} seen: {filtered} filtered, {passed} passed, ")?;
        writeln!(out, "{delivered} delivered, {} lost", lost.values().sum::<u64>())?;
        for (place, frames) in lost {
            writeln!(out, "  lost    {frames} at {place}")?;
        }
        if *nic > 0 {
            writeln!(out, "  lost    {nic} at nic, before the filter")?;
        }
        let counted = |name| self.signalling.get(name).copied().unwrap_or_default();
        write!(out, "messages  {} seen: {} of targets, ", counted("messages"), counted("kept"))?;
        writeln!(out, "{} of them flawed", counted("flawed"))?;
        for call in &self.calls {
            let CallLine { liid, cin, call_id, iri_packets, cc_packets, .. } = call;
            write!(
                out,
                "call      {liid} CIN {cin} {call_id}: {iri_packets} signalling packets, "
            )?;
            writeln!(out, "{cc_packets} media packets in {} streams", call.streams.len())?;
        }
        for volume in &self.volumes {
            writeln!(out, "volume    {} ({} packets)", volume.path, volume.packets)?;
        }
        Ok(())
    }
}

/// The calls, each once: one that went on after its end, as a refreshed registration does, has a
/// line for each of its parts.
pub(crate) fn joined(lines: Vec<CallLine>) -> Vec<CallLine> {
    let mut calls: BTreeMap<(String, u32), CallLine> = BTreeMap::new();
    for line in lines {
        match calls.entry((line.liid.clone(), line.cin)) {
            Entry::Vacant(place) => drop(place.insert(line)),
            Entry::Occupied(mut place) => {
                let call = place.get_mut();
                call.ended = line.ended;
                call.cause = line.cause;
                call.iri_packets += line.iri_packets;
                call.cc_packets += line.cc_packets;
                call.streams.extend(line.streams);
                call.messages.extend(line.messages);
                call.bodies.extend(line.bodies);
                call.bodies.sort();
                call.bodies.dedup();
                call.digits.extend(line.digits);
                call.volumes.extend(line.volumes);
                call.volumes.dedup();
            }
        }
    }
    calls.into_values().collect()
}

impl Percentiles {
    /// Of a histogram of nanoseconds; none of an empty one.
    pub fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let microseconds = |ns: u64| Duration::from_nanos(ns).as_secs_f64() * 1e6;
        let quantile = |share| microseconds(histogram.value_at_quantile(share));
        (!histogram.is_empty()).then(|| Self {
            count: histogram.len(),
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: microseconds(histogram.max()),
        })
    }
}

impl Frames {
    /// Counts `frames` as lost at `place`; nothing is written for zero.
    pub fn lose(&mut self, place: &'static str, frames: u64) {
        if frames > 0 {
            *self.lost.entry(place.to_owned()).or_default() += frames;
        }
    }

    /// `seen` less everything that is accounted for; not zero means that the accounting is wrong.
    pub fn unexplained(&self) -> i128 {
        let lost: u64 = self.lost.values().sum();
        i128::from(self.seen)
            - i128::from(self.passed)
            - i128::from(self.filtered)
            - i128::from(self.delivered)
            - i128::from(lost)
    }
}

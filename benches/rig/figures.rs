//! The figures, each the median of its rounds, as one JSON object.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

/// The figures that the object always has; one that was not measured is null, and `missing` says
/// why.
const KEYS: [&str; 12] = [
    "conservation_unexplained",
    "keep100_vs_tcpdump",
    "keep100_vs_netsniff",
    "keep1_vs_tcpdump",
    "cpu_keep1_vs_keep100",
    "miss_1m_vs_1k",
    "miss_ns_over_parse",
    "writer_vs_dd",
    "instructions_200k_vs_1k",
    "replay_mpps",
    "replay_vs_tshark",
    "trigger_p99_us",
];

/// What was measured, round by round.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    rounds: BTreeMap<String, Vec<f64>>,
    missing: BTreeMap<String, String>,
    sessions: Vec<Value>,
}

impl Figures {
    /// One round's value.
    pub(crate) fn add(&mut self, key: &str, value: f64) {
        eprintln!("rig: {key} {}", rounded(value));
        self.rounds.entry(key.to_owned()).or_default().push(value);
    }

    /// Why there is no value.
    pub(crate) fn miss(&mut self, key: &str, why: impl Into<String>) {
        let why = why.into();
        eprintln!("rig: no {key}: {why}");
        self.missing.insert(key.to_owned(), why);
    }

    /// What a session came to, in full.
    pub(crate) fn keep(&mut self, session: Value) {
        self.sessions.push(session);
    }

    /// The median of the rounds.
    pub(crate) fn median(&self, key: &str) -> Option<f64> {
        let mut values = self.rounds.get(key)?.clone();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = *values.get(middle)?;
        let even = values.len().is_multiple_of(2);
        Some(if even { f64::midpoint(values[middle - 1], upper) } else { upper })
    }

    /// The least and the greatest of the rounds.
    pub(crate) fn spread(&self, key: &str) -> Option<[f64; 2]> {
        let values = self.rounds.get(key)?;
        let least = values.iter().copied().min_by(f64::total_cmp)?;
        Some([least, values.iter().copied().max_by(f64::total_cmp)?])
    }

    /// The one object.
    pub(crate) fn object(&self) -> Value {
        let mut object = serde_json::Map::new();
        let mut missing = self.missing.clone();
        for key in KEYS {
            // Nothing that is unexplained in one round is made good by another.
            let sum = || self.rounds.get(key).map(|rounds| rounds.iter().sum());
            let value = if key == "conservation_unexplained" { sum() } else { self.median(key) };
            if value.is_none() {
                missing.entry(key.to_owned()).or_insert_with(|| "not asked for".to_owned());
            }
            object.insert(key.to_owned(), value.map_or(Value::Null, rounded));
        }
        let others = self.rounds.keys().filter(|key| !KEYS.contains(&key.as_str()));
        let more: BTreeMap<_, _> =
            others.map(|key| (key, self.median(key).map_or(Value::Null, rounded))).collect();
        let rounds: BTreeMap<_, Vec<_>> = self
            .rounds
            .iter()
            .map(|(key, values)| (key, values.iter().copied().map(rounded).collect()))
            .collect();
        object.insert("missing".to_owned(), json!(missing));
        object.insert("more".to_owned(), json!(more));
        object.insert("rounds".to_owned(), json!(rounds));
        object.insert("sessions".to_owned(), json!(self.sessions));
        object.insert("machine".to_owned(), machine());
        Value::Object(object)
    }
}

/// Four digits: more would be noise.
fn rounded(value: f64) -> Value {
    json!(format!("{value:.3e}").parse::<f64>().unwrap_or(value))
}

/// Where it was measured.
fn machine() -> Value {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    json!({
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "cpu": model.map(|(_, name)| name),
        "cpus": cpus.lines().filter(|line| line.starts_with("processor")).count(),
        "load": read("/proc/loadavg").split(' ').next(),
        "link": "veth pair, one queue, XDP native, AF_XDP copy mode",
    })
}

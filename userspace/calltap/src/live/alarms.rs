//! What is wrong with a capture at a moment, judged from its snapshot alone.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::Snapshot;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// Which kind: one of [`CODES`].
    pub code: String,
    /// What, in words, without identities.
    pub what: String,
    /// Since when (RFC 3339, UTC).
    pub since: String,
}

/// Every kind of alarm.
pub const CODES: [&str; 8] = [
    "data-plane-altered",
    "disk-nearly-full",
    "evidence-stopped",
    "frames-lost",
    "interface-gone",
    "nic-drops",
    "thread-silent",
    "warrant-refused",
];

/// A loss is an alarm for so many seconds.
const RECENT: usize = 60;

/// Less of the disk than this is free: what is kept needs room to be sealed.
const NEARLY_FULL: f64 = 0.05;

/// What is wrong, and since when.
#[derive(Debug, Default)]
pub struct Alarms {
    since: BTreeMap<(&'static str, String), String>,
    /// Losses by place, of each of the last seconds.
    lost: VecDeque<BTreeMap<String, u64>>,
}

/// What a snapshot does not have.
#[derive(Debug, Default)]
pub struct Beside {
    /// How often the kernel held what nobody here had put there.
    pub altered: u64,
    /// LIIDs whose evidence cannot be written.
    pub stopped: Vec<String>,
    /// Interfaces that are gone.
    pub gone: Vec<String>,
    /// Threads that have told nothing for a while.
    pub silent: Vec<String>,
}

impl Alarms {
    /// Judges what stands, once a second; the oldest alarm first.
    pub fn look(&mut self, snapshot: &Snapshot, beside: &Beside) -> Vec<Alarm> {
        let mut found: Vec<(&'static str, String, String)> = Vec::new();
        let mut add = |code, whose: &str, what: String| found.push((code, whose.to_owned(), what));
        if beside.altered > 0 {
            let what = format!("what the kernel holds was altered {} times", beside.altered);
            add("data-plane-altered", "", what);
        }
        for liid in &beside.stopped {
            let what = format!("LIID {liid}: its evidence cannot be written");
            add("evidence-stopped", liid, what);
        }
        for name in &beside.gone {
            add("interface-gone", name, format!("{name} is gone"));
        }
        for thread in &beside.silent {
            add("thread-silent", thread, format!("{thread} has told nothing for seconds"));
        }
        if snapshot.disk.share() < NEARLY_FULL {
            let free = snapshot.disk.free >> 20;
            add("disk-nearly-full", "", format!("{free} MiB are free for evidence"));
        }
        let refused = snapshot.warrants.iter().filter(|it| it.state == "refused").count() as u64
            + snapshot.refused.values().sum::<u64>();
        if refused > 0 {
            add("warrant-refused", "", format!("{refused} warrants are refused"));
        }
        let mut now = snapshot.frames.lost.clone();
        now.insert("nic".to_owned(), snapshot.frames.nic);
        for (place, lost) in &now {
            let before = self.lost.front().and_then(|then| then.get(place)).copied().unwrap_or(0);
            let recent = lost.saturating_sub(before);
            if recent > 0 {
                let code = if place == "nic" { "nic-drops" } else { "frames-lost" };
                add(code, place, format!("{recent} frames lost in the last minute: {place}"));
            }
        }
        self.lost.push_back(now);
        if self.lost.len() > RECENT {
            self.lost.pop_front();
        }
        let keys: Vec<_> = found.iter().map(|(code, whose, _)| (*code, whose.clone())).collect();
        self.since.retain(|key, _| keys.contains(key));
        let mut alarms: Vec<_> = found
            .into_iter()
            .map(|(code, whose, what)| {
                let begun = self.since.entry((code, whose)).or_insert_with(|| snapshot.at.clone());
                Alarm { code: code.to_owned(), what, since: begun.clone() }
            })
            .collect();
        alarms.sort_by(|one, other| (&one.since, &one.code).cmp(&(&other.since, &other.code)));
        alarms
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Free, Warrant};

    fn at(second: u64) -> Snapshot {
        let disk = Free { free: 50, of: 100 };
        Snapshot { at: format!("2026-11-23T16:04:{second:02}Z"), disk, ..Snapshot::default() }
    }

    fn codes(alarms: &[Alarm]) -> Vec<&str> {
        alarms.iter().map(|alarm| alarm.code.as_str()).collect()
    }

    #[test]
    fn a_loss_is_an_alarm_for_a_minute_and_keeps_the_time_of_its_beginning() {
        let mut alarms = Alarms::default();
        assert_eq!(alarms.look(&at(0), &Beside::default()), []);
        let mut losing = at(1);
        losing.frames.lose("rx_ring_full", 7);
        let first = alarms.look(&losing, &Beside::default());
        assert_eq!(codes(&first), ["frames-lost"]);
        assert!(first[0].what.contains("7 frames") && first[0].what.contains("rx_ring_full"));
        for second in 2..=60 {
            losing.at = at(second).at;
            assert_eq!(alarms.look(&losing, &Beside::default()), first, "{second}");
        }
        assert_eq!(alarms.look(&losing, &Beside::default()), [], "it is long ago");
    }

    #[test]
    fn each_kind_of_alarm_has_its_code() {
        let mut snapshot = at(0);
        snapshot.disk.free = 4;
        snapshot.frames.nic = 1;
        snapshot.frames.lose("disk", 1);
        snapshot.warrants.push(Warrant { state: "refused".to_owned(), ..Warrant::default() });
        let one = || vec!["A".to_owned()];
        let beside = Beside { altered: 1, stopped: one(), gone: one(), silent: one() };
        let found = Alarms::default().look(&snapshot, &beside);
        assert_eq!(codes(&found), CODES);
    }
}

//! Calls in which a party takes part that their warrant excludes, as the evidence takes it in.

use std::collections::{BTreeMap, HashMap};

use calltap_evidence::chunk::Encoded;
use calltap_evidence::record::Kind;
use calltap_proto::{CallKey, Keep};
use tracing::error;

use super::Recorder;

/// Since when less is kept of which calls, and which of them the audit does not know yet.
#[derive(Debug, Default)]
pub(super) struct Exclusions {
    since: HashMap<CallKey, (u64, Keep)>,
    /// How many calls, by warrant and by what is kept.
    untold: BTreeMap<(u32, Keep), u64>,
    told_ns: u64,
}

/// A line of the audit waits for the disk: one a call would let callers hold up the writing.
const TELL_EVERY_NS: u64 = 1_000_000_000;

impl Exclusions {
    /// Whether a record is not to be written: it was under way when the party was seen.
    pub(super) fn forbid(&self, record: &Encoded<'_>) -> bool {
        if self.since.is_empty() {
            return false;
        }
        let call = CallKey { warrant: record.warrant(), cin: record.cin() };
        let Some(&(since_ns, keep)) = self.since.get(&call) else { return false };
        record.at_ns() >= since_ns && (keep == Keep::Nothing || record.kind() == Kind::Content)
    }

    /// The call has ended, and no record of it is under way.
    pub(super) fn forget(&mut self, call: CallKey) {
        self.since.remove(&call);
    }
}

impl Recorder {
    /// From `at_ns` on, no more than `keep` is written of a call.
    pub(super) fn exclude(&mut self, warrant: u32, call: Option<CallKey>, keep: Keep, at_ns: u64) {
        *self.exclusions.untold.entry((warrant, keep)).or_default() += 1;
        let Some(call) = call else { return };
        self.exclusions.since.insert(call, (at_ns, keep));
        if let Some(live) = self.live.get_mut(call) {
            live.excluded(at_ns, keep);
        }
    }

    /// Writes into the audit in how many calls excluded parties took part since it was last told.
    pub(super) fn tell_exclusions(&mut self, now_ns: u64) {
        let Exclusions { untold, told_ns, .. } = &mut self.exclusions;
        if untold.is_empty() || now_ns < told_ns.saturating_add(TELL_EVERY_NS) {
            return;
        }
        *told_ns = now_ns;
        for ((warrant, keep), calls) in std::mem::take(untold) {
            let liid = self.warrants.iter().find(|(_, number)| **number == warrant);
            let liid = liid.map_or("?", |(liid, _)| liid);
            let calls = calls.to_string();
            let details = [("liid", liid), ("keep", word(keep)), ("calls", &calls)];
            if let Err(cause) = self.store.audit("party-excluded", &details) {
                error!("{cause}");
            }
        }
    }
}

/// As a warrant has it.
pub(super) fn word(keep: Keep) -> &'static str {
    match keep {
        Keep::Nothing => "nothing",
        Keep::Iri => "iri",
    }
}

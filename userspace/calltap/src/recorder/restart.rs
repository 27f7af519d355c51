//! What a restart found of calls in progress, as the evidence takes it in.

use tracing::{error, info, warn};

use super::Recorder;
use super::live::rfc3339;
use crate::resume::{Unfinished, Unreadable};

impl Recorder {
    /// Has the descriptions of calls that an earlier session began repeated by later volumes, as if
    /// there had been no break; says what cannot be read back.
    pub fn resume(&mut self, found: &[Result<Unfinished, Unreadable>]) {
        for result in found {
            let unfinished = match result {
                Ok(unfinished) => unfinished,
                Err((liid, cause)) => {
                    let cause = cause.to_string();
                    warn!("LIID {liid}: calls in progress at the restart are lost: {cause}");
                    self.tell("calls-lost", &[("liid", liid), ("cause", &cause)]);
                    continue;
                }
            };
            for (key, frame) in (0_u64..).zip(&unfinished.frames).filter(|(_, it)| it.describes) {
                let packet = (frame.interface, frame.at_ns, frame.original_len, &*frame.bytes);
                // No hash of a description that comes later is so small, by all likelihood.
                self.store.carry_on(
                    frame.call.warrant,
                    frame.call.cin,
                    key,
                    packet,
                    &unfinished.volume,
                );
            }
        }
    }

    /// Says which calls go on after a restart, and which could not be found again.
    pub(super) fn restarted(
        &mut self,
        liid: &str,
        (resumed, lost): (&[u32], &[u32]),
        from_ns: u64,
        until_ns: u64,
    ) {
        let list = |cins: &[u32]| {
            let cins: Vec<_> = cins.iter().map(u32::to_string).collect();
            cins.join(", ")
        };
        let (resumed, lost) = (list(resumed), list(lost));
        info!("LIID {liid}: calls in progress that go on: {resumed}; that do not: {lost}");
        let (from, until) = (rfc3339(from_ns), rfc3339(until_ns));
        let details = [
            ("liid", liid),
            ("resumed", resumed.as_str()),
            ("lost", lost.as_str()),
            ("nothing_captured_from", from.as_str()),
            ("nothing_captured_until", until.as_str()),
        ];
        self.tell("calls-resumed", &details);
    }

    fn tell(&mut self, event: &str, details: &[(&str, &str)]) {
        if let Err(cause) = self.store.audit(event, details) {
            error!("{cause}");
        }
    }
}

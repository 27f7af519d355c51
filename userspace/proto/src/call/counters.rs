//! What the tracker saw and what it gave up.

use alloc::vec::Vec;

/// Counts since the tracker was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counters {
    /// Frames fed.
    pub frames: u64,
    /// Frames that are no IP packet that can be read.
    pub malformed: u64,
    /// SIP messages framed, strangers' included.
    pub messages: u64,
    /// SIP messages that belong to no warrant.
    pub strangers: u64,
    /// Messages given out, one for each call.
    pub kept: u64,
    /// Payloads that are no SIP.
    pub not_sip: u64,
    /// Messages given out although something was wrong with them.
    pub flawed: u64,
    /// Datagrams that became whole from fragments.
    pub reassembled: u64,
    /// Datagrams given up before all their fragments were there.
    pub fragments_given_up: u64,
    /// Datagrams among those that were a target's, and were given out as far as they were there.
    pub fragments_cut: u64,
    /// Fragments that came when their datagram had been given out without them.
    pub fragments_late: u64,
    /// Fragments of datagrams that had just become whole: mirrored duplicates.
    pub fragments_repeated: u64,
    /// TCP segments that brought nothing new of a target's message: sent again or mirrored twice.
    pub segments_repeated: u64,
    /// TCP streams forgotten for want of room.
    pub streams_evicted: u64,
    /// SCTP messages given up before all their parts were there.
    pub sctp_given_up: u64,
    /// Parts of SCTP messages that had just become whole: sent again or mirrored twice.
    pub sctp_repeated: u64,
    /// Messages with the Call-ID of a target's call from those who take no part in it.
    pub foreign: u64,
    /// Calls in which a party takes part that a warrant excludes, once for each warrant.
    pub excluded: u64,
    /// Strangers' messages that were held for a moment, in memory alone.
    pub held: u64,
    /// Strangers' messages that were held and overwritten before their time, for want of room.
    pub hold_overwritten: u64,
    /// Keys that too many calls share, so that they join none.
    pub joins_refused: u64,
    /// Calls ended for want of room.
    pub calls_evicted: u64,
    /// Endpoints that closed ahead of their grace time, for want of room.
    pub endpoints_evicted: u64,
}

impl Counters {
    /// Each with its name.
    #[must_use]
    pub fn named(&self) -> Vec<(&'static str, u64)> {
        Vec::from([
            ("frames", self.frames),
            ("malformed", self.malformed),
            ("messages", self.messages),
            ("strangers", self.strangers),
            ("kept", self.kept),
            ("not_sip", self.not_sip),
            ("flawed", self.flawed),
            ("reassembled", self.reassembled),
            ("fragments_given_up", self.fragments_given_up),
            ("fragments_cut", self.fragments_cut),
            ("fragments_late", self.fragments_late),
            ("fragments_repeated", self.fragments_repeated),
            ("segments_repeated", self.segments_repeated),
            ("streams_evicted", self.streams_evicted),
            ("sctp_given_up", self.sctp_given_up),
            ("sctp_repeated", self.sctp_repeated),
            ("foreign", self.foreign),
            ("excluded", self.excluded),
            ("held", self.held),
            ("hold_overwritten", self.hold_overwritten),
            ("joins_refused", self.joins_refused),
            ("calls_evicted", self.calls_evicted),
            ("endpoints_evicted", self.endpoints_evicted),
        ])
    }
}

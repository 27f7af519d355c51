//! Keys that are pressed in a call, overwritten where a warrant has them masked: here, as the payload
//! types that descriptions announce are known here.

use calltap_evidence::chunk::Encoded;
use calltap_evidence::record::Kind;
use calltap_proto::CallKey;
use calltap_proto::minimise;
use calltap_proto::packet;

use super::Recorder;

impl Recorder {
    /// Has the keys that are pressed in a warrant's calls overwritten, or kept.
    pub fn mask_digits(&mut self, warrant: u32, masked: bool) {
        if masked {
            self.masking.insert(warrant);
        } else {
            self.masking.remove(&warrant);
        }
    }

    /// A record of media without the key that it tells of; none where it tells of none, or the
    /// warrant orders them.
    pub(super) fn without_digit<'b>(
        &self,
        record: &Encoded<'_>,
        block: &'b mut Vec<u8>,
    ) -> Option<Encoded<'b>> {
        if record.kind() != Kind::Content || !self.masking.contains(&record.warrant()) {
            return None;
        }
        let (link, frame) = (self.link(record)?, record.frame());
        let (source, destination) = packet::parse(link, frame).ok()?.endpoints();
        let call = CallKey { warrant: record.warrant(), cin: record.cin() };
        let live = self.live.get(call);
        let clocks = [source, destination].map(|end| live.and_then(|live| live.clocks(end)));
        let masked = minimise::digits(link, frame, clocks)?;
        Some(record.masked(&masked.frame, masked.count, block))
    }
}

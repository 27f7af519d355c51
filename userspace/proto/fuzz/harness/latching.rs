//! Media of unknown peers: what is learned are frames that came, each once, and of live calls only.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use calltap_proto::media::{Decision, Doubtful, Latch, LatchLimits, MediaTerms};
use calltap_proto::packet::LinkType;
use calltap_proto::{CallKey, Kept, MediaKind, Timestamp};

use super::input::Input;

/// Calls that open, close and end at few endpoints, and packets between them and few peers.
pub(crate) fn latch(data: &[u8]) {
    let mut input = Input(data);
    let mut limits = LatchLimits::default();
    limits.bytes = 4096;
    limits.candidates = 4;
    limits.frames = 8;
    let mut latch = Latch::new(limits);
    let mut live = BTreeSet::new();
    let mut given = BTreeSet::new();
    let mut at = Timestamp(1_000_000_000);
    let end = |byte: u8| SocketAddr::from(([192, 0, 2, byte % 8], 4000 + u16::from(byte % 4)));
    for number in 0..512_u32 {
        if input.is_empty() {
            break;
        }
        at.0 += u64::try_from(input.number()).unwrap() * 100_000;
        let action = input.byte();
        let call = CallKey { warrant: 1 + u32::from(action >> 4 & 1), cin: u32::from(action >> 5) };
        let endpoint = end(input.byte());
        let payload = input.take(24);
        let kept = [Kept::whole(at, number, LinkType::Raw, payload)];
        let source = end(payload.first().copied().unwrap_or_default());
        let packet = Doubtful { at, source, destination: endpoint, payload, frames: &kept };
        let mut open = live.clone();
        let mut sink = |decision: Decision<'_>| {
            let (Decision::Learned { call, .. }
            | Decision::Forgotten { call, .. }
            | Decision::Reopened { call, .. }
            | Decision::Settled { call, .. }) = decision;
            assert!(open.contains(&call), "a decision about a call that is over");
            if let Decision::Learned { frames, .. } = decision {
                for frame in frames {
                    assert!(frame.interface <= number, "a frame that came");
                    assert!(given.insert((call, frame.interface)), "given out twice");
                }
            }
        };
        match action % 8 {
            0 => {
                latch.begin(call, &[action >> 6]);
                live.insert(call);
            }
            1 => latch.heard(call, source.ip()),
            2 => latch.open(call, endpoint, MediaKind::Rtp, &MediaTerms::default(), &mut sink),
            3 => latch.close(call, endpoint, &mut sink),
            4 => {
                latch.end(call);
                live.remove(&call);
            }
            5 => latch.certain(call, &packet, &mut sink),
            6 => latch.tick(at, &mut sink),
            _ => {
                let claims: Vec<_> = live.iter().map(|call| (*call, endpoint)).collect();
                latch.doubtful(&claims, &packet, &mut sink);
            }
        }
        open.clear();
    }
}

//! A call's messages in any choice, order and number.

use super::limits::feed;
use super::script::warrant;
use crate::event::Event;
use crate::{CallKey, Joins, Limits, Timestamp, Tracker};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::format;
use std::vec::Vec;

/// A call with a fork, a hold, a relay's leg and a transfer, and a stranger who uses its Call-ID.
const MESSAGES: [&str; 26] = [
    "A>P INVITE 1 sdp=4000 h=X-CID:_k",
    "P>A 407 INVITE 1",
    "A>P INVITE 2 sdp=4000 h=X-CID:_k",
    "P>B INVITE 7 id=leg from=line7 ftag=p sdp=192.0.2.100:30000 h=X-CID:_k",
    "B>P 183 INVITE 7 id=leg from=line7 ftag=p tag=q sdp=5000",
    "P>A 183 INVITE 2 sdp=192.0.2.100:30002",
    "P>A 183 INVITE 2 tag=c sdp=203.0.113.3:6000",
    "A>P PRACK 3 in sdp=4002",
    "P>A 200 PRACK 3 sdp=192.0.2.100:30004",
    "B>P 200 INVITE 7 id=leg from=line7 ftag=p tag=q sdp=5000",
    "P>A 200 INVITE 2 sdp=192.0.2.100:30002",
    "A>P ACK 2 in",
    "A>P INVITE 4 in sdp=0.0.0.0:4000",
    "P>A 200 INVITE 4 sdp=192.0.2.100:30002 a=inactive",
    "P>A INVITE 1 by=B sdp=192.0.2.100:30006",
    "A>P 491 INVITE 1 by=B",
    "A>P UPDATE 5 in sdp=4100 a=candidate:1_1_UDP_5_203.0.113.9_7000_typ_relay",
    "P>A 200 UPDATE 5 sdp=192.0.2.100:30008",
    "A>P REFER 6 in h=Refer-To:_<sip:carol@example.com>",
    "C>P INVITE 1 id=new from=carol ftag=c sdp=6002 h=Replaces:_1;to-tag=b;from-tag=a",
    "P>C 200 INVITE 1 id=new from=carol ftag=c tag=d sdp=192.0.2.100:30010",
    "A>P CANCEL 2",
    "P>A 487 INVITE 2",
    "X>B INVITE 9 from=eve ftag=x sdp=6666",
    "P>A BYE 8 by=B",
    "A>P 200 BYE 8 by=B",
];

proptest! {
    #[test]
    fn messages_in_any_choice_order_and_number_leave_nothing_open(
        steps in proptest::collection::vec((0..MESSAGES.len(), 0u32..30), 0..60)
    ) {
        let mut limits = Limits::default();
        (limits.hold_messages, limits.hold_bytes, limits.endpoints) = (16, 16 << 10, 8);
        limits.calls = 4;
        let mut tracker = Tracker::new(limits);
        let headers = Vec::from(["Session-ID".into(), "X-CID".into()]);
        tracker.set_joins(Joins { headers, call_id_suffixes: Vec::new() });
        tracker.set_warrants(Vec::from([warrant()]));
        let mut open = BTreeSet::new();
        let mut calls = BTreeSet::new();
        let mut check = |event: Event<'_>| match event {
            Event::CallOpened { call, joined, .. } => {
                assert!(calls.insert(call));
                assert!(joined.is_none_or(|to| to.cin != call.cin));
            }
            Event::CallEnded { call, .. } => {
                assert!(calls.remove(&call));
                assert!(!open.iter().any(|&(of, _): &(CallKey, _)| of == call));
            }
            Event::MediaOpened { call, endpoint, .. } => {
                assert!(calls.contains(&call));
                assert_ne!(endpoint.port(), 6666, "a stranger's");
                open.insert((call, endpoint));
                // Those in their grace time are open beside those that are wanted.
                assert!(open.len() < 4 * 8 * MESSAGES.len());
            }
            Event::MediaClosed { call, endpoint, .. } => assert!(open.remove(&(call, endpoint))),
            Event::Message { call, frames, .. } => {
                assert!(calls.contains(&call) && frames.len() <= 1);
            }
            Event::Excluded { .. }
            | Event::Reassembled { .. }
            | Event::Late { .. }
            | Event::Body { .. } => {}
        };
        let mut tenths = 0;
        for (message, wait) in steps {
            tenths += wait;
            let at = f64::from(tenths) / 10.0;
            let key = CallKey { warrant: 1, cin: wait };
            tracker.media_seen(key, super::script::nanos(at));
            feed(&mut tracker, &format!("{at} {}", MESSAGES[message]), &mut check);
        }
        tracker.finish(Timestamp::MAX, &mut check);
        prop_assert!(open.is_empty() && calls.is_empty());
        prop_assert_eq!(tracker.next_deadline(), None);
    }
}

//! Who uses a target's Call-ID without taking part in its call, and who takes part in another way.

use super::script::events;

const CALL: &str = "0 A>P INVITE 1 sdp=4000
                    0.1 P>B INVITE 1 sdp=4000
                    1 B>P 200 INVITE 1 sdp=5000
                    1.1 P>A 200 INVITE 1 sdp=198.51.100.2:5000\n";

#[test]
fn a_stranger_with_a_targets_call_id_is_not_taken_for_a_party() {
    let log = events(&std::format!(
        "{CALL}10 X>P INVITE 1 from=eve ftag=x sdp=6000
         10.1 P>X 200 INVITE 1 from=eve ftag=x tag=y sdp=6100
         10.2 P>B INVITE 1 from=eve ftag=x sdp=6000
         10.3 B>P 200 INVITE 1 from=eve ftag=x tag=z sdp=6200
         11 X>P BYE 2 in from=eve ftag=x tag=y
         60 A>P BYE 2 in"
    ));
    assert!(!log.contains(":6"), "{log}");
    assert_eq!(log.matches("INVITE").count(), 2, "{log}");
    assert!(log.contains("\n60 1/1 ended: Bye"), "{log}");
}

#[test]
fn what_a_stranger_sends_within_a_dialog_that_nobody_knows_stays_a_strangers() {
    // New tags of the call come after it: what is held is asked again then.
    let log = events(
        "0 A>P INVITE 1 sdp=4000
         0.5 X>P INVITE 7 in from=eve ftag=x tag=y sdp=6000
         1 P>A 180 INVITE 1 tag=b
         1.5 P>A 180 INVITE 1 tag=c",
    );
    assert!(!log.contains(":6000"), "{log}");
}

#[test]
fn a_proxy_changes_hosts_and_keeps_tags() {
    let log = events(&std::format!(
        "{CALL}10 C>X INVITE 7 in sdp=4100
         10.1 X>C 200 INVITE 7 sdp=5100"
    ));
    assert!(log.contains("+ 203.0.113.3:4100"), "{log}");
    assert!(log.contains("+ 203.0.113.66:5100"), "{log}");
}

#[test]
fn a_back_to_back_user_agent_may_keep_the_call_id_and_change_the_tags() {
    let log = events(
        "0 A>P INVITE 1 sdp=4000
         0.1 P>B INVITE 77 from=line7 ftag=p sdp=192.0.2.100:30000
         1 B>P 200 INVITE 77 from=line7 ftag=p tag=q sdp=5000
         1.1 P>A 200 INVITE 1 sdp=192.0.2.100:30002
         9 P>B BYE 78 in from=line7 ftag=p tag=q
         9.1 P>A BYE 5 by=B",
    );
    assert!(log.contains("0.1 1/1 + 192.0.2.100:30000"), "{log}");
    assert!(log.contains("1 1/1 + 198.51.100.2:5000"), "{log}");
    assert_eq!(log.matches("BYE").count(), 2, "{log}");
}

#[test]
fn the_leg_ahead_of_a_back_to_back_user_agent_is_found_although_it_came_first() {
    let log = events(
        "0 C>P INVITE 1 from=carol ftag=c sdp=6000
         0.1 P>A INVITE 77 ftag=p sdp=192.0.2.100:30000
         1 A>P 200 INVITE 77 ftag=p tag=q sdp=4000
         1.1 P>C 200 INVITE 1 from=carol ftag=c tag=d sdp=192.0.2.100:30002",
    );
    assert!(log.contains("0 1/1 + 203.0.113.3:6000"), "{log}");
    assert!(log.contains("1.1 1/1 + 192.0.2.100:30002"), "{log}");
}

#[test]
fn a_response_seen_ahead_of_its_legs_request_is_given_out_with_it() {
    let log = events(
        "0 A>P INVITE 1 sdp=4000
         0.1 B>P 183 INVITE 77 from=line7 ftag=p tag=q sdp=5000
         0.2 P>B INVITE 77 from=line7 ftag=p sdp=192.0.2.100:30000",
    );
    assert!(log.contains("0.1 1/1 + 198.51.100.2:5000\n0.1 1/1 183"), "{log}");
}

#[test]
fn unreadable_bytes_with_the_call_id_are_the_calls_on_its_way_alone() {
    use super::limits::{log_of, tracker};
    let mut tracker = tracker(crate::Limits::default());
    log_of(&mut tracker, "0 A>B INVITE 1 sdp=4000");
    let mut kept = |from| {
        let frame = crate::made::udp(from, "198.51.100.2:5060", b"sip: x\r\nCall-ID: 1\r\n\r\n");
        let mut count = 0;
        let frame =
            crate::Kept::whole(crate::Timestamp(5), 0, crate::packet::LinkType::Ethernet, &frame);
        tracker.feed(frame, &mut |_| count += 1);
        count
    };
    assert_eq!((kept("192.0.2.1:5060"), kept("203.0.113.66:5060")), (1, 0));
}

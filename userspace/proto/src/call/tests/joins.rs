//! Legs of one call under several Call-IDs.

use super::script::{events, events_joined, expect, warrant};
use crate::Joins;
use std::format;
use std::string::String;
use std::vec::Vec;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const NIL: &str = "00000000000000000000000000000000";

fn configured(script: &str) -> String {
    let names = |names: &[&str]| names.iter().map(|&name| name.into()).collect();
    let joins = Joins {
        headers: names(&["Session-ID", "X-CID", "P-Charging-Vector"]),
        call_id_suffixes: names(&["_b2b-1", "_pbx-1"]),
    };
    events_joined(&[warrant()], joins, script)
}

#[test]
fn a_leg_with_the_same_session_id_is_joined_and_says_why() {
    let log = events(&format!(
        "0 A>P INVITE 1 sdp=4000 h=Session-ID:_{A};remote={NIL}
         0.1 P>B INVITE 1 id=leg from=line7 ftag=x sdp=192.0.2.100:30000 h=Session-ID:_{A};remote={NIL}
         1 B>P 200 INVITE 1 id=leg from=line7 ftag=x tag=y sdp=5000 h=Session-ID:_{B};remote={A}
         9 B>P BYE 1 in id=leg from=line7 ftag=y tag=x
         9.1 P>A BYE 9 by=B"
    ));
    expect(
        &log,
        "0 1/1 opened by From
         0 1/1 + 192.0.2.1:4000
         0 1/1 INVITE
         0.1 1/2 opened by Session-ID as 1 is
         0.1 1/2 + 192.0.2.100:30000
         0.1 1/2 INVITE
         1 1/2 + 198.51.100.2:5000
         1 1/2 200
         9 1/2 BYE
         9.1 1/1 BYE
         14 1/2 - 192.0.2.100:30000
         14 1/2 - 198.51.100.2:5000
         9 1/2 ended: Bye
         14.1 1/1 - 192.0.2.1:4000
         9.1 1/1 ended: Bye",
    );
}

#[test]
fn a_leg_seen_before_the_targets_is_found_too() {
    let log = events(&format!(
        "0 C>P INVITE 1 id=leg from=carol ftag=x sdp=6000 h=Session-ID:_{A};remote={NIL}
         0.1 P>C 100 INVITE 1 id=leg from=carol ftag=x
         0.2 P>A INVITE 1 ftag=z sdp=192.0.2.100:30000 h=Session-ID:_{A};remote={NIL}
         1 P>C 200 INVITE 1 id=leg from=carol ftag=x tag=y sdp=192.0.2.100:30002"
    ));
    assert!(log.contains("0 1/2 opened by Session-ID as 1 is\n0 1/2 + 203.0.113.3:6000"), "{log}");
    assert!(log.contains("0.1 1/2 100"), "{log}");
    assert!(log.contains("1 1/2 + 192.0.2.100:30002"), "{log}");
}

#[test]
fn both_orders_of_an_established_session_are_one() {
    let log = events(&format!(
        "0 A>P INVITE 2 in sdp=4000 h=Session-ID:_{A};remote={B}
         0.1 B>P INVITE 3 in id=leg from=line7 ftag=x h=session-id:_{B};remote={A}"
    ));
    assert!(log.contains("1/2 opened by Session-ID as 1 is"), "{log}");
}

#[test]
fn neither_the_nil_uuid_nor_half_of_another_session_joins() {
    let other = "c".repeat(32);
    for (ours, theirs) in [
        (format!("{NIL};remote={NIL}"), format!("{NIL};remote={NIL}")),
        (NIL.into(), NIL.into()),
        (format!("{A};remote={B}"), format!("{B};remote={other}")),
        (String::from("x"), String::from("x")),
    ] {
        let log = events(&format!(
            "0 A>P INVITE 2 in h=Session-ID:_{ours}
             0.1 P>B INVITE 3 in id=leg from=line7 ftag=x h=Session-ID:_{theirs}"
        ));
        assert_eq!(log.matches("opened").count(), 1, "{ours} {theirs}: {log}");
    }
}

#[test]
fn configured_keys_join_and_others_do_not() {
    let target = "h=X-CID:_k1|P-Charging-Vector:_icid-value=\"k2\";orig-ioi=a";
    for (leg, header) in [
        ("id=leg h=X-CID:_k1", Some("X-CID")),
        ("id=leg h=X-CID:_call", Some("X-CID")),
        ("id=leg h=p-charging-vector:_orig-ioi=b;icid-value=k2", Some("P-Charging-Vector")),
        ("id=call_b2b-1", Some("Call-ID")),
        ("id=call_pbx-1", Some("Call-ID")),
        ("id=k1", Some("Call-ID")),
        ("id=leg h=X-CID:_K1", None),
        ("id=leg h=X-Other:_k1", None),
        ("id=leg h=P-Charging-Vector:_orig-ioi=a", None),
        ("id=call_b2b-2", None),
    ] {
        let script =
            format!("0 A>P INVITE 1 id=call {target}\n0.1 P>B INVITE 1 from=line7 ftag=x {leg}");
        let log = configured(&script);
        let expected = header.map_or(1, |_| 2);
        assert_eq!(log.matches("opened").count(), expected, "{leg}: {log}");
        if let Some(header) = header {
            assert!(log.contains(&format!("0.1 1/2 opened by {header} as 1 is")), "{leg}: {log}");
        }
        let without = events(&script);
        assert_eq!(without.matches("opened").count(), 1, "by default: {without}");
    }
}

#[test]
fn two_calls_with_the_same_origin_are_not_joined() {
    // The scripted descriptions have no o= line; here both have the same one.
    let log = configured(
        "0 A>P INVITE 1 sdp=4000 a=x
         0.1 P>B INVITE 1 id=leg from=line7 ftag=x sdp=4000 a=x",
    );
    assert_eq!(log.matches("opened").count(), 1, "{log}");
}

#[test]
fn a_key_that_too_many_calls_have_joins_nothing() {
    let mut script = String::new();
    for nth in 0..40 {
        script += &format!("0 P>B INVITE 1 id=leg{nth} from=line7 ftag=x{nth} h=X-CID:_always\n");
    }
    let log = configured(&(script + "0.1 A>P INVITE 1 h=X-CID:_always"));
    assert_eq!(log.matches("opened").count(), 1, "{log}");
}

#[test]
fn a_dialog_that_takes_the_place_of_a_targets_is_the_targets() {
    let replaces = |tags: &str| {
        events(&format!(
            "0 A>B INVITE 1 sdp=4000
             1 B>A 200 INVITE 1 sdp=5000
             9 C>B INVITE 1 id=new from=carol ftag=c sdp=6000 h=Replaces:_1;{tags}
             10 B>C 200 INVITE 1 id=new from=carol ftag=c tag=d sdp=5000
             11 B>A BYE 2 by=B"
        ))
    };
    let log = replaces("to-tag=b;from-tag=a");
    assert!(log.contains("9 1/2 opened by Replaces as 1 is\n9 1/2 + 203.0.113.3:6000"), "{log}");
    for guessed in ["to-tag=b;from-tag=x", "to-tag=0;from-tag=0", "to-tag=b"] {
        assert!(!replaces(guessed).contains("1/2"), "{guessed}");
    }
}

#[test]
fn a_transfer_by_the_target_is_the_targets() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         5 A>B REFER 2 in h=Refer-To:_<sip:carol@example.com>
         5.1 B>A 202 REFER 2
         6 B>C INVITE 1 id=new from=bob ftag=n sdp=5000 h=Referred-By:_<sip:alice@example.net>
         7 C>B 200 INVITE 1 id=new from=bob ftag=n tag=c sdp=6000",
    );
    assert!(log.contains("6 1/2 opened by Referred-By"), "{log}");
    assert!(log.contains("7 1/2 + 203.0.113.3:6000"), "{log}");
}

#[test]
fn joined_legs_end_and_their_keys_with_them() {
    let mut script = Vec::new();
    for nth in 0..30 {
        let at = nth * 100;
        script.push(format!("{at} A>P INVITE 1 id=t{nth} h=X-CID:_k"));
        script.push(format!("{at}.5 P>A 486 INVITE 1 id=t{nth}"));
    }
    script.push("9000 A>P INVITE 1 id=last h=X-CID:_k".into());
    script.push("9000 P>B INVITE 1 id=leg from=line7 ftag=x h=X-CID:_k".into());
    let log = configured(&script.join("\n"));
    assert!(log.contains("opened by X-CID as 31 is"), "{log}");
}

//! Calls in which a party takes part that the warrant excludes.

use super::script::{events_joined, events_under, expect, warrant};
use crate::{Excluded, Joins, Keep, Warrant, target};
use std::format;
use std::string::String;
use std::vec::Vec;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const NIL: &str = "00000000000000000000000000000000";

fn without(party: &str, keep: Keep) -> Warrant {
    let party = target::parse(party).unwrap();
    Warrant { excluded: Vec::from([Excluded { party, keep }]), ..warrant() }
}

fn events(party: &str, keep: Keep, script: &str) -> String {
    events_under(&[without(party, keep)], script)
}

const CALL: &str = "0 A>B INVITE 1 sdp=4000
    1 B>A 200 INVITE 1 sdp=5000
    1.1 A>B ACK 1
    9 A>B BYE 2 in
    9.1 B>A 200 BYE 2";

#[test]
fn a_call_with_an_excluded_party_is_not_kept_at_all() {
    expect(&events("sip:bob@example.org", Keep::Nothing, CALL), "0 excluded by 1: Nothing");
    // Not even for a moment where it is known by the other side's number alone.
    let asserted =
        CALL.replace("INVITE 1 sdp=4000", "INVITE 1 sdp=4000 h=Refer-To:_tel:+32-2-5550199");
    expect(&events("tel:+3225550199", Keep::Nothing, &asserted), "0 excluded by 1: Nothing");
    assert!(!events("sip:carol@example.org", Keep::Nothing, CALL).contains("excluded"));
}

#[test]
fn a_call_with_an_excluded_party_is_kept_as_signalling_alone() {
    expect(
        &events("sip:bob@example.org", Keep::Iri, CALL),
        "0 1/1 opened by From
         0 1/1 excluded: Iri
         0 1/1 INVITE
         1 1/1 200
         1.1 1/1 ACK
         9 1/1 BYE
         9.1 1/1 200
         9 1/1 ended: Bye",
    );
}

const LATER: &str = "0 A>B INVITE 1 sdp=4000
    1 B>A 200 INVITE 1 sdp=5000
    1.1 A>B ACK 1
    4 B>A INVITE 1 by=B sdp=5100 h=P-Asserted-Identity:_<sip:carol@example.org>
    4.5 A>B 200 INVITE 1 sdp=4000
    5 A>B INVITE 2 in sdp=4100
    5.1 B>A 200 INVITE 2 sdp=5000
    9 A>B BYE 3 in";

#[test]
fn who_joins_later_ends_what_is_said_from_then_on() {
    expect(
        &events("sip:carol@example.org", Keep::Iri, LATER),
        "0 1/1 opened by From
         0 1/1 + 192.0.2.1:4000
         0 1/1 INVITE
         1 1/1 + 198.51.100.2:5000
         1 1/1 200
         1.1 1/1 ACK
         4 1/1 excluded: Iri
         4 1/1 - 192.0.2.1:4000
         4 1/1 - 198.51.100.2:5000
         4 1/1 INVITE
         4.5 1/1 200
         5 1/1 INVITE
         5.1 1/1 200
         9 1/1 BYE
         9 1/1 ended: Bye",
    );
}

#[test]
fn who_joins_later_ends_everything_from_then_on() {
    expect(
        &events("sip:carol@example.org", Keep::Nothing, LATER),
        "0 1/1 opened by From
         0 1/1 + 192.0.2.1:4000
         0 1/1 INVITE
         1 1/1 + 198.51.100.2:5000
         1 1/1 200
         1.1 1/1 ACK
         4 1/1 excluded: Nothing
         4 1/1 - 192.0.2.1:4000
         4 1/1 - 198.51.100.2:5000
         4 1/1 ended: Excluded",
    );
}

#[test]
fn every_way_to_name_a_party_counts() {
    let ways = [
        "REFER 2 in h=Refer-To:_<sip:carol@example.org?Replaces=x>",
        "REFER 2 in h=Referred-By:_<sip:carol@example.org>",
        "UPDATE 2 in h=Contact:_<sip:carol@example.org:5070>",
        "UPDATE 2 in h=Remote-Party-ID:_<sip:carol@example.org>;party=called",
        "UPDATE 2 in h=Diversion:_<sip:carol@example.org>",
        "UPDATE 2 in h=History-Info:_<sip:carol@example.org>;index=1",
        "UPDATE 2 in h=Proxy-Authorization:_Digest_username=\"carol@example.org\"",
    ];
    for way in ways {
        let script = format!("{}\n2 A>B {way}", &CALL[..CALL.find("9 A>B").unwrap()]);
        let log = events("sip:carol@example.org", Keep::Iri, &script);
        assert!(log.contains("2 1/1 excluded: Iri"), "{way}: {log}");
    }
    // A fork that the excluded party answers; a stranger who copies the Call-ID excludes nobody.
    let fork = "0 A>P INVITE 1 sdp=4000
        1 P>A 183 INVITE 1 sdp=5000 h=Contact:_<sip:carol@example.org>";
    assert!(events("sip:carol@example.org", Keep::Iri, fork).contains("1 1/1 excluded: Iri"));
    let copied = "0 A>B INVITE 1 sdp=4000
        1 X>P INVITE 1 from=eve ftag=x h=P-Asserted-Identity:_<sip:carol@example.org>";
    assert!(!events("sip:carol@example.org", Keep::Iri, copied).contains("excluded"));
}

#[test]
fn a_party_of_one_leg_is_one_of_all_that_are_joined() {
    let target = format!("INVITE 1 sdp=4000 h=Session-ID:_{A};remote={NIL}");
    let leg = format!(
        "INVITE 1 id=leg from=line7 ftag=x sdp=192.0.2.100:30000 \
         h=Session-ID:_{A};remote={NIL}|P-Asserted-Identity:_<sip:carol@example.org>"
    );
    for script in [
        format!(
            "0 A>P {target}\n0.1 P>C {leg}\n5 C>P 200 INVITE 1 id=leg from=line7 ftag=x tag=y sdp=6000"
        ),
        format!("0 P>C {leg}\n0.1 A>P {target}\n5 P>A 200 INVITE 1 sdp=30002"),
    ] {
        let warrants = [without("sip:carol@example.org", Keep::Iri)];
        let log = events_joined(&warrants, Joins::default(), &script);
        for call in ["1/1", "1/2"] {
            assert!(log.contains(&format!("{call} excluded: Iri")), "{log}");
        }
        assert!(!log.contains("5 1/1 +") && !log.contains("5 1/2 +"), "{log}");
        let log = events_joined(
            &[without("sip:carol@example.org", Keep::Nothing)],
            Joins::default(),
            &script,
        );
        assert!(!log.contains("1/2"), "{log}");
        assert!(!log.contains("5 1/1"), "{log}");
    }
}

#[test]
fn the_contact_that_a_party_registered_is_the_party() {
    let log = events(
        "sip:carol@example.org",
        Keep::Iri,
        "0 C>P REGISTER 1 id=r from=c ftag=r to=carol h=Contact:_<sip:c7@203.0.113.3>
         0.1 P>C 200 REGISTER 1 id=r from=c ftag=r to=carol h=Contact:_<sip:c7@203.0.113.3>
         1 A>B INVITE 1 sdp=4000
         2 B>A 200 INVITE 1 sdp=5000 h=Contact:_<sip:c7@203.0.113.3>",
    );
    assert!(log.contains("2 1/1 excluded: Iri"), "{log}");
}

#[test]
fn another_warrant_on_the_same_call_keeps_what_it_orders() {
    let other = Warrant { id: 2, ..warrant() };
    let log = events_under(&[without("sip:bob@example.org", Keep::Nothing), other], CALL);
    assert!(!log.contains(" 1/"), "{log}");
    assert!(log.contains("0 2/1 + 192.0.2.1:4000") && log.contains("9.1 2/1 200"), "{log}");
}

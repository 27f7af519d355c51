//! What calls do.

use super::script::{events, events_under, expect, warrant};
use crate::target;
use crate::time::Timestamp;
use std::vec;

const A: &str = "192.0.2.1";

#[test]
fn a_call_is_followed_from_invite_to_bye() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 180 INVITE 1
         2 B>A 200 INVITE 1 sdp=5000
         3 A>B ACK 1 in
         60 B>A BYE 9 by=B
         60 A>B 200 BYE 9 by=B",
    );
    expect(
        &log,
        "0 1/1 opened by From
         0 1/1 + 192.0.2.1:4000
         0 1/1 INVITE
         1 1/1 180
         2 1/1 + 198.51.100.2:5000
         2 1/1 200
         3 1/1 ACK
         60 1/1 BYE
         60 1/1 200
         65 1/1 - 192.0.2.1:4000
         65 1/1 - 198.51.100.2:5000
         60 1/1 ended: Bye",
    );
}

#[test]
fn retransmitted_invite_opens_no_second_call() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         0.5 A>B INVITE 1 sdp=4000
         1.5 A>B INVITE 1 sdp=4000
         2 B>A 200 INVITE 1 sdp=5000
         2.5 B>A 200 INVITE 1 sdp=5000
         9 A>B BYE 2 in",
    );
    assert_eq!(log.matches("opened").count(), 1, "{log}");
    assert_eq!(log.matches("+ 192.0.2.1:4000").count(), 1, "{log}");
    assert_eq!(log.matches("+ 198.51.100.2:5000").count(), 1, "{log}");
}

#[test]
fn a_stranger_who_announces_a_port_in_its_grace_time_ends_that() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         2 B>A 200 INVITE 1 sdp=5000
         60 B>A BYE 9 by=B
         60 A>B 200 BYE 9 by=B
         61 A>B INVITE 7 id=other from=eve sdp=4000",
    );
    assert!(log.contains("61 1/1 - 192.0.2.1:4000"), "{log}");
    assert!(log.contains("65 1/1 - 198.51.100.2:5000"), "{log}");
}

#[test]
fn strangers_say_nothing() {
    assert_eq!(events("0 A>B INVITE 1 sdp=4000").lines().count(), 5);
    let mut other = warrant();
    other.targets = vec![target::parse("sip:eve@example.net").unwrap()];
    assert_eq!(events_under(&[other], "0 A>B INVITE 1 sdp=4000"), "");
}

#[test]
fn a_late_offer_is_in_the_200_and_its_answer_in_the_ack() {
    let log = events(
        "0 A>B INVITE 1
         2 B>A 200 INVITE 1 sdp=5000
         2.5 A>B ACK 1 in sdp=4000
         9 A>B BYE 2 in",
    );
    assert!(log.contains("2 1/1 + 198.51.100.2:5000\n2 1/1 200"), "{log}");
    assert!(log.contains("2.5 1/1 + 192.0.2.1:4000\n2.5 1/1 ACK"), "{log}");
}

#[test]
fn early_media_opens_with_the_183_and_stays() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 183 INVITE 1 sdp=5000
         20 B>A 200 INVITE 1
         30 A>B BYE 2 in",
    );
    assert!(log.contains("1 1/1 + 198.51.100.2:5000\n1 1/1 183"), "{log}");
    assert!(log.contains("35 1/1 - 198.51.100.2:5000"), "{log}");
}

#[test]
fn a_reinvite_replaces_an_endpoint_after_a_grace_time_once_accepted() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         10 A>B INVITE 2 in sdp=4100
         11 B>A 200 INVITE 2 sdp=5000
         30 A>B BYE 3 in",
    );
    assert!(log.contains("10 1/1 + 192.0.2.1:4100\n10 1/1 INVITE"), "{log}");
    assert!(log.contains("\n16 1/1 - 192.0.2.1:4000\n"), "{log}");
    assert!(log.contains("\n35 1/1 - 192.0.2.1:4100\n"), "{log}");
}

#[test]
fn a_refused_reinvite_leaves_the_media_as_it_was() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         10 A>B INVITE 2 in sdp=4100
         11 B>A 488 INVITE 2
         30 A>B BYE 3 in",
    );
    assert!(log.contains("\n16 1/1 - 192.0.2.1:4100\n"), "{log}");
    assert!(log.contains("\n35 1/1 - 192.0.2.1:4000\n"), "{log}");
    assert!(log.contains("ended: Bye"), "{log}");
}

#[test]
fn early_media_of_a_refused_reinvite_leaves_the_media_as_it_was() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         10 A>B INVITE 2 in sdp=4000
         10.5 B>A 183 INVITE 2 sdp=5100
         11 B>A 488 INVITE 2
         20 B>A INVITE 1 by=B sdp=5200
         21 A>B 200 INVITE 1 by=B sdp=4000
         30 A>B BYE 3 in",
    );
    assert!(log.contains("\n16 1/1 - 198.51.100.2:5100\n"), "{log}");
    assert!(log.contains("\n26 1/1 - 198.51.100.2:5000\n"), "{log}");
    assert!(log.contains("\n35 1/1 - 198.51.100.2:5200\n"), "{log}");
}

#[test]
fn where_only_one_direction_is_seen_the_call_lives_and_ends() {
    let requests = events(
        "0 A>B INVITE 1 branch=one sdp=4000
         2 A>B ACK 1 in branch=two
         9000 A>B BYE 2 in",
    );
    assert!(requests.contains("\n9000 1/1 ended: Bye"), "{requests}");
    assert_eq!(requests.matches("opened").count(), 1, "{requests}");
    let refused = events(
        "0 A>B INVITE 1 branch=one sdp=4000
         2 A>B ACK 1 in branch=one",
    );
    assert!(refused.contains("\n2 1/1 ended: TimedOut"), "{refused}");
    let responses = events(
        "0 B>A 183 INVITE 1 sdp=5000
         1 B>A 200 INVITE 1 sdp=5000
         9000 B>A 200 BYE 2",
    );
    assert!(responses.contains("\n9000 1/1 ended: Bye"), "{responses}");
}

#[test]
fn update_and_prack_carry_offers_too() {
    for method in ["UPDATE", "PRACK"] {
        let log = events(&std::format!(
            "0 A>B INVITE 1 sdp=4000
             1 B>A 183 INVITE 1 sdp=5000
             2 A>B {method} 2 in sdp=4200
             3 B>A 200 {method} 2 sdp=5200
             15 B>A 200 INVITE 1
             30 A>B BYE 3 in"
        ));
        assert!(log.contains("2 1/1 + 192.0.2.1:4200"), "{log}");
        assert!(log.contains("3 1/1 + 198.51.100.2:5200"), "{log}");
        for ended in [
            "8 1/1 - 192.0.2.1:4000",
            "8 1/1 - 198.51.100.2:5000",
            "35 1/1 - 192.0.2.1:4200",
            "35 1/1 - 198.51.100.2:5200",
        ] {
            assert!(log.contains(&std::format!("\n{ended}\n")), "{ended}: {log}");
        }
    }
}

#[test]
fn hold_by_direction_or_by_address_keeps_the_endpoint_open() {
    for hold in ["sdp=4000 a=sendonly", "sdp=0.0.0.0:4000", "sdp=4000 a=inactive"] {
        let log = events(&std::format!(
            "0 A>B INVITE 1 sdp=4000
             1 B>A 200 INVITE 1 sdp=5000
             10 A>B INVITE 2 in {hold}
             11 B>A 200 INVITE 2 sdp=5000
             100 A>B INVITE 3 in sdp=4000
             101 B>A 200 INVITE 3 sdp=5000
             130 A>B BYE 4 in"
        ));
        assert_eq!(log.matches("+ 192.0.2.1:4000").count(), 1, "{log}");
        assert!(log.contains("\n135 1/1 - 192.0.2.1:4000"), "{log}");
        assert!(!log.contains("0.0.0.0"), "{log}");
    }
}

#[test]
fn answers_of_all_forks_are_open() {
    let log = events(
        "0 A>P INVITE 1 sdp=4000
         1 P>A 183 INVITE 1 tag=b sdp=198.51.100.2:5000
         2 P>A 183 INVITE 1 tag=c sdp=203.0.113.3:6000
         3 P>A 200 INVITE 1 tag=c sdp=203.0.113.3:6000
         60 A>P BYE 2 in tag=c",
    );
    assert!(log.contains("1 1/1 + 198.51.100.2:5000"), "{log}");
    assert!(log.contains("2 1/1 + 203.0.113.3:6000"), "{log}");
    assert!(log.contains("\n65 1/1 - 198.51.100.2:5000"), "{log}");
    assert!(log.contains("\n60 1/1 ended: Bye"), "{log}");
}

#[test]
fn a_bye_to_one_fork_leaves_the_call_to_the_other() {
    let log = events(
        "0 A>P INVITE 1 sdp=4000
         1 P>A 200 INVITE 1 tag=b sdp=198.51.100.2:5000
         2 P>A 200 INVITE 1 tag=c sdp=203.0.113.3:6000
         3 A>P BYE 2 in tag=c
         60 A>P BYE 3 in tag=b",
    );
    assert!(log.contains("\n60 1/1 ended: Bye"), "{log}");
    assert!(log.contains("\n65 1/1 - 203.0.113.3:6000"), "{log}");
}

#[test]
fn a_relay_gives_each_hop_its_own_addresses() {
    // The proxy writes its relay's addresses into both directions.
    let log = events(
        "0 A>P INVITE 1 sdp=4000
         0.1 P>B INVITE 1 sdp=192.0.2.100:30000
         2 B>P 200 INVITE 1 sdp=5000
         2.1 P>A 200 INVITE 1 sdp=192.0.2.100:30002
         60 A>P BYE 2 in
         60.1 P>B BYE 2 in",
    );
    for endpoint in
        ["192.0.2.1:4000", "192.0.2.100:30000", "198.51.100.2:5000", "192.0.2.100:30002"]
    {
        assert_eq!(log.matches(&std::format!("+ {endpoint}")).count(), 1, "{log}");
        assert!(log.contains(&std::format!("\n65 1/1 - {endpoint}")), "{log}");
    }
}

#[test]
fn a_busy_fork_behind_the_proxy_does_not_end_the_call() {
    let log = events(
        "0 A>P INVITE 1 sdp=4000
         0.1 P>B INVITE 1 sdp=4000
         0.1 P>C INVITE 1 sdp=4000
         1 C>P 486 INVITE 1 tag=c
         40 B>P 200 INVITE 1 sdp=5000
         40 P>A 200 INVITE 1 sdp=198.51.100.2:5000
         60 A>P BYE 2 in",
    );
    assert!(!log.contains("486\n6"), "{log}");
    assert!(log.contains("\n65 1/1 - 192.0.2.1:4000"), "{log}");
    assert!(log.contains("\n60 1/1 ended: Bye"), "{log}");
}

#[test]
fn a_cancelled_call_ends_when_it_was_cancelled() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 180 INVITE 1
         5 A>B CANCEL 1
         5 B>A 200 CANCEL 1
         5.1 B>A 487 INVITE 1
         5.2 A>B ACK 1 in",
    );
    assert!(log.contains("\n10 1/1 - 192.0.2.1:4000\n5 1/1 ended: Cancelled"), "{log}");
}

#[test]
fn a_cancel_that_comes_too_late_ends_nothing() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         5 A>B CANCEL 1
         5.1 B>A 200 INVITE 1 sdp=5000
         5.2 B>A 200 CANCEL 1
         90 A>B BYE 2 in",
    );
    assert!(!log.contains("\n10 1/1 - "), "{log}");
    assert!(log.contains("\n90 1/1 ended: Bye"), "{log}");
}

#[test]
fn a_challenged_invite_is_the_same_call_with_credentials() {
    for again in ["2", "1"] {
        let log = events(&std::format!(
            "0 A>B INVITE 1 sdp=4000
             0.1 B>A 407 INVITE 1
             0.2 A>B ACK 1 in
             20 A>B INVITE {again} sdp=4000
             21 B>A 183 INVITE {again} sdp=5000
             22 B>A 200 INVITE {again} sdp=5000
             60 A>B BYE 3 in"
        ));
        assert_eq!(log.matches("opened").count(), 1, "{log}");
        assert!(log.contains("\n5.1 1/1 - 192.0.2.1:4000\n20 1/1 + 192.0.2.1:4000"), "{log}");
        assert!(log.contains("\n60 1/1 ended: Bye"), "{log}");
    }
}

#[test]
fn a_refused_call_ends_with_its_status() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         3 B>A 486 INVITE 1
         3 A>B ACK 1 in",
    );
    assert!(log.ends_with("8 1/1 - 192.0.2.1:4000\n3 1/1 ended: 486\n"), "{log}");
}

#[test]
fn a_challenged_bye_ends_nothing_yet() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         10 A>B BYE 2 in
         10.1 B>A 401 BYE 2
         11 A>B BYE 3 in
         11.1 B>A 200 BYE 3",
    );
    assert!(log.contains("\n11 1/1 ended: Bye"), "{log}");
}

#[test]
fn a_call_joined_midway_is_followed() {
    let log = events(
        "0 A>B INVITE 7 in sdp=4100
         1 B>A 200 INVITE 7 sdp=5000
         3000 B>A BYE 9 by=B",
    );
    assert!(log.contains("\n3000 1/1 ended: Bye"), "{log}");
}

#[test]
fn a_call_whose_bye_was_never_seen_ends_when_silent() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000",
    );
    assert!(log.ends_with("ended: TimedOut\n"), "{log}");
    let unanswered = events("0 A>B INVITE 1 sdp=4000");
    assert!(unanswered.ends_with("ended: TimedOut\n"), "{unanswered}");
}

#[test]
fn transactions_other_than_invite_end_by_their_answer() {
    let cases = [
        ("0 A>B OPTIONS 1\n1 B>A 200 OPTIONS 1 sdp=5000", "1 1/1 ended: Answered\n"),
        ("0 A>B MESSAGE 1\n1 B>A 404 MESSAGE 1", "1 1/1 ended: 404\n"),
        ("0 A>B MESSAGE 1", "0 1/1 ended: TimedOut\n"),
        (
            "0 A>B REGISTER 1\n1 B>A 401 REGISTER 1\n2 A>B REGISTER 2\n3 B>A 200 REGISTER 2",
            "3 1/1 ended: Answered\n",
        ),
        (
            "0 A>B REGISTER 1\n1 B>A 200 REGISTER 1 expires=600\n500 A>B REGISTER 2\n501 B>A 200 REGISTER 2",
            "501 1/1 ended: Answered\n",
        ),
    ];
    for (script, end) in cases {
        let log = events(script);
        assert_eq!(log.matches("opened").count(), 1, "{log}");
        assert_eq!(log.matches("ended").count(), 1, "{log}");
        assert!(log.ends_with(end), "{log}");
        assert!(!log.contains('+'), "capabilities are no media: {log}");
    }
}

#[test]
fn rtcp_beside_is_open_until_both_parties_multiplex() {
    let script = |b: &str| {
        std::format!(
            "0 A>B INVITE 1 sdp=4000 a=rtcp-mux\n1 B>A 200 INVITE 1 sdp=5000 {b}\n9 A>B BYE 2 in"
        )
    };
    let opened = |script: &str| {
        let mut opened = vec![];
        super::limits::run(script, &mut |event| {
            if let crate::Event::MediaOpened { endpoint, .. } = event {
                opened.push(endpoint.port());
            }
        });
        opened
    };
    assert_eq!(opened(&script("a=rtcp-mux")), [4000, 5000]);
    assert_eq!(opened(&script("")), [4000, 4001, 5000, 5001]);
}

#[test]
fn two_warrants_for_one_call_both_have_it() {
    let mut second = warrant();
    (second.id, second.next_cin) = (2, 7);
    second.targets = vec![target::parse("sip:bob@*").unwrap()];
    second.content = false;
    let log = events_under(
        &[warrant(), second],
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         9 A>B BYE 2 in",
    );
    expect(
        &log,
        "0 1/1 opened by From
         0 2/7 opened by To
         0 1/1 + 192.0.2.1:4000
         0 1/1 INVITE
         0 2/7 INVITE
         1 1/1 + 198.51.100.2:5000
         1 1/1 200
         1 2/7 200
         9 1/1 BYE
         9 2/7 BYE
         14 1/1 - 192.0.2.1:4000
         14 1/1 - 198.51.100.2:5000
         9 1/1 ended: Bye
         9 2/7 ended: Bye",
    );
}

#[test]
fn nothing_outside_the_window_is_kept() {
    let mut short = warrant();
    short.not_before = Timestamp(1_000_000_000);
    short.not_after = Timestamp(10_000_000_000);
    let log = events_under(
        &[short],
        "0 A>B INVITE 1 sdp=4000
         0.5 B>A 180 INVITE 1
         5 B>A 200 INVITE 1 sdp=5000
         10 A>B INFO 2 in
         11 A>B INFO 3 in
         60 A>B BYE 4 in",
    );
    expect(
        &log,
        "5 1/1 opened by From
         5 1/1 + 198.51.100.2:5000
         5 1/1 200
         10 1/1 INFO
         10 1/1 - 198.51.100.2:5000
         10 1/1 ended: WarrantEnded",
    );
}

#[test]
fn the_next_call_may_use_the_same_ports_at_once() {
    let log = events(
        "0 A>B INVITE 1 id=one sdp=4000
         1 B>A 200 INVITE 1 id=one sdp=5000
         10 A>B BYE 2 id=one in
         10.1 A>B INVITE 1 id=two sdp=4000
         11 B>A 200 INVITE 1 id=two sdp=5000
         30 A>B BYE 2 id=two in",
    );
    assert!(log.contains(&std::format!("10.1 1/2 + {A}:4000")), "{log}");
    assert!(log.contains(&std::format!("\n10.1 1/1 - {A}:4000")), "{log}");
    assert!(log.contains(&std::format!("\n35 1/2 - {A}:4000")), "{log}");
}

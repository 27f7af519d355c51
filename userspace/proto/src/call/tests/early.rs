//! Messages seen ahead of the one that shows whose they are.

use super::script::{events, expect};

#[test]
fn a_response_seen_before_its_request_is_given_out_first() {
    let log = events(
        "0 B>A 183 INVITE 1 from=eve sdp=5000
         0.5 A>B INVITE 1 from=eve sdp=4000 h=P-Asserted-Identity:_<sip:alice@example.net>
         9 A>B BYE 2 in from=eve",
    );
    expect(
        &log,
        "0 1/1 opened by P-Asserted-Identity
         0 1/1 + 198.51.100.2:5000
         0 1/1 183
         0.5 1/1 + 192.0.2.1:4000
         0.5 1/1 INVITE
         9 1/1 BYE
         14 1/1 - 192.0.2.1:4000
         14 1/1 - 198.51.100.2:5000
         9 1/1 ended: Bye",
    );
}

#[test]
fn a_final_response_seen_before_its_request_ends_the_call_nevertheless() {
    let log = events(
        "0 B>A 486 INVITE 1 sdp=5000
         0.1 A>B INVITE 1 sdp=4000",
    );
    assert!(log.ends_with("0 1/1 ended: 486\n"), "{log}");
}

#[test]
fn an_answer_seen_before_its_request_settles_the_offer() {
    let log = events(
        "0 A>B INVITE 1 sdp=4000
         1 B>A 200 INVITE 1 sdp=5000
         10 B>A 488 INVITE 2
         10.1 A>B INVITE 2 in sdp=4100
         30 A>B BYE 3 in",
    );
    assert!(!log.contains("+ 192.0.2.1:4100"), "{log}");
    assert!(log.contains("\n35 1/1 - 192.0.2.1:4000"), "{log}");
}

#[test]
fn a_strangers_message_is_held_for_two_seconds_and_no_longer() {
    let log = |at: f64| {
        events(&std::format!(
            "0 B>A 183 INVITE 1 from=eve sdp=5000
             {at} A>B INVITE 1 from=eve sdp=4000 h=Diversion:_<sip:alice@example.net>"
        ))
    };
    assert!(log(1.9).contains("0 1/1 183"), "{}", log(1.9));
    assert!(!log(2.1).contains("183"), "{}", log(2.1));
}

#[test]
fn what_was_held_from_before_the_warrants_window_is_not_given_out() {
    let mut late = super::script::warrant();
    late.not_before = super::script::nanos(0.4);
    let log = super::script::events_under(
        &[late],
        "0 B>A 183 INVITE 1 from=eve sdp=5000
         0.5 A>B INVITE 1 from=eve sdp=4000 h=Diversion:_<sip:alice@example.net>",
    );
    assert!(!log.contains("183"), "{log}");
    assert!(log.starts_with("0.4 1/1 opened by Diversion"), "{log}");
}

#[test]
fn what_is_held_of_other_calls_stays_where_it_is() {
    let log = events(
        "0 B>X 183 INVITE 1 id=2 from=eve sdp=5000
         0.5 A>B INVITE 1 sdp=4000",
    );
    assert!(!log.contains("183"), "{log}");
}

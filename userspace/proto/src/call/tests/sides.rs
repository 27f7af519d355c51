//! Whose the ends of a call are, where a warrant orders one direction.

use super::script::{events_under, warrant};
use crate::Warrant;
use std::string::String;
use std::vec::Vec;

fn sided() -> Vec<Warrant> {
    Vec::from([Warrant { sided: true, ..warrant() }])
}

/// The lines that say of whom an endpoint is.
fn ends(script: &str) -> String {
    let log = events_under(&sided(), script);
    let told = log.lines().filter(|line| line.contains(" + "));
    told.map(|line| String::from(line) + "\n").collect()
}

#[test]
fn the_callers_description_is_the_targets_where_he_calls() {
    let log = ends("0 A>B INVITE 1 sdp=4000\n1 B>A 200 INVITE 1 sdp=5000");
    assert_eq!(log, "0 1/1 + 192.0.2.1:4000 Target\n1 1/1 + 198.51.100.2:5000 Peer\n");
}

#[test]
fn the_answerers_description_is_the_targets_where_he_is_called() {
    let log = ends(
        "0 B>A INVITE 1 by=B sdp=5000
         1 A>B 183 INVITE 1 by=B sdp=4000",
    );
    assert_eq!(log, "0 1/1 + 198.51.100.2:5000 Peer\n1 1/1 + 192.0.2.1:4000 Target\n");
}

#[test]
fn a_leg_that_names_nobody_has_no_side() {
    // A back-to-back user agent that changes the tags, and hides the caller.
    let log = ends(
        "0 A>P INVITE 1 sdp=4000
         0.5 P>B INVITE 1 from=anonymous ftag=x sdp=192.0.2.100:30000
         1 B>P 200 INVITE 1 from=anonymous ftag=x tag=y sdp=5000",
    );
    assert!(log.contains("192.0.2.100:30000\n") && log.contains(":5000\n"), "{log}");
}

#[test]
fn an_end_that_both_sides_describe_is_nobodys() {
    let log = ends("0 A>B INVITE 1 sdp=192.0.2.100:4000\n1 B>A 200 INVITE 1 sdp=192.0.2.100:4000");
    assert_eq!(log, "0 1/1 + 192.0.2.100:4000 Target\n1 1/1 + 192.0.2.100:4000\n");
}

#[test]
fn an_asserted_identity_shows_the_side_of_its_sender() {
    let log = ends(
        "0 A>B INVITE 1 from=anonymous sdp=4000 h=P-Asserted-Identity:_<sip:alice@example.net>
         1 B>A 200 INVITE 1 from=anonymous sdp=5000",
    );
    assert_eq!(log, "0 1/1 + 192.0.2.1:4000 Target\n1 1/1 + 198.51.100.2:5000 Peer\n");
}

//! The torture messages of RFC 4475 and RFC 5118, each of somebody who is a target.
//!
//! `torture/expected.txt` says of each who the target is, where he is named, and what is wrong with the
//! message; the messages are those of the archives in the RFCs' appendices, byte for byte.

#[path = "corpus/capture.rs"]
#[allow(dead_code, reason = "it also reads captures")]
mod capture;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use calltap_proto::packet::LinkType;
use calltap_proto::{Event, Kept, Limits, MediaKind, Timestamp, Tracker, Warrant, target};

/// What is kept of a message sent in a datagram under a warrant on this target: where it matched,
/// the endpoints of its media, its flaw.
fn kept(message: &[u8], wanted: &str) -> Vec<String> {
    let mut tracker = Tracker::new(Limits::default());
    tracker.set_warrants(vec![Warrant::on(
        1,
        vec![target::parse(wanted).unwrap_or_else(|why| panic!("{wanted}: {why:?}"))],
    )]);
    let frame = capture::udp(message);
    let (mut all, mut found) = (Vec::new(), String::new());
    tracker.feed(Kept::whole(Timestamp(0), 0, LinkType::Raw, &frame), &mut |event| match event {
        Event::CallOpened { matched, .. } => found = matched.header.to_owned(),
        Event::MediaOpened { endpoint, kind: MediaKind::Rtp, .. } => {
            write!(found, " {endpoint}").unwrap();
        }
        Event::Message { frames, flaw, .. } => {
            assert_eq!(frames.len(), 1);
            assert_eq!(frames[0].bytes, frame, "the message is kept as it came");
            let flaw = flaw.map_or(String::new(), |flaw| format!(" ({flaw})"));
            all.push(std::mem::take(&mut found) + &flaw);
        }
        _ => {}
    });
    all
}

#[test]
fn each_torture_message_of_a_target_is_kept_and_flagged_where_something_is_wrong() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/torture");
    let expected = fs::read_to_string(folder.join("expected.txt")).unwrap();
    let mut wrong = String::new();
    let mut named = BTreeSet::new();
    for line in expected.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let mut words = line.splitn(3, ' ');
        let [name, wanted, result] = [(); 3].map(|()| words.next().expect("three words"));
        let message = fs::read(folder.join(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
        let found = kept(&message, wanted);
        let fits = if result == "-" { found.is_empty() } else { found == [result] };
        if !fits {
            writeln!(wrong, "{name} {wanted} {found:?}, not {result:?}").unwrap();
        }
        for nobody in ["sip:nobody@example.invalid", "tel:+19995550199", "ip:203.0.113.66"] {
            assert_eq!(kept(&message, nobody), [""; 0], "{name} is nobody's");
        }
        named.insert(folder.join(name));
    }
    let files: BTreeSet<_> = ["rfc4475", "rfc5118"]
        .into_iter()
        .flat_map(|set| capture::all_files(&folder.join(set)))
        .collect();
    assert_eq!(named, files, "every message is expected something of");
    assert!(wrong.is_empty(), "\n{wrong}");
}

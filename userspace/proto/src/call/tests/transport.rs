//! Messages in fragments, in streams, and not quite messages.

use super::script::{events_under, message, note, warrant};
use crate::event::{Event, Kept};
use crate::packet::LinkType;
use crate::target;
use crate::time::Timestamp;
use crate::{Limits, Tracker, made};
use std::format;
use std::string::String;
use std::vec;
use std::vec::Vec;

fn log(frames: &[Vec<u8>]) -> (String, Vec<usize>) {
    let mut tracker = Tracker::new(Limits::default());
    tracker.set_warrants(vec![warrant()]);
    let (mut log, mut counts) = (String::new(), Vec::new());
    for frame in frames {
        tracker.feed(Kept::whole(Timestamp(0), 0, LinkType::Ethernet, frame), &mut |event| {
            if let Event::Message { frames: kept, .. } = event {
                assert!(kept.iter().all(|kept| frames.iter().any(|frame| frame == kept.bytes)));
                counts.push(kept.len());
            }
            note(&mut log, &event);
        });
    }
    (log, counts)
}

const INVITED: &str = "0 1/1 opened by From\n0 1/1 + 192.0.2.1:4000\n0 1/1 INVITE\n";

#[test]
fn a_fragmented_invite_is_found_and_all_its_fragments_kept() {
    let invite = message("0 A>B INVITE 1 sdp=4000");
    let payload = invite.text.as_bytes();
    let end = payload.len() + 8;
    let mut frames = made::fragments(&invite.from, &invite.to, payload, &[0, 80, 160, end]);
    assert_eq!(log(&frames), (INVITED.into(), vec![3]));
    frames.reverse();
    assert_eq!(log(&frames), (INVITED.into(), vec![3]));
}

#[test]
fn a_reassembled_datagram_that_is_no_sip_is_given_back() {
    let frames =
        made::fragments("192.0.2.1:4000", "198.51.100.2:5000", &[0x80; 300], &[0, 80, 308]);
    assert_eq!(log(&frames).0, "reassembled 300\n");
}

#[test]
fn an_invite_in_two_segments_is_found_and_both_are_kept() {
    let invite = message("0 A>B INVITE 1 sdp=4000");
    let (first, second) = invite.text.as_bytes().split_at(100);
    let frames = [
        made::tcp(&invite.from, &invite.to, 1, made::ACK, first),
        made::tcp(&invite.from, &invite.to, 101, made::ACK, second),
    ];
    assert_eq!(log(&frames), (INVITED.into(), vec![2]));
}

#[test]
fn a_segment_in_fragments_is_found_with_all_of_them() {
    let invite = message("0 A>B INVITE 1 sdp=4000");
    let whole = made::tcp(&invite.from, &invite.to, 1, made::ACK, invite.text.as_bytes());
    let (from, to) = (invite.from.parse().unwrap(), invite.to.parse().unwrap());
    let segment = &whole[34..];
    let mut frames = [
        made::fragment(from, to, 0, true, &segment[..160]),
        made::fragment(from, to, 160, false, &segment[160..]),
    ];
    for frame in &mut frames {
        frame[23] = 6;
    }
    assert_eq!(log(&frames), (INVITED.into(), vec![2]));
}

#[test]
fn a_frame_is_given_once_for_each_warrant() {
    let [a, b] = ["0 A>B INVITE 1 sdp=4000", "0 A>B OPTIONS 1 id=2"].map(message);
    let both = format!("{}{}", a.text, b.text);
    let frames = [made::tcp(&a.from, &a.to, 1, made::ACK, both.as_bytes())];
    let (log, counts) = log(&frames);
    assert!(log.ends_with("0 1/2 opened by From\n0 1/2 OPTIONS\n"), "{log}");
    assert_eq!(counts, [1, 0]);
}

#[test]
fn a_targets_message_that_cannot_be_parsed_is_kept_and_flagged() {
    let from = ("192.0.2.1:5060", "198.51.100.2:5060");
    let invite = message("0 A>B INVITE 1 sdp=4000");
    let frame = |text: &str| made::udp(from.0, from.1, text.as_bytes());
    let cases = [
        (invite.text.replace(" SIP/2.0", " SIP2"), "unparsed", "(no start line)"),
        (invite.text.replace("Call-ID: 1\r\n", ""), "From", "(no Call-ID)"),
        (invite.text.replace("CSeq: 1", "CSeq: x"), "From", "(malformed CSeq at offset 112)"),
        (invite.text.replace("m=audio 4", "m=audio X"), "From", "of the description)"),
        (invite.text[..150].into(), "From", "(the header does not end)"),
    ];
    for (text, header, flaw) in cases {
        let (log, counts) = log(&[frame(&text)]);
        assert!(log.starts_with(&format!("0 1/1 opened by {header}\n")), "{log}");
        assert!(log.trim_end().ends_with(flaw), "{log}");
        assert_eq!(counts, [1]);
    }
    // Its Call-ID ties it to a call although nobody is named.
    let nameless = "garbage SIP/2.0\r\nCall-ID: 1\r\n\r\n";
    let (log, _) = log(&[frame(&invite.text), frame(nameless)]);
    assert!(log.ends_with("0 1/1 garbage (no start line)\n"), "{log}");
    assert_eq!(log.matches("opened").count(), 1);
}

#[test]
fn messages_without_a_call_id_are_nobody_elses() {
    let invite = message("0 A>B INVITE 1").text.replace("Call-ID: 1\r\n", "");
    let stranger = invite.replace("alice", "eve");
    let frame = |text: &str| made::udp("192.0.2.1:5060", "198.51.100.2:5060", text.as_bytes());
    let (log, counts) = log(&[frame(&invite), frame(&stranger)]);
    assert_eq!(counts.len(), 1, "{log}");
}

#[test]
fn an_address_under_warrant_matches_either_way() {
    let mut by_address = warrant();
    by_address.targets = vec![target::parse("ip:198.51.100.0/30").unwrap()];
    let log = events_under(&[by_address], "0 A>B INVITE 1 sdp=4000\n1 B>A 200 INVITE 1 sdp=5000");
    assert!(log.starts_with("0 1/1 opened by IP\n0 1/1 + 192.0.2.1:4000\n"), "{log}");
}

#[test]
fn the_description_of_a_retransmission_has_the_same_number() {
    let mut numbers = Vec::new();
    let script = "0 A>B INVITE 1 sdp=4000
0.5 A>B INVITE 1 sdp=4000
1 B>A 180 INVITE 1
2 B>A 200 INVITE 1 sdp=4000
3 A>B INVITE 2 in sdp=4100";
    super::limits::run(script, &mut |event| {
        if let Event::Message { description, .. } = event {
            numbers.push(description);
        }
    });
    let [first, again, ringing, answer, changed] = numbers[..] else { panic!("{numbers:?}") };
    assert!(first.is_some() && first == again);
    assert_eq!(ringing, None);
    assert!(answer.is_some() && answer != first && changed != first);
}

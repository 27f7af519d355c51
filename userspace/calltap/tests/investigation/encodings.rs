//! `calltap evidence audio` and `report` on calls in encodings other than G.711.

use super::desk::words;
use super::made::{self, hex, sha256};
use super::spoken::{Party, replayed, rtp};
use super::wav;

/// What the caller says in the payloads of 20 ms, each at its time.
fn stream(
    party: Party,
    payload_type: u8,
    payload: &[u8],
    length: usize,
) -> Vec<(Party, u32, Vec<u8>)> {
    let payloads = (0_u16..).zip(payload.chunks(length));
    payloads
        .map(|(number, payload)| {
            let datagram = rtp(payload_type, number, 160 * u32::from(number), payload);
            (party, 20 * u32::from(number), datagram)
        })
        .collect()
}

#[test]
fn a_side_of_g722_and_one_of_g711_are_written_at_the_rate_of_the_higher() {
    let mut media = stream(Party::Caller, 9, &hex(made::G722), 160);
    let a_law: Vec<_> = (0..=255).cycle().take(480).collect();
    media.extend(stream(Party::Called, 8, &a_law, 160));
    media.sort_by_key(|(_, at_ms, _)| *at_ms);
    let descriptions =
        ["m=audio 4000 RTP/AVP 9 8\r\n", "m=audio 5000 RTP/AVP 9 8\r\na=rtpmap:9 G722/8000\r\n"];
    let desk = replayed(descriptions, &media);
    let said = desk.fine(&["evidence", "audio", "1", "--out", "call.wav"]);
    assert!(said.contains(", 0.040 s\nright      sip:bob@example.org, 0.060 s\nsha256"), "{said}");
    let (rate, [left, right]) = wav(&desk.path("call.wav"));
    assert_eq!((rate, left.len(), right.len()), (16_000, 960, 960));
    assert_eq!(sha256(&left[..640]), made::G722_HEARD);
    assert!(left[640..].iter().all(|sample| *sample == 0));
    // G.711 by itself is as it is at its own rate; between its samples lies what is between them.
    let alone = replayed(descriptions, &stream(Party::Called, 8, &a_law, 160));
    alone.fine(&["evidence", "audio", "1", "--out", "call.wav"]);
    let (rate, [_, expected]) = wav(&alone.path("call.wav"));
    assert_eq!((rate, expected.len()), (8000, 480));
    assert!(right.iter().step_by(2).eq(&expected));
    for (two, between) in expected.windows(2).zip(right.iter().skip(1).step_by(2)) {
        assert!((two[0].min(two[1])..=two[0].max(two[1])).contains(between));
    }
    let report = desk.fine(&["evidence", "report", "1", "--html", "call.html"]);
    let page = std::fs::read_to_string(desk.path("call.html")).unwrap();
    assert!(page.contains("&middot; 0.1 s from") && page.contains("data:audio/wav"), "{report}");
}

#[test]
fn gsm_is_heard_and_what_is_not_made_of_its_frames_is_named() {
    let mut media = stream(Party::Caller, 3, &hex(made::GSM), 33);
    media.push((Party::Called, 90, rtp(3, 0, 0, &[0xd0; 32])));
    let desk = replayed(["m=audio 4000 RTP/AVP 3\r\n", "m=audio 5000 RTP/AVP 3\r\n"], &media);
    let said = desk.fine(&["evidence", "audio", "1", "--out", "call.wav"]);
    assert!(said.contains(": 1 packets of GSM that is not made of its frames\n"), "{said}");
    let (rate, [left, _]) = wav(&desk.path("call.wav"));
    assert_eq!((rate, sha256(&left)), (8000, made::GSM_HEARD.to_owned()));
}

#[test]
fn an_encoding_that_is_not_decoded_is_named() {
    let media = stream(Party::Caller, 18, &[0; 100], 20);
    let desk = replayed(["m=audio 4000 RTP/AVP 18\r\n", "m=audio 5000 RTP/AVP 18\r\n"], &media);
    let output = desk.run(&["evidence", "audio", "1", "--out", "call.wav"]);
    assert_eq!(output.status.code(), Some(2));
    let said = words(&output);
    assert!(said.contains(": 5 packets of G729, which is not decoded here"), "{said}");
    assert!(!desk.path("call.wav").exists());
}

#[cfg(feature = "opus")]
#[test]
fn opus_is_heard_at_its_own_rate_and_what_is_no_packet_of_it_is_counted() {
    let packets = made::OPUS.iter().map(|digits| hex(digits)).chain([hex("4b00")]);
    let media: Vec<_> = (0_u16..)
        .zip(packets)
        .map(|(nth, packet)| {
            let datagram = rtp(111, nth, 960 * u32::from(nth), &packet);
            (Party::Caller, 20 * u32::from(nth), datagram)
        })
        .collect();
    let opus = |port| format!("m=audio {port} RTP/AVP 111\r\na=rtpmap:111 opus/48000/2\r\n");
    let desk = replayed([&opus(4000), &opus(5000)], &media);
    let said = desk.fine(&["evidence", "audio", "1", "--out", "call.wav"]);
    assert!(said.contains(": 1 packets that cannot be decoded\n"), "{said}");
    let (rate, [left, _]) = wav(&desk.path("call.wav"));
    assert_eq!((rate, left.len()), (48_000, 6 * 960));
    assert_eq!(sha256(&left[312..][..4800]), made::OPUS_HEARD);
}

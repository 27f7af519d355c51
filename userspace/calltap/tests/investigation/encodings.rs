//! `calltap evidence audio` and `report` on calls in encodings other than G.711.

use sha2::{Digest as _, Sha256};

use super::desk::words;
use super::spoken::{Party, hex, replayed, rtp};
use super::wav;

/// 40 ms of a tone in G.722, and the hash of its samples by another decoder (the same as in the
/// decoder's own test).
const G722: &str = "\
    b78c21882290a0a020af48c6c9dae8e4e678ccc8cbdde8e5e8fa4dca8ddfeae6eafdcfcb8ffeeca8ebffcecc8ffd\
    eca8ec7fcf8dd1beeeeaeefed1ce93fbefeb6fff93d093fbafec6efd93d0d3bbf1ebf17cd5d094feefadf07ad491\
    d6fbf1adf07bd4d197faf3ef72fbd69496fbf2ee71fad79697fcf2f070fcd7d397bef7f171ff965397fef9ef75fb\
    d5d298dbf2f3f3ffd9d398dbf2b273bcdad493fcf6f172fddbd396dcb8ee76fad7d592def7b4f0fdd7d2d39cfef4\
    f3dbd9ce94d5bcf4f9dcd1d08fdaddbc7998d0cd92d5db7adeda92cfd490def9dfddd1d292d7fdfdf9ddd4d193dc\
    dcf7779f9cce99d7b874f6fcd9d294d7f577f7fb99d4d19ff6f773fb9bd6d49af3f771f797db945cb772f0f8dbd5\
    d69ff5f2f2fcdfd398d8f5ef79b4d9d39bdcf9eff8f3d2db97ffbceef6fdd9d39cd5f2b4719dd8d493779c6f";
const G722_HEARD: &str = "d08f897a8bb0b0e06fd14caa81b264eeba88c6bbc00e60a5dd075398d1f5ae4e";

/// 80 ms of one in GSM.
const GSM: &str = "\
    d47ce3e9a25037f0f8b468ea6c0d81237628ddbc668d09f06679ec46f8333d08df\
    d47dcb255a70a4a3c4c3358d6122078da7a7c5b122078ea7a7c551419986679947\
    d47dcb215aa14199866b9946f141998e6b9946d1c0aed64e46ea5180d6e2914594\
    d47ecb255a51a0baac5956e3a1611c96369c96f1611c96369c96f1c05672585673";
const GSM_HEARD: &str = "b464bd3b6b0ce8ecbd841c8d25980c7263326d2c0c06b0dc7c0d25e1eb6936e6";

/// 120 ms of one in Opus, and the hash of what libopus gives of 100 ms.
#[cfg(feature = "opus")]
const OPUS: [&str; 6] = [
    "\
         48847a6f1ce02d2305e51de6089c003ec19b5aa3ab722bb869db7c1fb3f41675f9579d1b93457a36fd2b\
         9468",
    "\
         48af976987c6260250f256aac5c4d30cb50772960a546a1f806372b1abf2cf5fd74a678ee72ae67c0e7c\
         38ce81d22d80",
    "\
         48a66468cd9af41f62678ef06acb37bd3d5324a7e640e6ea82323f0c344721b2c1eeaf2788f95ae33302\
         2700a65c5c80",
    "\
         48a66468cd9af41f626792d4ec66cf245ac8c62fb531cd1fa89bc8cefae9132b0593e8545a7521d74594\
         b8879fd7b253dd2c36beec80",
    "\
         48a66468cd9af41f626792d4f200a8854480994cd9ecb11a22d85cbfef475adfb5dbf62b18290d7d96eb\
         b54b3432e945e020",
    "\
         48b6578fca6124053be681cb0c44200799365c83398fb418b4ce90886bd927debea0",
];
#[cfg(feature = "opus")]
const OPUS_HEARD: &str = "dc78bc6f9a2411f41c1212aeceb28814232a5c750c162e6782d8f75175f492b7";

fn sha256(samples: &[i16]) -> String {
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

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
    let mut media = stream(Party::Caller, 9, &hex(G722), 160);
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
    assert_eq!(sha256(&left[..640]), G722_HEARD);
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
    let mut media = stream(Party::Caller, 3, &hex(GSM), 33);
    media.push((Party::Called, 90, rtp(3, 0, 0, &[0xd0; 32])));
    let desk = replayed(["m=audio 4000 RTP/AVP 3\r\n", "m=audio 5000 RTP/AVP 3\r\n"], &media);
    let said = desk.fine(&["evidence", "audio", "1", "--out", "call.wav"]);
    assert!(said.contains(": 1 packets of GSM that is not made of its frames\n"), "{said}");
    let (rate, [left, _]) = wav(&desk.path("call.wav"));
    assert_eq!((rate, sha256(&left)), (8000, GSM_HEARD.to_owned()));
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
    let packets = OPUS.iter().map(|digits| hex(digits)).chain([hex("4b00")]);
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
    assert_eq!(sha256(&left[312..][..4800]), OPUS_HEARD);
}

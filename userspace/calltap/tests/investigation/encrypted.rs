//! `calltap evidence audio` on calls whose media is encrypted.

use super::desk::{Desk, words};
use super::made::hex;
use super::spoken::{self, Party};
use super::wav;

/// The call's keys, bytes that count from 1 and from 101.
const CALLER_KEY: &str = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0e";
const CALLED_KEY: &str = "ZWZnaGlqa2xtbm9wcXJzdHV2d3h5ent8fX5/gIGC";

/// Packets of libsrtp (pylibsrtp 1.0) by AES_CM_128_HMAC_SHA1_80 with these keys: of A-law, with
/// the sequence numbers 65535, 0 and 1, and 80 bytes each that count from 1 and from 101.
const CALLER: [&str; 3] = [
    "\
     8008ffff00000000ca117a0b795c06338aea83d30bba5d2fb1c341ef3b47c6d5af5bffc252f6fb86361d140be5\
     30c9c99db0079fb27c7bd67987e44480074f16c92ed758ea54b891afe794d834380a9e097cc3962fed88f7b957\
     2e8b325599d3a856771293f7",
    "\
     8008000000000050ca117a0ba883f2afb06ed1727ee9bd2ed02d3fabcfbe3771faee0f9f96bb1534bce1bb2f56\
     c47908ef2b97bb151164a6738f81780c5769b252fb8f7c2f932908ce71d626e1a0ee2c3509916ac7fc47b60c0c\
     d166afcb4a52e2cef157d1e7",
    "\
     80080001000000a0ca117a0bdac7f5d70d8e31bdbc331f23e135edd20a9372b3a2ade6786a8c3e776d841e94bf\
     50dfc44cae13ca888cc05d460a264da422b26f927ebd97bad6fdd8281a495436ec49606e62e612244bd8eac93a\
     d1a31042b5bc146ae613d1e5",
];
const CALLED: [&str; 3] = [
    "\
     8008ffff00000000ca117a0c6b57127f26c7a758a40748b9c57a588efb1ddecb6c26bb62b64ffe9527cea223e4\
     ac4299e993666ba0cd6bc9ec180ffa8ef5a81c9886049a546f36e72d987b94d5af7d4fe57f814fc053fd691f3b\
     12593d743e9bd7f541ce3ec0",
    "\
     8008000000000050ca117a0cdd933d7ca8b52ec6eeeb604a46e4e67cc402266f19cae2ad98810db3293c8b4a77\
     b3a84af919d4b05c5c747c2909ecfbe07936e0751c6dea7b7047cc6db0bd749d98b18c7a8678e97c5a67853ba4\
     3f6fb8829b5537687133bb30",
    "\
     80080001000000a0ca117a0c94fa62f2f0a486d9e85c98cc9a9bb296aa00fb53ce9b7e421bee0aff2dbb02e0cf\
     af5eed272f3345fc7fe2e19ace432ccd97d5164bbb7cfcc02738178612218268afdca8e47b0cb7e48fba77587f\
     f6edd3f2a4e9cbb670946986",
];

/// Such a call with other descriptions, the packets altered as it pleases the test.
fn call(descriptions: [String; 2], alter: impl Fn(Party, usize, &mut Vec<u8>)) -> Desk {
    let mut media = Vec::new();
    for (nth, (caller, called)) in CALLER.iter().zip(CALLED).enumerate() {
        for (party, digits) in [(Party::Caller, *caller), (Party::Called, called)] {
            let mut packet = hex(digits);
            alter(party, nth, &mut packet);
            media.push((party, 10 * u32::try_from(nth).unwrap(), packet));
        }
    }
    spoken::replayed(descriptions.each_ref().map(|it| &**it), &media)
}

/// Descriptions with these lines about keys.
fn keyed(lines: [&str; 2]) -> [String; 2] {
    let [caller, called] = lines;
    [
        format!("m=audio 4000 RTP/SAVP 8\r\n{caller}\r\n"),
        format!("m=audio 5000 RTP/SAVP 8\r\n{called}\r\n"),
    ]
}

fn sdes() -> [String; 2] {
    let line = |key| format!("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{key}|2^20");
    keyed([&line(CALLER_KEY), &line(CALLED_KEY)])
}

/// The samples of bytes that count from `first`, by G.711's own test.
fn counted(first: u8, packets: &[u8]) -> Vec<i16> {
    let bytes = packets.iter().flat_map(|nth| (0..80).map(move |at| (nth, at)));
    let bytes =
        bytes.map(|(nth, at)| first.wrapping_add(80_u8.wrapping_mul(*nth)).wrapping_add(at));
    bytes.map(a_law).collect()
}

/// ITU-T G.711 §3, table 1a.
fn a_law(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (segment, step) = (byte >> 4 & 7, i16::from(byte & 15));
    let value = if segment == 0 { 2 * step + 1 } else { (2 * step + 33) << (segment - 1) };
    if byte & 0x80 == 0 { -8 * value } else { 8 * value }
}

#[test]
fn a_call_whose_keys_stand_in_its_signalling_is_heard() {
    let desk = call(sdes(), |_, _, _| {});
    let kept = || -> Vec<Vec<u8>> {
        desk.volumes("evidence").iter().map(|volume| std::fs::read(volume).unwrap()).collect()
    };
    let before = kept();
    let said = desk.fine(&["evidence", "audio", "1", "--out", "call.wav"]);
    for line in [
        "decrypted  192.0.2.1:4000 -> 192.0.2.2:5000, SSRC 0xca117a0b: 3 packets of AES_CM_128_HMAC_SHA1_80\n",
        "decrypted  192.0.2.2:5000 -> 192.0.2.1:4000, SSRC 0xca117a0c: 3 packets of AES_CM_128_HMAC_SHA1_80\n",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains("not heard"), "{said}");
    let (rate, [left, right]) = wav(&desk.path("call.wav"));
    assert_eq!(rate, 8000);
    assert_eq!((left, right), (counted(1, &[0, 1, 2]), counted(101, &[0, 1, 2])));
    // What was kept is kept as it came, and that it was decrypted is in the audit.
    assert!(kept() == before);
    let audit = desk.audit();
    let (_, details) = audit.iter().find(|(event, _)| event == "evidence-heard").unwrap();
    assert_eq!(details["decrypted"], "2");
    // A page is made without.
    desk.fine(&["evidence", "report", "1", "--html", "call.html"]);
    let page = std::fs::read_to_string(desk.path("call.html")).unwrap();
    assert!(page.contains("calltap evidence audio may decrypt it"));
    assert!(!page.contains("data:audio/wav"));
}

#[test]
fn what_is_not_authentic_is_missing_and_counted() {
    let desk = call(sdes(), |party, nth, packet| {
        if party == Party::Caller && nth == 1 {
            packet[50] ^= 1;
        }
    });
    let said = desk.fine(&["evidence", "audio", "1", "--out", "call.wav"]);
    let expected = "not heard  192.0.2.1:4000 -> 192.0.2.2:5000, SSRC 0xca117a0b: 1 packets that are \
                    authentic by no key of the signalling\n";
    assert!(said.contains(expected), "{said}");
    let (_, [left, right]) = wav(&desk.path("call.wav"));
    let gap = [counted(1, &[0]), vec![0; 80], counted(1, &[2])].concat();
    assert_eq!((left, right), (gap, counted(101, &[0, 1, 2])));
}

#[test]
fn what_cannot_be_decrypted_is_said_with_its_reason() {
    let fingerprint = "a=fingerprint:sha-256 00:11:22";
    let cases = [
        (
            [
                "a=crypto:1 F8_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
                "a=crypto:1 F8_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
            ],
            "encrypted (sdes), and kept as it came: its signalling holds F8_128_HMAC_SHA1_80, which \
             is not decrypted",
        ),
        (
            [
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz",
                "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR",
            ],
            "encrypted (sdes), and kept as it came: no key of its signalling fits",
        ),
        (
            ["a=key-mgmt:mikey AQAFgM0A", "a=key-mgmt:mikey AQAFgM0A"],
            "encrypted (mikey), and kept as it came: keys in MIKEY are not read",
        ),
        (
            [fingerprint, fingerprint],
            "encrypted (dtls-srtp), and kept as it came: its ends agreed upon keys that are in no \
             evidence",
        ),
    ];
    for (lines, why) in cases {
        let desk = call(keyed(lines), |_, _, _| {});
        let output = desk.run(&["evidence", "audio", "1", "--out", "call.wav"]);
        assert_eq!(output.status.code(), Some(2));
        assert!(words(&output).contains(why), "{}", words(&output));
        assert!(!desk.path("call.wav").exists());
    }
}

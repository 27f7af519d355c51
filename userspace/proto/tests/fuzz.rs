//! The fuzz targets, each for some twenty thousand inputs that need no instrumentation: random bytes, and
//! messages and frames changed at random. `scripts/fuzz` runs the same targets under libFuzzer.

#[path = "../../../ebpf/src/headers/tests/crafted.rs"]
mod crafted;
#[path = "../fuzz/harness/mod.rs"]
mod harness;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;

const INPUTS: u64 = 20_000;

const INVITE: &str = "INVITE sip:bob@example.org SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1\r\n\
    From: \"A\" <sip:alice@example.net>;tag=1\r\nTo: <tel:+3225550100;phone-context=+32>\r\n\
    Call-ID: 1@192.0.2.1\r\nCSeq: 1 INVITE\r\nSession-ID: 00ff;remote=00\r\n\
    Content-Type: multipart/mixed;boundary=x\r\nContent-Length: 260\r\n\r\n\
    --x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\nc=IN IP4 192.0.2.1\r\n\
    a=group:BUNDLE 1 2\r\nm=audio 4000/2 RTP/SAVP 0 101\r\na=crypto:1 AES inline:x\r\n\
    a=rtcp:4001 IN IP6 2001:db8::1\r\na=candidate:1 1 UDP 1 192.0.2.1 4000 typ host\r\n\r\n--x--\r\n";

/// A STUN request with a user name (RFC 5769 §2.1, shortened).
const STUN: &[u8] = b"\x00\x01\x00\x1c\x21\x12\xa4\x42transactions\x80\x22\x00\x04test\
    \x00\x06\x00\x09evtj:h6vY\0\0\0";

/// What goes over a media port, as the target `rtp_rtcp` takes it: a clock, then datagrams with time
/// and length ahead: an RTP packet, a key pressed, a sender report and a receiver report.
const MEDIA: &[u8] = b"\x60opus\0\0\0\0\x30\
    \0\x05\0\x10\x80\0\0\x01\0\0\0\xa0\0\0\0\x0avoic\
    \0\x05\0\x10\x80\xe5\0\x02\0\0\x01\x40\0\0\0\x0a\x05\x8a\x03\x20\
    \0\x05\0\x1c\x80\xc8\0\x06\0\0\0\x0a\xe8\xd4\xa5\x10\x12\x34\x56\x78\0\0\0\0\0\0\0\0\0\0\0\0\
    \0\x05\0\x20\x81\xc9\0\x07\0\0\0\x0b\0\0\0\x0a\x40\0\0\x03\0\0\0\0\0\0\0\x50\xa5\x10\x12\x34\0\0\0\0";

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) >> 8).unwrap() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.byte()).collect()
    }

    /// The seed with a few things overwritten, cut, doubled or put in.
    fn changed(&mut self, seed: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let (at, length) = (self.below(bytes.len()), self.below(16));
            let end = (at + length).min(bytes.len());
            match self.below(4) {
                0 => bytes[at..end].fill_with(|| self.byte()),
                1 => drop(bytes.drain(at..end)),
                2 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                _ => drop(bytes.splice(at..at, self.bytes(8))),
            }
            if bytes.is_empty() {
                break;
            }
        }
        bytes
    }
}

#[test]
fn no_input_breaks_what_every_target_asserts() {
    let mut seeds = vec![INVITE.as_bytes().to_vec()];
    let inner = crafted::ipv4(17, 0, &[], &crafted::DATAGRAM);
    seeds.extend([STUN.to_vec(), MEDIA.to_vec()]);
    seeds.extend(crafted::TUNNELS.iter().map(|(_, _, wrap)| wrap(&inner)));
    for (name, target) in harness::TARGETS {
        let mut random = Random(1);
        for nth in 0..INPUTS {
            let input = match nth % 3 {
                0 => random.bytes(1_500),
                _ => {
                    let seed = random.below(seeds.len());
                    random.changed(&seeds[seed])
                }
            };
            let survived = catch_unwind(AssertUnwindSafe(|| target(&input)));
            assert!(survived.is_ok(), "{name}, input {nth}: {input:?}");
        }
    }
}

/// The seeds that another project's fuzzers begin with, as they are and changed at random.
#[test]
fn no_seed_of_others_breaks_what_every_target_asserts() {
    let Some(corpus) = std::env::var_os("CALLTAP_CORPUS").map(PathBuf::from) else {
        println!("SKIPPED: CALLTAP_CORPUS names no folder of captures");
        return;
    };
    let mut seeds = Vec::new();
    for archive in std::fs::read_dir(corpus.join("fuzz-seeds")).unwrap().flatten() {
        let unzip = |option: &str, name: &[&str]| {
            let mut command = Command::new("unzip");
            let output = command.arg(option).arg(archive.path()).args(name).output();
            output.expect("unzip runs: scripts/setup installs it").stdout
        };
        let names = String::from_utf8(unzip("-Z1", &[])).expect("names");
        seeds.extend(names.lines().filter(|it| !it.ends_with('/')).map(|it| unzip("-p", &[it])));
    }
    assert!(seeds.len() > 40, "{} seeds", seeds.len());
    for (name, target) in harness::TARGETS {
        let mut random = Random(2);
        for seed in &seeds {
            for nth in 0..20 {
                let input = if nth == 0 { seed.clone() } else { random.changed(seed) };
                let survived = catch_unwind(AssertUnwindSafe(|| target(&input)));
                assert!(survived.is_ok(), "{name}: {input:?}");
            }
        }
    }
}

//! A capture file of many calls, two in a hundred of which are the target's.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use crate::call::{Call, TARGET, TARGET_ADDRESS};

const START_NS: u64 = 1_700_000_000_000_000_000;

/// Between the beginnings of two calls.
const SPACING_NS: u64 = 200_000_000;

/// A capture file.
#[derive(Debug)]
pub struct Capture {
    /// The file.
    pub path: PathBuf,
    /// Its packets.
    pub packets: u64,
    /// Its length.
    pub bytes: u64,
    /// Packets of the target's calls.
    pub wanted: u64,
}

impl Capture {
    /// Writes `path`: so many calls, in which each side says so many packets.
    pub fn make(path: PathBuf, calls: u32, said: u16) -> Self {
        let per_call = 6 + 2 * u64::from(said);
        let (mut frames, mut wanted) = (Vec::new(), 0);
        for number in 0..calls {
            let of_target = number % 50 == 25;
            wanted += if of_target { per_call } else { 0 };
            let call = if of_target { Call::of_target(number) } else { Call::of_stranger(number) };
            frames.append(&mut call.frames(START_NS + u64::from(number) * SPACING_NS, said));
        }
        frames.sort_by_key(|(at_ns, _)| *at_ns);
        write_pcap(&path, &frames).expect("room for a capture");
        let bytes = fs::metadata(&path).expect("the capture").len();
        Self { path, packets: frames.len() as u64, bytes, wanted }
    }

    /// What tshark has to be told to find the same packets.
    pub fn filter() -> String {
        format!(
            "sip.from.user == \"{TARGET}\" || sip.to.user == \"{TARGET}\" \
             || (rtp && ip.addr == {TARGET_ADDRESS})"
        )
    }
}

/// Writes a pcap file of Ethernet frames with nanoseconds (draft-ietf-opsawg-pcap).
fn write_pcap(path: &Path, frames: &[(u64, Vec<u8>)]) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let [major_minor, snap_length, ethernet] = [4 << 16 | 2, 65_535, 1];
    for word in [0xa1b2_3c4d_u32, major_minor, 0, 0, snap_length, ethernet] {
        file.write_all(&word.to_le_bytes())?;
    }
    for (at_ns, frame) in frames {
        let length = frame.len() as u64;
        for word in [at_ns / 1_000_000_000, at_ns % 1_000_000_000, length, length] {
            file.write_all(&u32::try_from(word).expect("before 2106").to_le_bytes())?;
        }
        file.write_all(frame)?;
    }
    file.flush()
}

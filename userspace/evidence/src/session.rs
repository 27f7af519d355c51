//! What holds for a whole session of capture: its interfaces, its clock, its rotation.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest;

/// What is written down about where and how packets are taken.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The interfaces, in the order of the numbers that records use.
    pub interfaces: Vec<InterfaceFacts>,
    /// Program and version, such as `calltap 0.1.0`.
    pub tool: String,
    /// Which clock stamped the packets and how well it is known.
    pub clock: Clock,
    /// What runs in the kernel; none where nothing does.
    pub program: Option<Program>,
}

/// The clock that stamped the packets, and how it stands to UTC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Which, in words.
    pub source: String,
    /// What was added to it to give UTC, in nanoseconds; none where it gives UTC itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset_ns: Option<i64>,
    /// How far that may be off the system's own clock, in nanoseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty_ns: Option<u64>,
}

/// What decides in the kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// The tag that the kernel gave the program: 16 hexadecimal digits, as `bpftool prog` has it.
    pub tag: String,
    /// SHA-256 of the object from which it was loaded.
    pub sha256: String,
    /// How its maps were set, in words; SHA-256 of it is in each manifest line.
    #[serde(skip)]
    pub settings: String,
    /// SHA-256 of `settings`.
    pub settings_sha256: String,
}

impl Program {
    /// The program loaded from `object`, to which the kernel gave `tag`.
    pub fn new(tag: u64, object: &[u8], settings: String) -> Self {
        let settings_sha256 = digest::hex(settings.as_bytes());
        Self { tag: format!("{tag:016x}"), sha256: digest::hex(object), settings, settings_sha256 }
    }
}

/// One interface or input file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceFacts {
    /// Its name.
    pub name: String,
    /// The link type of its frames (`LINKTYPE_ETHERNET` is 1).
    pub link_type: u16,
    /// The longest frame kept whole, in bytes; 0 for no limit.
    pub snaplen: u32,
    /// What was let through, in words.
    pub filter: String,
    /// How frames were taken, such as `xdp native, zero-copy`.
    pub mode: String,
}

/// When a volume is sealed and the next begun; dumpcap's words. Without either, at the end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rotation {
    /// At most this much packet time in a volume.
    pub duration: Option<Duration>,
    /// The next volume begins when one has reached this many units of 1000 bytes.
    pub filesize_kb: Option<u64>,
}

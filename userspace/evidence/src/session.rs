//! What holds for a whole session of capture: its interfaces, its clock, its rotation.

use std::time::Duration;

/// What is written down about where and how packets are taken.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// The interfaces, in the order of the numbers that records use.
    pub interfaces: Vec<InterfaceFacts>,
    /// Program and version, such as `calltap 0.1.0`.
    pub tool: String,
    /// Which clock stamped the packets and how well it is known.
    pub clock: String,
}

/// One interface or input file.
#[derive(Clone, Debug)]
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

//! A running capture as it stands, once a second: what `calltap status`, `calltap top`, the metrics and
//! the console show.
//!
//! Every thread tells the control thread what it has counted ([`news`]), which makes a [`Snapshot`] of
//! it ([`gathering`]); a thread with a confinement of its own gives that to whoever asks ([`serve`]).
//! It has LIIDs and never identities.

pub mod alarms;
pub mod gathering;
pub mod latency;
pub mod limited;
pub mod metrics;
pub mod news;
pub mod place;
pub mod serve;
pub mod status;
pub mod top;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use alarms::Alarm;
pub use latency::Latency;

use crate::summary::Frames;

/// A running capture at a moment. Counts are since its beginning, rates those of the last second.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Snapshot {
    /// Program and version.
    pub tool: String,
    /// Its process.
    pub process: u32,
    /// The evidence directory.
    pub evidence: String,
    /// When the capture began (RFC 3339, UTC).
    pub began: String,
    /// When this was so.
    pub at: String,
    /// Seconds from one to the other.
    pub up_s: f64,
    /// What became of the frames; those on their way are in `seen` and nowhere else yet.
    pub frames: Frames,
    /// The same by second.
    pub rates: Rates,
    /// What the filter counted, by reason.
    pub filter: BTreeMap<String, u64>,
    /// What was seen of signalling and given up, by name.
    pub signalling: BTreeMap<String, u64>,
    /// The interfaces, in the volumes' order.
    pub interfaces: Vec<Interface>,
    /// Empty buffers, by what they are for.
    pub buffers: BTreeMap<String, Free>,
    /// The warrants, by LIID.
    pub warrants: Vec<Warrant>,
    /// Refusals of files that name no LIID, by code.
    pub refused: BTreeMap<String, u64>,
    /// Time from a message's arrival until its endpoints were open in the kernel; none before the
    /// first.
    pub trigger: Option<Latency>,
    /// The evidence's file system, in bytes.
    pub disk: Free,
    /// What is wrong.
    pub alarms: Vec<Alarm>,
}

/// Frames in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// That reached the filter.
    pub seen: f64,
    /// That the filter dropped, as nobody asked for them.
    pub filtered: f64,
    /// That reached user space, and were not lost behind it.
    pub delivered: f64,
    /// That were lost.
    pub lost: f64,
}

/// An interface.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// How the filter and the sockets are attached.
    pub mode: String,
    /// Frames that its card received, whatever became of them.
    pub frames: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Frames a second.
    pub frames_per_s: f64,
    /// Bits a second.
    pub bits_per_s: f64,
    /// Frames that its card had no room for.
    pub nic: u64,
    /// Its receive queues.
    pub queues: Vec<Queue>,
}

/// A receive queue.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Queue {
    /// Its number.
    pub queue: u32,
    /// Frames of media that its worker took.
    pub frames: u64,
    /// The same in a second.
    pub frames_per_s: f64,
    /// Frames lost between the filter and the threads, for whatever reason.
    pub lost: u64,
    /// The ring of media.
    pub media: Waiting,
    /// The ring of signalling.
    pub signalling: Waiting,
}

/// How full a ring is, once a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Frames that wait.
    pub frames: u32,
    /// Room for how many there is.
    pub room: u32,
}

/// How much is free of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Free {
    /// What is free.
    pub free: u64,
    /// Of how much.
    pub of: u64,
}

impl Free {
    /// The share that is free, from 0 to 1; 1 of nothing.
    pub fn share(self) -> f64 {
        if self.of == 0 { 1.0 } else { self.free as f64 / self.of as f64 }
    }
}

/// A warrant.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Warrant {
    /// Its LIID.
    pub liid: String,
    /// `waiting`, `executed`, `ended`, `stopped` or `refused`.
    pub state: String,
    /// Why it is stopped or refused: a code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub code: Option<String>,
    /// Its version; 0 of one that was refused.
    pub version: u32,
    /// Its window (RFC 3339, UTC); empty of one that was refused.
    pub not_before: String,
    /// Its window's end.
    pub not_after: String,
    /// Calls that go on.
    pub live: u64,
    /// Calls that have ended, since the evidence of this LIID was begun.
    pub calls: u64,
    /// Packets in its volumes, since then.
    pub packets: u64,
    /// Packets a second.
    pub packets_per_s: f64,
    /// Bytes of its volumes.
    pub bytes: u64,
    /// Sealed volumes.
    pub volumes: u64,
}

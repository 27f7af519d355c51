//! What each thread of a run tells the control thread once a second: counts that it keeps anyway, so
//! that nothing is counted for the sake of being shown.

use std::collections::BTreeMap;

use calltap_evidence::store::Holding;
use calltap_xdp::{Counters, Statistics};
use crossbeam::channel::Sender;

use super::Latency;
use crate::intake::Tally;
use crate::loss::Place;

/// News of a thread, as of `at_ns` of the boot clock.
#[derive(Debug)]
pub struct News {
    /// When it was told.
    pub at_ns: u64,
    /// What.
    pub of: Of,
}

/// Whose news, and what.
#[derive(Debug)]
pub enum Of {
    /// A worker's.
    Queue {
        /// Its queue.
        whose: Place,
        /// What it took in and lost.
        tally: Tally,
        /// What its socket lost.
        statistics: Statistics,
        /// Frames that wait in its ring, and room for how many there is.
        ring: (u32, u32),
    },
    /// That of the thread that follows calls.
    Following(Box<Following>),
    /// The recorder's.
    Writing(Vec<Holding>),
}

/// What the thread that follows calls knows.
#[derive(Debug, Clone, Default)]
pub struct Following {
    /// What the filter counted.
    pub kernel: Counters,
    /// What each queue's signalling socket lost, and how full its ring is.
    pub sockets: Vec<(Place, Statistics, (u32, u32))>,
    /// Frames taken from them.
    pub received: u64,
    /// Records lost for want of an empty chunk.
    pub lost_records: u64,
    /// How often the kernel held what nobody here had put there.
    pub altered: u64,
    /// What was seen of signalling and given up, by name.
    pub counted: BTreeMap<&'static str, u64>,
    /// Time from a message's arrival until its endpoints were open; none before the first.
    pub trigger: Option<Latency>,
}

/// The way to the control thread.
#[derive(Debug, Clone)]
pub struct Teller(Sender<News>);

impl Teller {
    /// Tells on this channel.
    pub fn to(control: Sender<News>) -> Self {
        Self(control)
    }

    /// Tells, unless the control thread is behind: the next second has newer figures.
    pub fn tell(&self, of: Of) {
        let _ = self.0.try_send(News { at_ns: calltap_xdp::clock::boot_ns(), of });
    }
}

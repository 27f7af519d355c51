//! What the recorder is told, by whoever follows calls, takes in frames, or looks at evidence.

use std::net::SocketAddr;

use calltap_evidence::chunk::Chunk;
use calltap_evidence::lines::{Joined, Match};
use calltap_proto::media::MediaTerms;
use calltap_proto::{CallKey, Cause, Keep, MediaKind};
use crossbeam::channel::Sender;

use crate::body::Said;
use crate::config::Reloaded;
use crate::docket::Change;
use crate::loss::LostThere;
use crate::pool::Lent;

/// What the recorder is told about a call, beside its records.
#[derive(Debug, Clone)]
pub enum Note {
    /// A call begins; its records follow.
    Opened(CallFacts),
    /// An endpoint was announced for it.
    Media {
        /// The call.
        call: CallKey,
        /// Where the media is received.
        endpoint: SocketAddr,
        /// What is received there.
        kind: MediaKind,
        /// What is announced for it.
        terms: Box<MediaTerms>,
    },
    /// Media between this endpoint of the call and this peer was learned from its flow.
    Learned {
        /// The call.
        call: CallKey,
        /// The end that it announced.
        endpoint: SocketAddr,
        /// The other.
        peer: SocketAddr,
    },
    /// The call goes on after a time in which nothing was captured.
    Resumed {
        /// The call.
        call: CallKey,
        /// The last packet of the session before, nanoseconds since the Unix epoch.
        from_ns: u64,
        /// When it was followed again.
        until_ns: u64,
        /// Whether it has a line in the ledger of calls from then.
        told: bool,
    },
    /// After a restart, these calls of the LIID go on, and these could not be found again.
    Restarted {
        /// The LIID.
        liid: String,
        /// The CINs that go on.
        resumed: Vec<u32>,
        /// The CINs that do not.
        lost: Vec<u32>,
        /// The last packet of the session before, nanoseconds since the Unix epoch.
        from_ns: u64,
        /// When they were followed again.
        until_ns: u64,
    },
    /// A party takes part that the warrant excludes: no more than `keep` is written from here on.
    Excluded {
        /// The warrant's number.
        warrant: u32,
        /// The call; none where nothing of it is written anyway.
        call: Option<CallKey>,
        /// What is kept.
        keep: Keep,
        /// When that was seen, nanoseconds since the Unix epoch.
        at_ns: u64,
    },
    /// A message of the call held this body.
    Body {
        /// The call.
        call: CallKey,
        /// The same in every copy of the message.
        copy: u64,
        /// Media type.
        media_type: String,
        /// What it says, where that is known and the warrant covers content.
        said: Option<Said>,
    },
    /// The call is over, and so is its grace time: no record of it follows.
    Ended {
        /// The call.
        call: CallKey,
        /// When it ended.
        at_ns: u64,
        /// Why.
        cause: Cause,
    },
    /// Frames were lost on the way here.
    Lost(LostThere),
    /// The kernel held something that nobody here had put there: its code, and in words what was
    /// done about it.
    Altered(&'static str, String),
    /// So many endpoints of calls did not get into the kernel's map, for this reason.
    Unopened(u64, String),
    /// So many notes found no room while the recorder was behind: what they say of calls is lost.
    Untold(u64),
}

/// What the recorder is handed by the other threads.
#[derive(Debug)]
pub enum Delivery {
    /// Records.
    Chunk(Lent<Chunk>),
    /// News of a call, behind the records that precede it.
    Note(Note),
    /// A change in the execution of warrants.
    Change(Change),
    /// The settings were read again.
    Settings(Box<Reloaded>),
}

/// What somebody does with the evidence while it is written: it goes into the audit before it is done.
#[derive(Debug)]
pub struct Act {
    /// What he does.
    pub event: &'static str,
    /// LIIDs and codes, never identities.
    pub details: Vec<(&'static str, String)>,
    /// Is told whether it stands in the audit, or why not.
    pub done: Sender<Result<(), String>>,
}

/// Who a call is between, and why it is kept.
#[derive(Debug, Clone)]
pub struct CallFacts {
    /// The call.
    pub call: CallKey,
    /// Its Call-ID, or the address target where no call explains the packets.
    pub call_id: String,
    /// From URI.
    pub from: String,
    /// To URI.
    pub to: String,
    /// Header field that matched, and the target.
    pub matched: Match,
    /// The call that it is joined to, and by what.
    pub joined: Option<Joined>,
    /// When it began, nanoseconds since the Unix epoch.
    pub at_ns: u64,
    /// It is no call, but the packets of an address target that no call explains.
    pub unexplained: bool,
}

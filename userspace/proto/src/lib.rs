//! SIP, SDP and RTP followed for warrants: bytes and time in, [`Event`]s out.
//!
//! No I/O, no clock, no thread, no `unsafe`: a capture replayed twice gives the same events, and
//! a test is a list of frames.
//! Whatever a peer sends is judged, counted and flagged; nothing here panics on it.

#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod call;
pub mod dtls;
pub mod event;
pub mod flows;
mod fnv;
#[cfg(test)]
mod made;
pub mod media;
pub mod minimise;
pub mod msrp;
pub mod packet;
pub mod reassembly;
pub mod rtcp;
pub mod rtp;
pub mod sdp;
pub mod sip;
pub mod stun;
pub mod target;
pub mod time;
pub mod udptl;
pub mod warrant;
mod within;
pub mod zrtp;

pub use call::{Counters, Joins, Limits, Tracker};
pub use event::{Cause, Event, Flaw, Joined, Kept, Matched, MediaKind};
pub use target::Identity;
pub use time::Timestamp;
pub use warrant::{CallKey, Excluded, Keep, Side, Warrant};

//! Messages that came in several frames: IP fragments and TCP streams.
//!
//! Both keep the original frames, because those are the evidence, and both are bounded in bytes,
//! entries and age, because anybody can send the first half of something.

mod held;
mod ip;
mod pieces;
mod sctp;
mod stream;
mod tcp;

pub(crate) use held::Held;
pub(crate) use ip::{Fragments, Whole};
pub(crate) use sctp::Messages;
pub(crate) use tcp::{Framed, Streams, Verdict};

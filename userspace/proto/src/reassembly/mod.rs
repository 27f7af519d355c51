//! Messages that came in several frames: IP fragments and TCP streams.
//!
//! Both keep the original frames, because those are the evidence, and both are bounded in bytes,
//! entries and age, because anybody can send the first half of something.

mod consumed;
mod datagram;
mod held;
mod ip;
mod order;
mod pieces;
mod recent;
mod recorded;
mod sctp;
mod shared;
mod stream;
mod tcp;
mod websocket;

pub(crate) use held::Held;
pub(crate) use ip::{Assembled, Fed, Fragments, Given};
pub(crate) use order::{Next, Order};
pub(crate) use pieces::Pieces;
pub(crate) use recent::Owners;
pub use recorded::Datagrams;
pub(crate) use sctp::{Messages, Name, Taken, data};
pub(crate) use tcp::{Framed, Streams};
pub(crate) use websocket::Header as WebSocketHeader;

//! RTP and RTCP (RFC 3550): the fixed header, payload clocks, and streams with loss and jitter.

mod clocks;
mod events;
mod gaps;
mod header;
mod quality;
pub(crate) mod sequence;
mod stream;
mod streams;

pub use clocks::PayloadClocks;
pub use events::{Digit, Events};
pub use gaps::Gap;
pub use header::{Header, Malformed, is_rtcp};
pub use quality::{Codec, Quality, R0};
pub use stream::Stream;
pub use streams::Streams;

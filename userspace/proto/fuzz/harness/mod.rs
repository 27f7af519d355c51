//! What is asserted of any input: one function a fuzz target, each fed the bytes of a fuzzer.
//!
//! The same functions are run by libFuzzer (`scripts/fuzz`) and, for a short time and with mutations
//! that need no instrumentation, by the ordinary test `fuzz`.

mod frame;
mod input;
mod latching;
mod scans;
mod session;
mod tracked;
mod whole;

pub(crate) use latching::latch;
pub(crate) use scans::{headers, rtp_rtcp, sdp, sip, stun};
pub(crate) use session::msrp;
pub(crate) use tracked::pipeline;
pub(crate) use whole::{fragments, sctp, tcp, websocket};

/// A target and what it does.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All of them.
pub(crate) const TARGETS: [Target; 12] = [
    ("sip", sip),
    ("sdp", sdp),
    ("rtp_rtcp", rtp_rtcp),
    ("stun", stun),
    ("headers", headers),
    ("fragments", fragments),
    ("tcp", tcp),
    ("sctp", sctp),
    ("websocket", websocket),
    ("msrp", msrp),
    ("latch", latch),
    ("pipeline", pipeline),
];

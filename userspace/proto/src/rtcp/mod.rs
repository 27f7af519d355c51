//! RTCP (RFC 3550 §6) and its extended reports (RFC 3611): what the parties of a call told each
//! other about their streams.

mod extended;
mod packet;
mod reports;

pub use extended::{Extended, VoipMetrics, extended};
pub use packet::{Compound, Packet, ReportBlock, SenderInfo, compound};
pub use reports::{Reported, Reports};

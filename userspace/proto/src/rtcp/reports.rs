//! What was reported about each stream of a call: the last figures and the worst.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use super::extended::{Extended, VoipMetrics, extended};
use super::packet::{Packet, ReportBlock, compound};
use crate::rtp::is_rtcp;
use crate::time::Timestamp;

/// Figures about one stream, reported by the host that receives it.
///
/// Jitter is in units of the stream's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Reported {
    /// Report blocks.
    pub reports: u64,
    /// The last of them.
    pub last: Option<ReportBlock>,
    /// Highest fraction lost, in 256ths.
    pub max_fraction_lost: u8,
    /// Highest jitter.
    pub max_jitter: u32,
    /// Round trip from the point of capture to the reporter and back, the last and the highest, in
    /// milliseconds.
    pub round_trip_ms: Option<[f64; 2]>,
    /// Last VoIP metrics.
    pub voip: Option<VoipMetrics>,
    /// The worst of each of them.
    pub worst_voip: Option<VoipMetrics>,
}

/// The reports of a call.
///
/// Hosts are told apart by address: RTCP and RTP of one party may have different ports.
/// A report that comes when there is no room for a further stream is counted and not read.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    about: Vec<(Key, Reported)>,
    sent: Vec<(Key, Sent)>,
    unreadable: Vec<(IpAddr, IpAddr, u64)>,
    beyond_limit: u64,
}

/// Sender and receiver of a report, and the SSRC that it is about.
type Key = (IpAddr, IpAddr, u32);

/// Middle bits of the times that a party sent of late, and when they were seen to pass.
#[derive(Clone, Debug, Default)]
struct Sent {
    times: [Option<(u32, Timestamp)>; 4],
    next: usize,
}

/// Streams, senders and pairs of hosts beyond this number are not remembered: a call has few.
const LIMIT: usize = 64;

impl Reports {
    /// Reads a datagram; says whether it was RTCP, or SRTCP.
    pub fn feed(
        &mut self,
        at: Timestamp,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
    ) -> bool {
        if !is_rtcp(datagram) {
            return false;
        }
        let (from, to) = (source.ip(), destination.ip());
        let Some(packets) = compound(datagram) else {
            self.count_unreadable(from, to);
            return true;
        };
        for packet in packets {
            match packet {
                Packet::Sender { ssrc, sender, blocks } => {
                    self.sent(at, (from, to, ssrc), sender.ntp);
                    blocks.iter().for_each(|block| self.block(at, from, to, block));
                }
                Packet::Receiver { blocks, .. } => {
                    blocks.iter().for_each(|block| self.block(at, from, to, block));
                }
                Packet::Extended { ssrc, blocks } => self.extended(at, (from, to, ssrc), blocks),
                Packet::Other(_) => {}
            }
        }
        true
    }

    /// What `receiver` reported to `sender` about the stream `ssrc`.
    #[must_use]
    pub fn about(&self, sender: SocketAddr, receiver: SocketAddr, ssrc: u32) -> Reported {
        let key = (receiver.ip(), sender.ip(), ssrc);
        let found = self.about.iter().find(|(it, _)| *it == key);
        found.map(|(_, reported)| *reported).unwrap_or_default()
    }

    /// Datagrams from `receiver` to `sender` that were RTCP and could not be read: SRTCP, or
    /// malformed.
    #[must_use]
    pub fn unreadable(&self, sender: SocketAddr, receiver: SocketAddr) -> u64 {
        let (from, to) = (receiver.ip(), sender.ip());
        let found = self.unreadable.iter().find(|it| (it.0, it.1) == (from, to));
        found.map_or(0, |(_, _, count)| *count)
    }

    /// Reports that were not read for want of room.
    #[must_use]
    pub fn beyond_limit(&self) -> u64 {
        self.beyond_limit
    }

    fn block(&mut self, at: Timestamp, from: IpAddr, to: IpAddr, block: &[u8; 24]) {
        let block = ReportBlock::read(block);
        let round_trip =
            self.round_trip(at, (to, from, block.ssrc), block.last_sr, block.delay_since_last_sr);
        let Some(reported) = self.reported((from, to, block.ssrc)) else { return };
        reported.reports += 1;
        reported.last = Some(block);
        reported.max_fraction_lost = reported.max_fraction_lost.max(block.fraction_lost);
        reported.max_jitter = reported.max_jitter.max(block.jitter);
        reported.measured(round_trip);
    }

    fn extended(&mut self, at: Timestamp, (from, to, ssrc): Key, blocks: &[u8]) {
        for block in extended(blocks) {
            match block {
                Extended::ReferenceTime(ntp) => self.sent(at, (from, to, ssrc), ntp),
                Extended::Delays(delays) => {
                    for &[s0, s1, s2, s3, l0, l1, l2, l3, d0, d1, d2, d3] in delays {
                        let about = u32::from_be_bytes([s0, s1, s2, s3]);
                        let last = u32::from_be_bytes([l0, l1, l2, l3]);
                        let delay = u32::from_be_bytes([d0, d1, d2, d3]);
                        let round_trip = self.round_trip(at, (to, from, about), last, delay);
                        if round_trip.is_some()
                            && let Some(reported) = self.reported((from, to, about))
                        {
                            reported.measured(round_trip);
                        }
                    }
                }
                Extended::Voip(metrics) => {
                    if let Some(reported) = self.reported((from, to, metrics.ssrc)) {
                        let worst = reported.worst_voip.map(|it| it.worst(&metrics));
                        reported.worst_voip = Some(worst.unwrap_or(metrics));
                        reported.voip = Some(metrics);
                    }
                }
                Extended::Other(_) => {}
            }
        }
    }

    /// A party sent this time.
    fn sent(&mut self, at: Timestamp, key: Key, ntp: u64) {
        let place = self.sent.iter().position(|(it, _)| *it == key);
        if place.is_none() && self.sent.len() < LIMIT {
            self.sent.push((key, Sent::default()));
        }
        let place = place.unwrap_or_else(|| self.sent.len().saturating_sub(1));
        let found = self.sent.get_mut(place).filter(|(it, _)| *it == key);
        let Some((_, sent)) = found else { return };
        if let Some(slot) = sent.times.get_mut(sent.next) {
            *slot = Some((middle(ntp), at));
        }
        sent.next = (sent.next + 1) % sent.times.len();
    }

    /// RFC 3550 §6.4.1, seen from the point of capture: since the report that is answered passed
    /// here, less what the answering party kept it.
    fn round_trip(&self, at: Timestamp, key: Key, last: u32, delay: u32) -> Option<f64> {
        let (_, sent) = self.sent.iter().find(|(it, _)| *it == key)?;
        let mut times = sent.times.iter().flatten();
        let (_, sent_at) = times.find(|(time, _)| last != 0 && *time == last)?;
        #[expect(clippy::cast_precision_loss, reason = "exact below 104 days")]
        let since_ms = at.0.checked_sub(sent_at.0)? as f64 / 1e6;
        let round_trip = since_ms - f64::from(delay) * 1e3 / 65_536.0;
        // Less than nothing says that a clock is wrong.
        (round_trip >= 0.0).then_some(round_trip)
    }

    fn reported(&mut self, key: Key) -> Option<&mut Reported> {
        let place = match self.about.iter().position(|(it, _)| *it == key) {
            Some(place) => place,
            None if self.about.len() < LIMIT => {
                self.about.push((key, Reported::default()));
                self.about.len() - 1
            }
            None => {
                self.beyond_limit += 1;
                return None;
            }
        };
        self.about.get_mut(place).map(|(_, reported)| reported)
    }

    fn count_unreadable(&mut self, from: IpAddr, to: IpAddr) {
        let room = self.unreadable.len() < LIMIT;
        match self.unreadable.iter_mut().find(|it| (it.0, it.1) == (from, to)) {
            Some((_, _, count)) => *count += 1,
            None if room => self.unreadable.push((from, to, 1)),
            None => self.beyond_limit += 1,
        }
    }
}

/// The middle 32 of an NTP time's 64 bits (RFC 3550 §4).
#[expect(clippy::cast_possible_truncation, reason = "the upper bits are what is left out")]
fn middle(ntp: u64) -> u32 {
    (ntp >> 16) as u32
}

impl Reported {
    fn measured(&mut self, round_trip_ms: Option<f64>) {
        let Some(now) = round_trip_ms else { return };
        let highest = self.round_trip_ms.map_or(now, |[_, highest]| highest.max(now));
        self.round_trip_ms = Some([now, highest]);
    }
}

impl VoipMetrics {
    /// The worse of each figure; one that is available is worse than none.
    fn worst(&self, other: &Self) -> Self {
        let lower = |a: Option<u8>, b: Option<u8>| a.into_iter().chain(b).min();
        Self {
            ssrc: self.ssrc,
            loss_rate: self.loss_rate.max(other.loss_rate),
            discard_rate: self.discard_rate.max(other.discard_rate),
            round_trip_ms: self.round_trip_ms.max(other.round_trip_ms),
            end_system_delay_ms: self.end_system_delay_ms.max(other.end_system_delay_ms),
            r_factor: lower(self.r_factor, other.r_factor),
            mos_lq: lower(self.mos_lq, other.mos_lq),
            mos_cq: lower(self.mos_cq, other.mos_cq),
        }
    }
}

#[cfg(test)]
mod tests;

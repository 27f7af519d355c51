//! What is counted of a stream, as a line of evidence.

use std::net::SocketAddr;

use calltap_evidence::lines::{EModelLine, RtcpLine, StreamLine, VoipMetricsLine};
use calltap_proto::media::Encryption;
use calltap_proto::rtcp::VoipMetrics;
use calltap_proto::rtp::{R0, Stream};
use calltap_proto::udptl::Fax;

use crate::loss::OwnLosses;

use super::live::{LiveCall, rfc3339};

impl LiveCall {
    /// The line of one of its streams.
    pub(super) fn stream_line(&self, stream: &Stream, own: &OwnLosses) -> StreamLine {
        let (source, destination) = (stream.source, stream.destination);
        // A gap that may be ours says nothing about the network.
        let quality = stream.quality().filter(|_| !self.may_have_lost(own));
        StreamLine {
            association: self.association(source, destination),
            encryption: encryption(self.encryption(source, destination)).to_owned(),
            src: source.to_string(),
            dst: destination.to_string(),
            kind: None,
            ssrc: Some(format!("{:#010x}", stream.ssrc)),
            payload_type: Some(stream.payload_type),
            codec: stream.codec.name().map(str::to_owned),
            first: rfc3339(stream.first.0),
            last: rfc3339(stream.last.0),
            packets: stream.packets,
            bytes: stream.bytes,
            lost: stream.lost,
            lost_unknown: own.of(&stream.missed).min(stream.lost),
            duplicates: stream.duplicates,
            reordered: stream.reordered,
            max_jitter_ms: Some(stream.max_jitter_ms),
            r_factor: quality.map(|it| hundredth(it.r_factor)),
            mos: quality.map(|it| hundredth(it.mos)),
            e_model: quality.map(|it| EModelLine {
                r0: R0,
                ie: it.ie,
                bpl: it.bpl,
                ppl: hundredth(it.ppl),
                burst_r: hundredth(it.burst_r),
                delay_ms: 0.0,
            }),
            rtcp: self.rtcp_line(stream),
        }
    }

    /// The line of fax over UDPTL, which is no RTP.
    pub(super) fn fax_line(&self, fax: &Fax, own: &OwnLosses) -> StreamLine {
        StreamLine {
            src: fax.source.to_string(),
            dst: fax.destination.to_string(),
            association: self.association(fax.source, fax.destination),
            encryption: encryption(self.encryption(fax.source, fax.destination)).to_owned(),
            kind: Some("udptl".to_owned()),
            first: rfc3339(fax.first.0),
            last: rfc3339(fax.last.0),
            packets: fax.packets,
            bytes: fax.bytes,
            lost: fax.lost,
            // Fax has few packets, and its gaps are not told apart.
            lost_unknown: if self.may_have_lost(own) { fax.lost } else { 0 },
            duplicates: fax.duplicates,
            reordered: fax.reordered,
            ..StreamLine::default()
        }
    }

    fn association(&self, source: SocketAddr, destination: SocketAddr) -> String {
        let learned = self.is_learned(source, destination);
        if learned { "learned" } else { "sdp-match" }.to_owned()
    }

    /// What its receiver reported; none where it reported nothing.
    fn rtcp_line(&self, stream: &Stream) -> Option<RtcpLine> {
        let (sender, receiver) = (stream.source, stream.destination);
        let reported = self.reports().about(sender, receiver, stream.ssrc);
        let unreadable = self.reports().unreadable(sender, receiver);
        let voip = reported.voip.zip(reported.worst_voip);
        let measured = reported.round_trip_ms;
        if reported.last.is_none() && voip.is_none() && measured.is_none() && unreadable == 0 {
            return None;
        }
        let milliseconds = |jitter: u32| {
            let clock_hz = stream.clock_hz.filter(|&rate| rate != 0)?;
            Some(thousandth(f64::from(jitter) * 1e3 / f64::from(clock_hz)))
        };
        let last = reported.last;
        Some(RtcpLine {
            reports: reported.reports,
            unreadable,
            fraction_lost: last.map(|it| share(it.fraction_lost)),
            max_fraction_lost: last.map(|_| share(reported.max_fraction_lost)),
            cumulative_lost: last.map(|it| it.cumulative_lost),
            jitter_ms: last.and_then(|it| milliseconds(it.jitter)),
            max_jitter_ms: last.and_then(|_| milliseconds(reported.max_jitter)),
            round_trip_ms: measured.map(|[now, _]| thousandth(now)),
            max_round_trip_ms: measured.map(|[_, highest]| thousandth(highest)),
            voip_metrics: voip.map(|(last, _)| voip_line(&last)),
            worst_voip_metrics: voip.map(|(_, worst)| voip_line(&worst)),
        })
    }
}

fn voip_line(metrics: &VoipMetrics) -> VoipMetricsLine {
    let known = |milliseconds: u16| (milliseconds != 0).then_some(milliseconds);
    let score = |tenths: u8| f64::from(tenths) / 10.0;
    VoipMetricsLine {
        loss_rate: share(metrics.loss_rate),
        discard_rate: share(metrics.discard_rate),
        round_trip_ms: known(metrics.round_trip_ms),
        end_system_delay_ms: known(metrics.end_system_delay_ms),
        r_factor: metrics.r_factor,
        mos_lq: metrics.mos_lq.map(score),
        mos_cq: metrics.mos_cq.map(score),
    }
}

/// A share in 256ths, to four digits.
fn share(part: u8) -> f64 {
    (f64::from(part) / 256.0 * 1e4).round() / 1e4
}

fn hundredth(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn thousandth(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

fn encryption(encryption: Encryption) -> &'static str {
    match encryption {
        Encryption::None => "none",
        Encryption::Sdes => "sdes",
        Encryption::Mikey => "mikey",
        Encryption::DtlsSrtp => "dtls-srtp",
        Encryption::Zrtp => "zrtp",
        Encryption::Unknown => "unknown",
    }
}

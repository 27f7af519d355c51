//! Alice (0xa) and Bob (0xb) report about each other, seen by a listener in the middle.

use super::*;
use std::vec;

const A: &str = "192.0.2.1:4001";
const B: &str = "198.51.100.2:5001";
const SECOND: u64 = 1_000_000_000;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A sender report without blocks, of this wall clock time.
fn sender_report(ssrc: u32, ntp: u64) -> Vec<u8> {
    let mut packet = vec![0x80, 200, 0, 6];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(ntp.to_be_bytes());
    packet.extend([0; 12]);
    packet
}

fn block(ssrc: u32, fraction: u8, lost: i32, jitter: u32, last_sr: u32, delay: u32) -> Vec<u8> {
    let mut block = Vec::from(ssrc.to_be_bytes());
    block.push(fraction);
    block.extend(&lost.to_be_bytes()[1..]);
    block.extend([0; 4]);
    for word in [jitter, last_sr, delay] {
        block.extend(word.to_be_bytes());
    }
    block
}

fn receiver_report(ssrc: u32, block: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x81, 201, 0, 7];
    packet.extend(ssrc.to_be_bytes());
    packet.extend(block);
    packet
}

fn extended_report(ssrc: u32, blocks: &[u8]) -> Vec<u8> {
    let words = u16::try_from(1 + blocks.len() / 4).unwrap();
    let mut packet = vec![0x80, 207];
    packet.extend(words.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend(blocks);
    packet
}

#[test]
fn the_last_figures_and_the_worst_are_told() {
    let mut reports = Reports::default();
    for (fraction, lost, jitter) in [(10, 5, 80), (64, 90, 400), (0, -2, 160)] {
        let report = receiver_report(0xb, &block(0xa, fraction, lost, jitter, 0, 0));
        assert!(reports.feed(Timestamp(SECOND), at(B), at(A), &report));
    }
    let found = reports.about(at(A), at(B), 0xa);
    let last = found.last.unwrap();
    assert_eq!((found.reports, found.max_fraction_lost, found.max_jitter), (3, 64, 400));
    assert_eq!((last.fraction_lost, last.cumulative_lost, last.jitter), (0, -2, 160));
    assert_eq!(found.round_trip_ms, None, "no sender report was answered");
    // The ports of RTP are as good, other hosts are not.
    assert_eq!(reports.about(at("192.0.2.1:4000"), at("198.51.100.2:5000"), 0xa).reports, 3);
    assert_eq!(reports.about(at(B), at(A), 0xa).reports, 0);
}

#[test]
fn the_round_trip_is_the_time_since_the_answered_report_without_the_delay_before_the_answer() {
    let mut reports = Reports::default();
    let ntp = 0xe8d4_a510_1234_5678_u64;
    // Half a second with Bob, 530 ms since it passed: 30 ms to Bob and back.
    reports.feed(Timestamp(SECOND), at(A), at(B), &sender_report(0xa, ntp));
    let report = receiver_report(0xb, &block(0xa, 0, 0, 0, 0xa510_1234, 0x8000));
    reports.feed(Timestamp(SECOND + 530_000_000), at(B), at(A), &report);
    let [last, highest] = reports.about(at(A), at(B), 0xa).round_trip_ms.unwrap();
    assert!((last - 30.0).abs() < 1e-6 && (highest - 30.0).abs() < 1e-6);
    // 12 ms, 500 with Bob.
    reports.feed(Timestamp(3 * SECOND), at(A), at(B), &sender_report(0xa, ntp + (2 << 32)));
    let report = receiver_report(0xb, &block(0xa, 0, 0, 0, 0xa512_1234, 0x8000));
    reports.feed(Timestamp(3 * SECOND + 512_000_000), at(B), at(A), &report);
    let [last, highest] = reports.about(at(A), at(B), 0xa).round_trip_ms.unwrap();
    assert!((last - 12.0).abs() < 1e-6 && (highest - 30.0).abs() < 1e-6);
    // An impossible delay, and an answer to a report that was not seen, measure nothing.
    for (last_sr, delay) in [(0xa512_1234, u32::MAX), (7, 0), (0, 0)] {
        let report = receiver_report(0xb, &block(0xa, 0, 0, 0, last_sr, delay));
        reports.feed(Timestamp(4 * SECOND), at(B), at(A), &report);
    }
    assert_eq!(reports.about(at(A), at(B), 0xa).round_trip_ms, Some([last, highest]));
}

#[test]
fn a_receiver_s_reference_time_and_its_echo_measure_a_round_trip_too() {
    let mut reports = Reports::default();
    let time = [4, 0, 0, 2, 0, 0, 0x12, 0x34, 0x56, 0x78, 0, 0];
    reports.feed(Timestamp(SECOND), at(A), at(B), &extended_report(0xa, &time));
    let echo = [5, 0, 0, 3, 0, 0, 0, 0xa, 0x12, 0x34, 0x56, 0x78, 0, 0, 0x40, 0];
    reports.feed(Timestamp(SECOND + 270_000_000), at(B), at(A), &extended_report(0xb, &echo));
    let [last, _] = reports.about(at(A), at(B), 0xa).round_trip_ms.unwrap();
    assert!((last - 20.0).abs() < 1e-6, "{last}");
}

#[test]
fn voip_metrics_are_kept_last_and_worst() {
    let mut reports = Reports::default();
    for (loss, r_factor, mos) in [(3, 90, 43), (40, 127, 127), (1, 70, 36), (2, 88, 42)] {
        let mut blocks = vec![7, 0, 0, 8, 0, 0, 0, 0xa, loss, 0, 0, 0, 0, 0, 0, 0, 0, 50, 0, 0];
        blocks.extend([127, 127, 127, 16, r_factor, 127, mos, mos, 0, 0, 0, 0, 0, 0, 0, 0]);
        reports.feed(Timestamp(SECOND), at(B), at(A), &extended_report(0xb, &blocks));
    }
    let found = reports.about(at(A), at(B), 0xa);
    let (last, worst) = (found.voip.unwrap(), found.worst_voip.unwrap());
    assert_eq!((last.loss_rate, last.r_factor, last.mos_lq), (2, Some(88), Some(42)));
    assert_eq!((worst.loss_rate, worst.r_factor, worst.mos_lq), (40, Some(70), Some(36)));
}

#[test]
fn encrypted_reports_are_counted_and_invent_nothing() {
    let mut reports = Reports::default();
    let mut secured = receiver_report(0xb, &block(0xa, 255, 9, 9, 9, 9));
    secured.extend([0x80, 0, 0, 1]);
    secured.extend([0xaa; 10]);
    assert!(reports.feed(Timestamp(SECOND), at(B), at(A), &secured));
    assert_eq!(reports.about(at(A), at(B), 0xa), Reported::default());
    assert_eq!((reports.unreadable(at(A), at(B)), reports.unreadable(at(B), at(A))), (1, 0));
    assert!(!reports.feed(Timestamp(SECOND), at(B), at(A), &[0x80, 0, 0, 0, 0, 0, 0, 0]));
}

#[test]
fn a_flood_of_sources_is_bounded_and_counted() {
    let mut reports = Reports::default();
    for ssrc in 0..1000 {
        reports.feed(Timestamp(SECOND), at(A), at(B), &sender_report(ssrc, 1 << 40));
        let report = receiver_report(0xb, &block(ssrc, 0, 0, 0, 1 << 24, 0));
        reports.feed(Timestamp(SECOND), at(B), at(A), &report);
    }
    assert_eq!((reports.about.len(), reports.sent.len(), reports.beyond_limit()), (64, 64, 936));
}
